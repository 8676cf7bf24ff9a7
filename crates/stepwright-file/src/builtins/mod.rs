//! The built-in functions of a file: steps that need no model. A kind is a file, with its reading,
//! its references and its execution, and a line in [`BUILTINS`].

mod function;
mod http;
mod read_files;
mod shell;
mod sleep;
mod state;
mod stop;
mod template;
mod value;
mod wait_for;
mod write_file;

use crate::format::reader::{BuiltinKind, Reader};
use crate::format::{Builtin, Text};
use crate::reference::OwnedValues;
use crate::source::Span;
use crate::system::{Folder, Granted};
use crate::tree::Node;
use crate::work::evaluate;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::executor::ExecutorType;
use stepwright_core::once::TIME;
use stepwright_core::{
    Content, ErrorId, Executor, Fingerprint, OnInterrupted, StepContext, StepError, StepInput,
    StepOutput,
};

/// The kinds of built-in functions.
pub(crate) const BUILTINS: &[BuiltinKind] = &[
    template::KIND,
    value::KIND,
    state::SET,
    state::INCREMENT,
    state::APPEND,
    state::MERGE,
    read_files::KIND,
    write_file::KIND,
    write_file::APPEND,
    http::KIND,
    http::GET,
    shell::KIND,
    sleep::KIND,
    wait_for::KIND,
    stop::KIND,
    function::KIND,
];

/// The default number of bytes that a function reads.
const BYTES_DEFAULT: u64 = 10_000_000;
/// The maximum number of bytes that a file may set, because memory and the journal keep outputs.
const BYTES_MAX: u64 = 1_000_000_000;
/// The default timeout of `http`, `http_get` and `shell`.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// A step that executes a built-in function.
pub(crate) struct BuiltinStep {
    /// The key of the function.
    pub(crate) word: &'static str,
    pub(crate) work: Arc<dyn Builtin>,
    pub(crate) granted: Arc<Granted>,
}

impl Executor for BuiltinStep {
    fn name(&self) -> &str {
        self.work.is_agent().unwrap_or(self.word)
    }

    fn fingerprint(&self) -> Fingerprint {
        self.work.fingerprint()
    }

    fn executor_type(&self) -> ExecutorType {
        self.work.executor_type()
    }

    fn on_interrupted(&self) -> OnInterrupted {
        self.work.on_interrupted()
    }

    fn asks_player(&self) -> bool {
        self.work.asks_player()
    }

    fn asks(&self) -> bool {
        self.work.asks()
    }

    async fn execute(&self, input: StepInput, cx: StepContext) -> Result<StepOutput, StepError> {
        // Not held across an await.
        let is_timed = {
            let mut references = self.work.referring().into_iter().flat_map(|one| one.references);
            references.any(|reference| reference.root == "now")
        };
        let input = if is_timed { at_recorded_time(input, &cx).await? } else { input };
        self.work.execute(input, cx, &self.granted).await
    }
}

impl Reader<'_> {
    /// Reports that a function lacks a required setting.
    pub(crate) fn lacks(&mut self, value: &Node, what: &str, key: &str, help: &str) {
        let mistake = self.mistake(value.span, format!("`{what}` needs `{key}`"));
        self.push(mistake.help(format!("say {help}")));
    }

    /// Reports a constant path that leads out of the base directory.
    fn check_path(&mut self, text: &Text) {
        if text.has_expressions() {
            return;
        }
        let path = text.template.text();
        let folder = Folder::new(self.options.base_dir.clone());
        if let Err(error) = folder.check_path(path) {
            let error = error.data;
            let span = text.written.place(Span::new(0, path.len()));
            let mistake = self.mistake(span, error.message).coded(ErrorId::FILE_REFUSED);
            self.push(mistake.maybe_help(error.hint));
        }
    }
}

/// Sets the time that expressions and templates see. It is recorded, so that each attempt, and the
/// step after a crash, sees the same.
pub(crate) async fn at_recorded_time(
    input: StepInput,
    cx: &StepContext,
) -> Result<StepInput, StepError> {
    let now = async { Ok::<_, StepError>(cx.world().now()) };
    Ok(StepInput { now: cx.once(TIME, now).await?, ..input })
}

/// Returns the recorded result of an effect, in a playback.
async fn played(
    cx: &StepContext,
    kind: &'static str,
    request: impl FnOnce() -> Value,
) -> Option<Result<StepOutput, StepError>> {
    let answer = cx.played(kind, request).await?;
    Some(answer.map(|value| Content::from(value).into()))
}

/// Renders a template.
pub(crate) async fn rendered(values: OwnedValues, text: &Text) -> Result<String, StepError> {
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

/// Returns the text of a template as written, for the tree of steps.
fn as_written(text: &Text) -> String {
    text.template.text().trim().to_owned()
}
