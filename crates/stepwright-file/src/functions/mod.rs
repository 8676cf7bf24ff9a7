//! The execution of steps that need no model.

mod environment;
mod files;
mod glob;
#[cfg(unix)]
mod group;
mod heard;
mod http;
mod shell;

pub(crate) use environment::{is_setting, is_variable};
pub(crate) use files::Folder;
pub(crate) use http::{Fetch, fetch};

use crate::budget::Unfinished;
use crate::format::{Function, Program, StateChange, StateEntry, Text};
use crate::reference::OwnedValues;
use crate::work::evaluate;
use serde_json::Value;
use std::sync::Arc;
use stepwright_core::error::ErrorCode;
use stepwright_core::{
    Content, Executor, OnInterrupted, Patch, StepContext, StepError, StepInput, StepOutput,
};

/// A step that executes a function.
pub(crate) struct FunctionStep {
    function: Function,
    folder: Arc<Folder>,
    /// The environment variables that commands get.
    pass_env: Vec<String>,
}

impl FunctionStep {
    pub(crate) fn new(function: Function, folder: Arc<Folder>, pass_env: &[String]) -> Self {
        Self { function, folder, pass_env: pass_env.to_vec() }
    }
}

impl Executor for FunctionStep {
    fn name(&self) -> &str {
        self.function.word()
    }

    fn on_interrupted(&self) -> OnInterrupted {
        match self.function {
            // A command has outside effects, and cannot recognise an earlier attempt.
            Function::Shell { .. } => OnInterrupted::Ask,
            // Reading can be repeated, and writing a file again has the same result.
            Function::Template { .. }
            | Function::Value { .. }
            | Function::State { .. }
            | Function::ReadFiles { .. }
            | Function::WriteFile { .. }
            | Function::HttpGet { .. }
            | Function::Sleep { .. } => OnInterrupted::Retry,
        }
    }

    async fn execute(&self, input: StepInput, cx: StepContext) -> Result<StepOutput, StepError> {
        let values = OwnedValues::of(input.clone());
        match &self.function {
            Function::Template { text } => Ok(rendered(values, text).await?.into()),
            Function::Value { value } => {
                let value = value.clone();
                let value = evaluate(values, move |values, budget| value.value(values, budget));
                Ok(Content::from(value.await?).into())
            }
            Function::State { by, values: changes } => {
                // The step only changes the state, and passes its input on.
                let mut output = passed_on(&input);
                let (by, changes) = (*by, changes.clone());
                let changes = evaluate(values, move |values, budget| {
                    let change = |entry: &StateEntry| {
                        let value = entry.value.value(values, budget)?;
                        Ok::<_, Unfinished>(patch(by, &entry.key.text, value)?)
                    };
                    changes.iter().map(change).collect::<Result<Vec<_>, _>>()
                });
                output.patches.extend(changes.await?);
                Ok(output)
            }
            Function::ReadFiles { glob, max_files, max_bytes } => {
                let limits = files::Limits { max_files: *max_files, max_bytes: *max_bytes };
                let (pattern, folder) = (rendered(values, glob).await?, self.folder.clone());
                let read = blocking(move || folder.read_all(&pattern, limits)).await?;
                cx.note(format!("read {} files, {} bytes", read.files, read.bytes));
                Ok(Content::from(read.list).into())
            }
            Function::WriteFile { path, text } => {
                let (path, folder) = (rendered(values.clone(), path).await?, self.folder.clone());
                let text = match text {
                    Some(text) => rendered(values, text).await?,
                    None => input.content().pretty().into_owned(),
                };
                let written = blocking(move || folder.write(&path, &text)).await?;
                Ok(Content::from(written).into())
            }
            Function::HttpGet { url, timeout, max_bytes } => {
                let url = rendered(values, url).await?;
                let fetch_it = Fetch { url, timeout: *timeout, max_bytes: *max_bytes };
                let mut page = fetch(&fetch_it, &cx).await?;
                if let Some(note) = page.note.take() {
                    cx.note(note);
                }
                // A long page keeps its thread busy.
                Ok(blocking(move || page.content()).await?.into())
            }
            Function::Shell(what) => {
                let program = match &what.program {
                    Program::Line { command, args } => shell::Program::Line(
                        rendered(values.clone(), command).await?,
                        all_rendered(&values, args).await?,
                    ),
                    Program::Argv(words) => {
                        shell::Program::Argv(all_rendered(&values, words).await?)
                    }
                };
                let mut env = Vec::with_capacity(what.env.len());
                for (name, value) in &what.env {
                    env.push((name.clone(), rendered(values.clone(), value).await?));
                }
                let stdin = match &what.stdin {
                    Some(stdin) => rendered(values, stdin).await?,
                    None => String::new(),
                };
                let command = shell::Command {
                    program,
                    env,
                    pass_env: self.pass_env.clone(),
                    stdin,
                    dir: self.folder.root()?,
                    timeout: what.timeout,
                    max_bytes: what.max_bytes,
                };
                Ok(shell::run(command, &cx).await?.into())
            }
            Function::Sleep { duration } => {
                cx.sleep_for("sleep", *duration).await?;
                Ok(passed_on(&input))
            }
        }
    }
}

/// Returns the change of one key.
fn patch(by: StateChange, key: &str, value: Value) -> Result<Patch, StepError> {
    Ok(match (by, value) {
        (StateChange::Set, value) => Patch::set(key, value),
        (StateChange::Append, value) => Patch::append(key, value),
        (StateChange::Increment, Value::Number(by)) => Patch::increment(key, by),
        (StateChange::Merge, Value::Object(members)) => Patch::merge(key, members),
        (StateChange::Increment, _) => {
            return Err(no_change(format!("`increment_state` needs a number for `{key}`")));
        }
        (StateChange::Merge, _) => {
            return Err(no_change(format!("`merge_state` needs an object for `{key}`")));
        }
    })
}

fn no_change(message: String) -> StepError {
    StepError::terminal(message).with_code(ErrorCode::State)
}

/// Renders a template.
async fn rendered(values: OwnedValues, text: &Text) -> Result<String, StepError> {
    let text = text.clone();
    evaluate(values, move |values, budget| text.render(values, budget)).await
}

/// Renders several templates.
async fn all_rendered(values: &OwnedValues, texts: &[Text]) -> Result<Vec<String>, StepError> {
    let mut all = Vec::with_capacity(texts.len());
    for text in texts {
        all.push(rendered(values.clone(), text).await?);
    }
    Ok(all)
}

/// Passes the input on unchanged.
fn passed_on(input: &StepInput) -> StepOutput {
    let headed = input.previous.as_ref().is_some_and(|previous| previous.headed);
    StepOutput { headed, ..StepOutput::from(input.content().clone()) }
}

/// Runs blocking work on a thread for such work.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StepError> + Send + 'static,
) -> Result<T, StepError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(StepError::terminal(error.to_string()).with_code(ErrorCode::Panicked)),
    }
}

/// Decodes bytes as text. Returns a note if they are not valid UTF-8.
pub(crate) fn text_of(bytes: Vec<u8>) -> (String, Option<String>) {
    match String::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let note = "it is not all UTF-8: what is not was replaced by `\u{fffd}`".to_owned();
            (text, Some(note))
        }
    }
}

/// Returns an error that a retry with the same values would repeat.
pub(crate) fn refused(message: impl Into<String>) -> StepError {
    StepError::terminal(message).with_code(ErrorCode::BadInput)
}

/// Returns the error of a limit that was reached.
pub(crate) fn over(message: impl Into<String>, limit: &str) -> StepError {
    StepError::terminal(message)
        .with_code(ErrorCode::Limit)
        .with_hint(format!("raise `{limit}`, or ask for less"))
}
