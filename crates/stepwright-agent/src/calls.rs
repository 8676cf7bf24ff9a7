//! Carrying out what the model asks of its tools.

use crate::builder::Definition;
use futures_util::FutureExt as _;
use futures_util::future::{Either, select};
use serde_json::{Map, Value};
use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;
use stepwright_core::error::ErrorCode;
use stepwright_core::json;
use stepwright_core::message::{Arguments, ToolCall, ToolOutcome};
use stepwright_core::requirement::RequirementKind;
use stepwright_core::tool::{Tool as _, ToolError};
use stepwright_core::{Answer, OnTimeout, Requirement, StepContext, StepError};

/// The most calls of one turn that are carried out. A model that asks for more has lost its way.
pub const TOOL_CALLS_MAX: usize = 128;

/// The longest answer of a tool that a model is told, in bytes; the rest is cut off, and the model
/// is told so. More than this fills the memory of every model.
pub const TOOL_TEXT_BYTES_MAX: usize = 1024 * 1024;

/// How much of broken arguments is repeated to the model, in bytes.
const EXCERPT_BYTES_MAX: usize = 200;

/// Carries out the `nth` call of a turn. Whatever goes wrong is told to the model, which may mend
/// it; only a failure that the tool calls fatal is an error here.
pub(crate) async fn carry_out(
    agent: &Definition,
    nth: usize,
    call: &ToolCall,
    cx: &StepContext,
) -> Result<ToolOutcome, StepError> {
    let outcome = |text: String, is_error: bool| ToolOutcome {
        call_id: call.id.clone(),
        name: call.name.clone(),
        text: shortened(text),
        is_error,
    };
    match answer(agent, nth, call, cx).await {
        Ok(text) => Ok(outcome(text, false)),
        Err(ToolError::Fatal(mut error)) => {
            if error.data.code == ErrorCode::Failed {
                error.data.code = ErrorCode::Tool;
            }
            error.data.message = format!("tool `{}`: {}", call.name, error.data.message);
            Err(error)
        }
        Err(error @ ToolError::Arguments(_)) => {
            Ok(outcome(format!("{error}; correct them and call `{}` again", call.name), true))
        }
        Err(error) => Ok(outcome(error.to_string(), true)),
    }
}

async fn answer(
    agent: &Definition,
    nth: usize,
    call: &ToolCall,
    cx: &StepContext,
) -> Result<String, ToolError> {
    if nth >= TOOL_CALLS_MAX {
        let message = format!("not called: one turn may call at most {TOOL_CALLS_MAX} tools");
        return Err(ToolError::Failed(message));
    }
    let Some(tool) = agent.tools.iter().find(|tool| tool.spec().name == call.name) else {
        let known: Vec<String> = agent.specs.iter().map(|s| format!("`{}`", s.name)).collect();
        let known = match known.as_slice() {
            [] => "there are none".to_owned(),
            known => format!("the tools are {}", known.join(", ")),
        };
        return Err(ToolError::Failed(format!("there is no tool `{}`; {known}", call.name)));
    };
    let arguments = arguments(&call.arguments)?;
    // The call itself is made inside, so that a panic before the first await is caught as well.
    let work = AssertUnwindSafe(async { tool.call(arguments, cx.clone()).await }).catch_unwind();
    let limit = agent.limits.tool_timeout;
    match in_time(limit, cx, work).await {
        Some(Ok(answer)) => answer,
        Some(Err(panic)) => {
            Err(ToolError::Failed(format!("the tool broke down: {}", panic_text(&*panic))))
        }
        None => {
            Err(ToolError::Failed(format!("the tool took longer than {limit:?} and was stopped")))
        }
    }
}

/// What `work` gives, or nothing if it takes longer than `limit`, without the time in which it
/// waits for somebody.
async fn in_time<T>(limit: Duration, cx: &StepContext, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    loop {
        match select(work.as_mut(), cx.world().sleep(limit)).await {
            Either::Left((done, _)) => return Some(done),
            Either::Right(_) if cx.is_waiting() => {}
            Either::Right(_) => return None,
        }
    }
}

/// What a person says to the `nth` call of a turn, if one has to allow it: the call that is made,
/// or what the model is told in place of an answer.
pub(crate) async fn allowed(
    agent: &Definition,
    (turn, nth): (u32, usize),
    call: &ToolCall,
    cx: &StepContext,
) -> Result<Result<ToolCall, ToolOutcome>, StepError> {
    if !agent.confirmed.contains(&call.name) {
        return Ok(Ok(call.clone()));
    }
    let nth = nth + 1;
    let again = match cx.attempt() {
        1 => String::new(),
        attempt => format!("@{attempt}"),
    };
    let path = cx.path();
    let (name, wants) = (&agent.name, &call.name);
    let requirement = Requirement {
        id: format!("{path}!tool:{turn}.{nth}{again}").into(),
        path: path.clone(),
        kind: RequirementKind::ToolConfirmation { tool: Box::new(call.clone()) },
        message: format!("May agent `{name}` call `{wants}`?").into(),
        due: None,
        on_timeout: OnTimeout::default(),
    };
    Ok(match cx.ask(requirement).await? {
        Answer::Edit { content } => {
            Ok(ToolCall { arguments: Arguments::Json(content.to_value()), ..call.clone() })
        }
        Answer::Reject { feedback } => {
            let why = feedback.map(|feedback| format!(": {feedback}")).unwrap_or_default();
            Err(ToolOutcome {
                call_id: call.id.clone(),
                name: call.name.clone(),
                text: format!("a person did not allow this call{why}"),
                is_error: true,
            })
        }
        _ => Ok(call.clone()),
    })
}

fn arguments(arguments: &Arguments) -> Result<Value, ToolError> {
    match arguments {
        // Models write nothing, or `null`, for tools without arguments.
        Arguments::Json(Value::Null) => Ok(Map::new().into()),
        Arguments::Invalid(raw) if raw.trim().is_empty() => Ok(Map::new().into()),
        Arguments::Json(value) => Ok(value.clone()),
        Arguments::Invalid(raw) => {
            let why = match json::parse(raw) {
                Ok(_) => String::new(),
                Err(error) => format!(" ({error})"),
            };
            let excerpt = &raw[..raw.floor_char_boundary(EXCERPT_BYTES_MAX)];
            Err(ToolError::Arguments(format!("they are not JSON{why}: {excerpt}")))
        }
    }
}

fn shortened(text: String) -> String {
    if text.len() <= TOOL_TEXT_BYTES_MAX {
        return text;
    }
    let (told, rest) = text.split_at(text.floor_char_boundary(TOOL_TEXT_BYTES_MAX));
    format!("{told}\n[cut off here: {} more bytes]", rest.len())
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it panicked")
}
