//! Pending requests as `AgentOS` writes them, and the answers in what clients send back.

use super::convert;
use super::fault::Fault;
use super::form::read_field;
use super::index::{node, step_index};
use super::tools;
use serde_json::{Value, json};
use stepwright_core::plan::Plan;
use stepwright_core::requirement::{OnTimeout, RequirementKind as K};
use stepwright_core::review::OnReject;
use stepwright_core::{Answer, Content, Requirement, RunOutput};

/// An agent that waits for a person.
pub(super) struct Executor<'a> {
    pub(super) name: &'a str,
    pub(super) run_id: String,
    pub(super) is_team: bool,
    /// The time of the request, in seconds since 1970.
    pub(super) at: u64,
}

/// Returns the pending requests of a run. The id of a request is its `step_id`.
pub(super) fn of(output: &RunOutput, plan: Option<&Plan>) -> Vec<Value> {
    let all = tools::waiting(output).map(|asked| {
        let runs = output.step_executor_runs.iter();
        let agent = runs.rev().find(|run| tools::is_of(asked, &run.path));
        let executor = agent.map(|agent| Executor {
            name: &agent.agent,
            run_id: format!("{}:{}", output.run_id, agent.path),
            is_team: convert::is_team(output, &agent.path),
            at: output.created_at.seconds(),
        });
        one(asked, plan, executor.as_ref())
    });
    all.collect()
}

/// Returns a pending request. `executor` is the agent that asks, if it is one.
pub(super) fn one(
    asked: &Requirement,
    plan: Option<&Plan>,
    executor: Option<&Executor<'_>>,
) -> Value {
    let is_of_tool = matches!(asked.kind, K::ToolConfirmation { .. } | K::ExternalExecution { .. });
    let executor = executor.filter(|_| is_of_tool);
    let is_form = matches!(asked.kind, K::UserInput { .. } | K::Wait { .. });
    let is_route = matches!(asked.kind, K::RouteSelection { .. });
    let is_review = matches!(asked.kind, K::OutputReview { .. } | K::IterationReview { .. });
    let confirms = !is_form && !is_route && !is_review && executor.is_none();
    let message = |is: bool| is.then(|| asked.message.clone());
    let (choices, multiple) = match &asked.kind {
        K::RouteSelection { choices, multiple } => (json!(choices), *multiple),
        _ => (Value::Null, false),
    };
    let (attempts, output) = match &asked.kind {
        K::OutputReview { attempts, output, .. } => (*attempts, Some(output.content.to_value())),
        K::IterationReview { content, .. } => (0, Some(content.to_value())),
        _ => (0, None),
    };
    // A tool call has a path of its own, behind that of its step.
    let step = if is_of_tool { asked.path.step() } else { asked.path.clone() };
    let review = node(plan, &step).and_then(|node| node.review.as_deref());
    let mut all = json!({
        "step_id": asked.id,
        "step_name": step.name(),
        "step_index": step_index(plan, &step),
        "step_type": if is_route { "Router" } else { "Step" },
        "requires_confirmation": confirms,
        "confirmation_message": message(confirms),
        "confirmed": null,
        "on_reject": review.and_then(|review| review.on_reject).map_or("skip", on_reject),
        "requires_user_input": is_form,
        "user_input_message": message(is_form || is_route),
        "user_input": null,
        "requires_route_selection": is_route,
        "available_choices": choices,
        "allow_multiple_selections": multiple,
        "selected_choices": null,
        "requires_output_review": is_review,
        "output_review_message": message(is_review),
        "is_post_execution": is_review,
        "rejection_feedback": null,
        "retry_count": attempts.saturating_sub(1),
        "max_retries": review.and_then(|review| review.max_retries).unwrap_or(3),
        "timeout_at": asked.due.map(stepwright_core::Timestamp::to_rfc3339),
        "on_timeout": review.and_then(|review| review.on_timeout.as_ref()).map_or("cancel", on_timeout),
    });
    if let K::UserInput { schema } = &asked.kind {
        all["user_input_schema"] = tools::fields(schema);
    }
    if let Some(executor) = executor {
        all["requires_executor_input"] = json!(true);
        all["executor_requirements"] = json!([tools::requirement(asked, executor.at)]);
        all["executor_id"] = json!(executor.name);
        all["executor_name"] = json!(executor.name);
        all["executor_run_id"] = json!(executor.run_id);
        all["executor_type"] = json!(if executor.is_team { "team" } else { "agent" });
    }
    if let Some(content) = output {
        all["step_output"] = json!({"content": content, "step_name": asked.path.name()});
    }
    all
}

/// Returns the word of Agno for what a rejection does. It has none for a step that fails.
fn on_reject(chosen: OnReject) -> &'static str {
    match chosen {
        OnReject::Skip => "skip",
        OnReject::Else => "else",
        OnReject::Retry => "retry",
        _ => "cancel",
    }
}

/// Returns the word of Agno for what happens when the time is over.
fn on_timeout(chosen: &OnTimeout) -> &'static str {
    match chosen {
        OnTimeout::Approve | OnTimeout::Default(_) => "approve",
        OnTimeout::Reject => "skip",
        _ => "cancel",
    }
}

/// Reads the answers in the requests that a client sends back.
pub(super) fn answers(text: &str, output: &RunOutput) -> Result<Vec<(String, Answer)>, Fault> {
    let all = read_field(text, "step_requirements")?;
    let wrong = |why: &str| {
        Fault::bad(format!("Invalid structure or content for step_requirements: {why}"))
    };
    let all = all.as_array().ok_or_else(|| wrong("it is no array"))?;
    let mut answers = Vec::new();
    for given in all {
        let id = given["step_id"].as_str().ok_or_else(|| wrong("`step_id` is missing"))?;
        let asked = output.requirements.iter().find(|asked| *asked.id == *id);
        let asked = asked.ok_or_else(|| wrong(&format!("the run does not wait for `{id}`")))?;
        if let Some(answer) = answer(asked, given) {
            answers.push((id.to_owned(), answer));
        }
    }
    if answers.is_empty() {
        return Err(wrong("no requirement has an answer"));
    }
    Ok(answers)
}

/// Returns the answer to a request, if the client has given one.
fn answer(asked: &Requirement, given: &Value) -> Option<Answer> {
    if given["confirmed"] == json!(false) {
        let feedback = given["rejection_feedback"].as_str().map(Into::into);
        return Some(Answer::Reject { feedback });
    }
    if let Some(edited) = given.get("edited_output").filter(|edited| !edited.is_null()) {
        let content = edited.get("content").unwrap_or(edited).clone();
        return Some(Answer::Edit { content: Content::from(content) });
    }
    match &asked.kind {
        K::UserInput { .. } | K::Wait { .. } => {
            if let Some(value) = given.get("user_input").filter(|value| !value.is_null()) {
                return Some(Answer::Submit { value: value.clone() });
            }
            tools::filled(&given["user_input_schema"])
        }
        K::RouteSelection { .. } => {
            let chosen = given["selected_choices"].as_array()?;
            Some(Answer::select(chosen.iter().filter_map(Value::as_str)))
        }
        _ if given["confirmed"] == json!(true) => Some(tools::yes(asked)),
        _ => {
            let around = &given["executor_requirements"][0];
            tools::answer(asked, &around["tool_execution"], around)
        }
    }
}
