//! What steps without a model do.

mod files;
mod http;
mod shell;

pub(crate) use files::Folder;
pub(crate) use http::{Fetch, fetch};

use crate::format::Function;
use crate::reference::Values;
use std::sync::Arc;
use stepwright_core::error::ErrorCode;
use stepwright_core::{
    Content, Executor, OnInterrupted, Patch, StepContext, StepError, StepInput, StepOutput,
};

/// A step that does one of these.
pub(crate) struct FunctionStep {
    function: Function,
    folder: Arc<Folder>,
}

impl FunctionStep {
    pub(crate) fn new(function: Function, folder: Arc<Folder>) -> Self {
        Self { function, folder }
    }
}

impl Executor for FunctionStep {
    fn name(&self) -> &str {
        self.function.word()
    }

    fn on_interrupted(&self) -> OnInterrupted {
        match self.function {
            // A command acts on the outside, and knows nothing of an attempt before.
            Function::Shell { .. } => OnInterrupted::Ask,
            // Reading repeats itself without harm, and a file is written whole, as the last time.
            Function::Template { .. }
            | Function::Value { .. }
            | Function::SetState { .. }
            | Function::ReadFiles { .. }
            | Function::WriteFile { .. }
            | Function::HttpGet { .. }
            | Function::Sleep { .. } => OnInterrupted::Retry,
        }
    }

    async fn execute(&self, input: StepInput, cx: StepContext) -> Result<StepOutput, StepError> {
        let values = Values::of(&input);
        match &self.function {
            Function::Template { text } => Ok(text.render(&values)?.into()),
            Function::Value { value } => Ok(Content::from(value.value(&values)?).into()),
            Function::SetState { values: changes } => {
                // It changes the state and nothing else.
                let mut output = passed_on(&input);
                for (key, value) in changes {
                    output = output.patch(Patch::set(key, value.value(&values)?));
                }
                Ok(output)
            }
            Function::ReadFiles { glob, max_files, max_bytes } => {
                let limits = files::Limits { max_files: *max_files, max_bytes: *max_bytes };
                let (pattern, folder) = (glob.render(&values)?, self.folder.clone());
                let read = blocking(move || folder.read_all(&pattern, limits)).await?;
                cx.progress(format!("read {} files, {} bytes", read.files, read.bytes));
                Ok(Content::from(read.list).into())
            }
            Function::WriteFile { path, text } => {
                let (path, folder) = (path.render(&values)?, self.folder.clone());
                let text = match text {
                    Some(text) => text.render(&values)?,
                    None => input.content().pretty().into_owned(),
                };
                let written = blocking(move || folder.write(&path, &text)).await?;
                Ok(Content::from(written).into())
            }
            Function::HttpGet { url, timeout, max_bytes } => {
                let url = url.render(&values)?;
                let fetch_it = Fetch { url, timeout: *timeout, max_bytes: *max_bytes };
                let page = blocking(move || fetch(&fetch_it)).await?;
                if let Some(note) = &page.note {
                    cx.progress(note.as_str());
                }
                Ok(page.content().into())
            }
            Function::Shell { command, stdin, timeout, max_bytes } => {
                let stdin = stdin.as_ref().map(|stdin| stdin.render(&values)).transpose()?;
                let command = shell::Command {
                    line: command.render(&values)?,
                    stdin: stdin.unwrap_or_default(),
                    dir: self.folder.root()?,
                    timeout: *timeout,
                    max_bytes: *max_bytes,
                };
                Ok(shell::run(command).await?.into())
            }
            Function::Sleep { duration } => {
                cx.sleep_for("sleep", *duration).await?;
                Ok(passed_on(&input))
            }
        }
    }
}

/// What came before, as it was.
fn passed_on(input: &StepInput) -> StepOutput {
    let headed = input.previous.as_ref().is_some_and(|previous| previous.headed);
    StepOutput { headed, ..StepOutput::from(input.content().clone()) }
}

/// Runs what blocks its thread on a thread for such work.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StepError> + Send + 'static,
) -> Result<T, StepError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(StepError::terminal(error.to_string()).with_code(ErrorCode::Panicked)),
    }
}

/// Bytes as text, and what to say if they were no UTF-8.
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

/// A failure that the same values would cause again.
pub(crate) fn refused(message: impl Into<String>) -> StepError {
    StepError::terminal(message).with_code(ErrorCode::BadInput)
}

/// A limit that was reached.
pub(crate) fn over(message: impl Into<String>, limit: &str) -> StepError {
    StepError::terminal(message)
        .with_code(ErrorCode::Limit)
        .with_hint(format!("raise `{limit}`, or ask for less"))
}
