//! The `AskUser` toolkit: questions to a person.

use crate::kit::KitTool;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use stepwright_agent::{FunctionTool, Toolkit};
use stepwright_core::tool::{AnyTool, ToolError};
use stepwright_core::{Error, ErrorCode, StepContext};

/// The largest number of options of one question.
pub const OPTIONS_MAX: usize = 32;

/// A toolkit with one tool, `ask_user`, with which the model asks a person.
///
/// The run waits for the answer as for every pending request: it is stored, and any process can go
/// on with it.
///
/// ```
/// use stepwright_agent::Agent;
/// use stepwright_tools::AskUser;
/// let agent = Agent::builder("Clerk").model("offline")?.tool(AskUser::new()).build()?;
/// assert_eq!(agent.tools()[0].name, "ask_user");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct AskUser {
    timeout: Option<Duration>,
}

impl AskUser {
    /// Creates the toolkit.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how long a question waits. After that the model is told that no one has answered.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Ask {
    /// The question, with all that the person needs to answer it.
    question: String,
    /// The answers to choose from, if the person should choose one.
    options: Option<Vec<String>>,
    /// The kind of answer, if there are no options. Default: text.
    kind: Option<Kind>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Text,
    Number,
    YesNo,
}

/// The value that stands for an answer that did not come.
const NO_ANSWER: &str = "\u{0}no answer";

impl Toolkit for AskUser {
    fn tools(self) -> Result<Vec<AnyTool>, Error> {
        if self.timeout.is_some_and(|limit| limit.is_zero()) {
            return Err(crate::kit::mistake("`timeout` must be greater than zero"));
        }
        let tool = FunctionTool::new(
            "ask_user",
            "Asks the person whom you work for. Use it when you cannot find out or decide yourself.",
            move |args: Ask, cx: StepContext| {
                let timeout = self.timeout;
                async move { ask(args, timeout, &cx).await }
            },
        );
        // The question and its answer are facts: nothing happens twice.
        Ok(vec![KitTool::asking(tool.read_only())])
    }
}

async fn ask(args: Ask, timeout: Option<Duration>, cx: &StepContext) -> Result<String, ToolError> {
    if args.question.trim().is_empty() {
        return Err(ToolError::Arguments("`question` is empty".into()));
    }
    let answer = match (&args.options, args.kind.unwrap_or(Kind::Text)) {
        (Some(options), _) if !(1..=OPTIONS_MAX).contains(&options.len()) => {
            let count = options.len();
            let wrong = format!("`options` has {count} answers; it must have 1 to {OPTIONS_MAX}");
            return Err(ToolError::Arguments(wrong));
        }
        (Some(options), _) => json!({"type": "string", "enum": options}),
        (None, Kind::Text) => json!({"type": "string", "minLength": 1}),
        (None, Kind::Number) => json!({"type": "number"}),
        (None, Kind::YesNo) => json!({"type": "boolean"}),
    };
    let schema = json!({
        "type": "object",
        "properties": {"answer": answer},
        "required": ["answer"],
    });
    let mut wait = cx.wait::<Value>("answer").message(args.question).schema(schema);
    if let Some(timeout) = timeout {
        wait = wait.timeout(timeout).default_answer(NO_ANSWER);
    }
    let given = wait.await.map_err(|error| match error.data.code {
        ErrorCode::Rejected => ToolError::Failed(format!("no answer: {}", error.data.message)),
        _ => ToolError::Fatal(error),
    })?;
    if given == NO_ANSWER {
        return Err(ToolError::Failed("no one has answered in time; go on without it".into()));
    }
    Ok(match &given["answer"] {
        Value::String(text) => text.clone(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        other => other.to_string(),
    })
}
