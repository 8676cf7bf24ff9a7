//! Requests and tool calls of a run whose effects are answered from a recording.

use crate::definition::AgentDefinition;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use stepwright_core::error::ErrorData;
use stepwright_core::event::RequestPurpose;
use stepwright_core::message::{AssistantTurn, Message, StopReason, ToolCall, ToolOutcome, Usage};
use stepwright_core::model::{Model as _, ModelRequest, ToolChoice};
use stepwright_core::{ErrorId, EventKind, StepContext, StepError};

/// A recorded answer of a model.
#[derive(Deserialize)]
struct Turn {
    /// The requests that failed before it.
    #[serde(default)]
    retries: Vec<EventKind>,
    /// The error, if the model did not answer.
    error: Option<Box<ErrorData>>,
    answer: Option<AssistantTurn>,
    stop: Option<StopReason>,
    #[serde(default)]
    usage: Usage,
    warning: Option<String>,
    /// The model that answered, of a chain.
    model: Option<String>,
    #[serde(default)]
    hosted_tools: Vec<String>,
    /// The text until a message cut the answer off.
    interrupted: Option<String>,
}

/// A recorded result of a tool.
#[derive(Deserialize)]
struct Call {
    result: ToolOutcome,
    /// The error with which the step fails.
    error: Option<Box<ErrorData>>,
}

/// Returns the recorded answer to a request, as the fact that the agent records. `None` if the run
/// is no playback. On failure, `lost` is the usage of the request.
pub(crate) async fn turn(
    agent: &AgentDefinition,
    (turn, purpose): (u32, Option<RequestPurpose>),
    request: &ModelRequest,
    cx: &StepContext,
    lost: &mut Usage,
) -> Option<Result<EventKind, StepError>> {
    let answer = cx.played("model", || shown(agent, request)).await?;
    let told = async {
        let told: Turn = read(answer?)?;
        for retry in told.retries {
            cx.record(retry).await?;
        }
        if let Some(data) = told.error {
            *lost = told.usage;
            return Err(StepError { data });
        }
        if let Some(partial) = told.interrupted {
            return Ok(EventKind::ModelRequestInterrupted { turn, partial: partial.into() });
        }
        let answer = told.answer.ok_or_else(|| unfit("it has no `answer` and no `error`"))?;
        let who = told.model.as_deref().unwrap_or(agent.model.id());
        Ok(EventKind::ModelRequestCompleted {
            cost: Some(cx.cost(who, &told.usage)),
            purpose,
            turn,
            answer: answer.into(),
            stop: told.stop.unwrap_or(StopReason::EndTurn),
            usage: told.usage,
            warning: told.warning.map(Into::into),
            model: told.model.map(Into::into),
            hosted_tools: told.hosted_tools.into_iter().map(Into::into).collect(),
        })
    };
    Some(told.await)
}

/// Returns the recorded result of a call, and the error if the step fails with it. `None` if the
/// tool must be called: the run is no playback, or the call is made of other recorded effects.
pub(crate) async fn call(
    tool: &ToolCall,
    arguments: &Value,
    cx: &StepContext,
) -> Option<Result<(ToolOutcome, Option<StepError>), StepError>> {
    let request = || json!({"tool": tool.name, "arguments": arguments});
    let told = cx.played("tool", request).await?.and_then(read::<Call>);
    Some(told.map(|Call { result, error }| {
        // The id of a call belongs to the answer of the model that made it.
        let result = ToolOutcome { call_id: tool.id.clone(), ..result };
        (result, error.map(|data| StepError { data }))
    }))
}

fn read<T: DeserializeOwned>(answer: Value) -> Result<T, StepError> {
    serde_json::from_value(answer).map_err(|error| unfit(&error.to_string()))
}

fn unfit(why: &str) -> StepError {
    StepError::terminal(format!("the recorded answer cannot be read: {why}"))
        .with_id(ErrorId::RECORD_UNFIT)
}

/// Returns a request as recordings have it. What came before the last answer of the model is in the
/// requests before.
fn shown(agent: &AgentDefinition, request: &ModelRequest) -> Value {
    let is_answer = |message: &Message| matches!(message, Message::Assistant(_));
    let examples = agent.upkeep.examples.len().min(request.messages.len());
    let said = request.messages[examples..].iter().rposition(is_answer);
    let news = said.map_or(0, |at| examples + at + 1);
    let ids = agent.model.ids();
    let mut shown = Map::new();
    shown.insert("model".into(), if let [id] = *ids { id.into() } else { ids.into() });
    if news == 0 {
        if let Some(instructions) = &request.instructions {
            shown.insert("instructions".into(), instructions.as_str().into());
        }
        if !request.tools.is_empty() {
            let tools = request.tools.iter().map(|tool| {
                let (name, about) = (&tool.name, &tool.description);
                json!({"name": name, "description": about, "parameters": tool.parameters})
            });
            shown.insert("tools".into(), tools.collect());
        }
        if let Some(schema) = &request.output_schema {
            shown.insert("output_schema".into(), schema.clone());
        }
        let options = options(request);
        if options.as_object().is_some_and(|options| !options.is_empty()) {
            shown.insert("options".into(), options);
        }
    }
    if request.tool_choice != ToolChoice::Auto {
        shown.insert("tool_choice".into(), format!("{:?}", request.tool_choice).into());
    }
    shown.insert("messages".into(), request.messages[news..].iter().map(message).collect());
    shown.into()
}

fn message(message: &Message) -> Value {
    match message {
        Message::Tool { results } => {
            let results = results.iter().map(|it| json!({"tool": it.name, "result": it.text}));
            results.collect()
        }
        Message::User { parts } => match &**parts {
            [_] if !message.text().is_empty() => message.text().into(),
            _ => serde_json::to_value(message).unwrap_or_default(),
        },
        Message::Assistant(_) => serde_json::to_value(message).unwrap_or_default(),
    }
}

/// Returns the settings of the model. Values of headers may be credentials, and are left out.
fn options(request: &ModelRequest) -> Value {
    let of = &request.options;
    let list = |some: Vec<Value>| (!some.is_empty()).then(|| Value::from(some));
    let all = [
        ("max_output_tokens", of.max_output_tokens.map(Value::from)),
        ("temperature", of.temperature.map(Value::from)),
        ("top_p", of.top_p.map(Value::from)),
        ("stop", list(of.stop.iter().map(|text| text.as_str().into()).collect())),
        ("seed", of.seed.map(Value::from)),
        ("reasoning_effort", of.reasoning_effort.map(|effort| effort.as_str().into())),
        ("reasoning_budget", of.reasoning_budget.map(Value::from)),
        ("cache", of.cache.map(|cache| cache.as_str().into())),
        ("hosted_tools", list(of.hosted_tools.iter().map(|tool| tool.as_str().into()).collect())),
        ("output_mode", of.output_mode.map(|mode| mode.as_str().into())),
        ("extra", (!of.extra.is_empty()).then(|| of.extra.clone().into())),
        ("headers", list(of.headers.keys().map(|name| name.as_str().into()).collect())),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}
