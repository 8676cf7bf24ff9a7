//! The parts of a server that all clients share.

use rmcp::model::{CallToolResult, ContentBlock, ErrorData, RequestStateCodec, Tool};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Map, Value};
use std::fmt;
use std::time::Duration;
use stepwright_core::{Answer, Error, RunOutput};
use stepwright_engine::{Resume, Runs, Workflow};

/// A workflow that is a tool.
#[derive(Clone, Debug)]
pub(super) struct Served {
    pub(super) tool: Tool,
    pub(super) workflow: Workflow,
    /// `true` if the arguments are the input. Otherwise that is their `message`.
    pub(super) takes_object: bool,
    /// The metadata of its runs.
    pub(super) metadata: Map<String, Value>,
}

/// The parts that all clients share.
pub(super) struct Shared {
    pub(super) served: Vec<Served>,
    pub(super) tools: Vec<Tool>,
    pub(super) runs: Option<Runs>,
    pub(super) operates: bool,
    pub(super) user: Option<String>,
    pub(super) session: Option<String>,
    /// `true` if the person at the client may answer questions.
    pub(super) answers: bool,
    /// The name to record for those answers.
    pub(super) answered_by: Option<String>,
    pub(super) codec: RequestStateCodec,
    /// The time for which the state of a call that waits for input can be given back.
    pub(super) state_lifetime: Duration,
}

impl Shared {
    /// Checks that the person at the client may answer questions.
    pub(super) fn check_answers(&self) -> Result<(), ErrorData> {
        let why = "you may not answer the questions of runs";
        self.answers.then_some(()).ok_or_else(|| ErrorData::invalid_params(why, None))
    }

    /// Prepares answers to requests of a run, in the name of the person at the client.
    pub(super) fn continuing(
        &self,
        served: &Served,
        output: &RunOutput,
        answers: Vec<(String, Answer)>,
    ) -> Resume {
        let resumed = served.workflow.continue_run(&output.run_id, answers);
        match &self.answered_by {
            Some(name) => resumed.answered_by(name.as_str()),
            None => resumed,
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("served", &self.served).finish_non_exhaustive()
    }
}

/// Returns a result that the model of the client reads as a failure.
pub(super) fn failed(text: impl Into<String>) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(text)])
}

/// Returns a result with a value, as text and as structured content.
pub(super) fn value(value: Value) -> CallToolResult {
    let text = format!("{value:#}");
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    // Earlier protocols have objects alone.
    if value.is_object() {
        result.structured_content = Some(value);
    }
    result
}

/// Returns an error as a text with its code and its hint.
pub(super) fn told(error: &Error) -> String {
    let text = format!("{}: {error}", error.id());
    match error.hint() {
        Some(hint) => format!("{text}; {hint}"),
        None => text,
    }
}

/// Returns `true` if the client can ask a person with a form, and that person may answer.
pub(super) fn can_ask(shared: &Shared, context: &RequestContext<RoleServer>) -> bool {
    if !shared.answers {
        return false;
    }
    let asks = context.client_capabilities().and_then(|all| all.elicitation);
    asks.is_some_and(|asks| asks.form.is_some() || asks.url.is_none())
}
