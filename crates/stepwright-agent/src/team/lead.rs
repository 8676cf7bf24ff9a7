//! The part of a leader's turn that its team decides: the first calls, the messages of members,
//! calls that are not made, and answers that are final.

use super::board::{self, Board, NOT_CALLED};
use super::mode::{TeamMode, TeamRules};
use crate::definition::AgentDefinition;
use crate::shape::OutputSchema;
use serde_json::{Value, json};
use std::fmt::Write as _;
use stepwright_core::message::{Arguments, AssistantTurn, Message, Part, ToolCall, ToolOutcome};
use stepwright_core::session::without_history;
use stepwright_core::tool::{Tool as _, ToolError};
use stepwright_core::{Content, ErrorCode, ErrorId, Media, StepContext, StepError, json as strict};

/// The beginning of the message about tasks that are not done.
const REMINDER: &str = "These tasks are not done yet: ";

/// The media of the message of a team, for its members.
pub(crate) struct TeamMedia(pub(crate) Vec<Media>);

/// Returns the turn with which a team begins, if its members answer before its leader is asked:
/// a call of each member.
pub(crate) fn opening(agent: &AgentDefinition, messages: &[Message]) -> Option<AssistantTurn> {
    let team = agent.team.as_deref().filter(|team| team.mode == TeamMode::Collaborate)?;
    let task = messages.first().map(input_of).unwrap_or_default();
    let calls = (1..).zip(&team.members).map(|(nth, member)| {
        Part::ToolCall(ToolCall {
            // Some providers take ids of nine letters and digits alone.
            id: format!("member{nth:03}"),
            name: member.clone(),
            arguments: Arguments::json(json!({ "task": task })),
        })
    });
    Some(AssistantTurn { parts: calls.collect(), native: None })
}

/// Returns the reason for each call of a turn that is not made.
pub(crate) fn refusals(
    agent: &AgentDefinition,
    earlier: &[Message],
    calls: &[ToolCall],
) -> Vec<Option<String>> {
    let Some(team) = agent.team.as_deref() else { return vec![None; calls.len()] };
    let is_over = is_over(team, earlier);
    let mut routed = 0;
    let reason = |call: &ToolCall| {
        if team.direct.contains(&call.name) {
            routed += 1;
            if routed > 1 {
                let name = &call.name;
                return Some(format!("{NOT_CALLED}`{name}` is not asked: one of them answers"));
            }
        }
        if !is_over || !team.is_member(&call.name) {
            return None;
        }
        Some(match team.mode {
            TeamMode::Collaborate => {
                format!("{NOT_CALLED}each member has answered; write the answer of the team")
            }
            _ => format!(
                "{NOT_CALLED}the team has used its {} rounds; answer with what you have",
                team.rounds
            ),
        })
    };
    calls.iter().map(reason).collect()
}

/// Returns `true` if members can be asked no more in this run.
fn is_over(team: &TeamRules, messages: &[Message]) -> bool {
    let is_round = |message: &&Message| match message {
        Message::Tool { results } => results.iter().any(|result| {
            team.is_member(&result.name)
                && !(result.is_error && result.text.starts_with(NOT_CALLED))
        }),
        _ => false,
    };
    let rounds = messages.iter().filter(is_round).count();
    let limit = if team.mode == TeamMode::Collaborate { 1 } else { team.rounds };
    rounds >= usize::try_from(limit).unwrap_or(usize::MAX)
}

/// Returns `true` if the model has no tool left that it may call, so that it must answer.
pub(crate) fn must_answer(agent: &AgentDefinition, messages: &[Message]) -> bool {
    agent.team.as_deref().is_some_and(|team| {
        let only_members = agent.tools.iter().all(|tool| team.is_member(&tool.spec().name));
        only_members && agent.sources.is_empty() && is_over(team, messages)
    })
}

/// Returns the arguments with which the tool of a member is called, and its context. `asked` is
/// the message of the user.
///
/// # Errors
/// Returns what is wrong with the call, for the model.
pub(crate) fn handed(
    team: &TeamRules,
    ((earlier, calls), asked): ((&[Message], &[ToolCall]), impl FnOnce() -> String),
    call: &ToolCall,
    given: &Value,
    cx: &StepContext,
) -> Result<(Value, StepContext), ToolError> {
    let first = earlier.first();
    let task = match team.mode {
        TeamMode::Tasks => Board::of(team, earlier, calls)
            .handed(&call.name, given)
            .map_err(|why| ToolError::Failed(format!("{NOT_CALLED}{why}")))?,
        _ if team.passes_input => asked(),
        _ => match given["task"].as_str().filter(|task| !task.trim().is_empty()) {
            Some(task) => task.to_owned(),
            None => return Err(ToolError::Arguments("`task` must be a non-empty text".into())),
        },
    };
    let mut message = String::new();
    if team.shares_history
        && let Some(history) = first.map(history_of).filter(|text| !text.is_empty())
    {
        let _ = writeln!(message, "{history}\n");
    }
    if team.shares_interactions {
        message.push_str(&interactions(team, earlier));
    }
    message.push_str(&task);
    let media = first.map(media_of).unwrap_or_default();
    let cx = if media.is_empty() { cx.clone() } else { cx.clone().and_state(TeamMedia(media)) };
    Ok((json!({ "task": message }), cx))
}

/// Returns what members were asked in earlier rounds, and what they answered.
fn interactions(team: &TeamRules, earlier: &[Message]) -> String {
    let mut text = String::new();
    let mut open: Vec<&ToolCall> = Vec::new();
    for message in earlier {
        match message {
            Message::Assistant(turn) => open = turn.tool_calls().collect(),
            Message::Tool { results } => {
                for result in results.iter().filter(|result| team.is_member(&result.name)) {
                    if result.is_error && result.text.starts_with(NOT_CALLED) {
                        continue;
                    }
                    let task = open.iter().find(|call| call.id == result.call_id);
                    let task = task.and_then(|call| match &call.arguments {
                        Arguments::Json(given) => given["task"].as_str(),
                        Arguments::Invalid(_) => None,
                    });
                    let task = task.map(|task| format!("Task: {task}\n")).unwrap_or_default();
                    let word = if result.is_error { "Failed" } else { "Answer" };
                    let _ = write!(text, "[{}]\n{task}{word}: {}\n\n", result.name, result.text);
                }
            }
            Message::User { .. } => {}
        }
    }
    if text.is_empty() {
        return text;
    }
    format!("<team_interactions>\n{}\n</team_interactions>\n\n", text.trim_end())
}

/// Returns the message of an agent as its model reads it, without the history.
pub(crate) fn input_of(message: &Message) -> String {
    without_history(&message.text())
}

/// Returns the history in the message of the team.
fn history_of(message: &Message) -> String {
    let text = message.text();
    let rest = without_history(&text);
    text.strip_suffix(rest.as_str()).unwrap_or_default().trim_end().to_owned()
}

fn media_of(message: &Message) -> Vec<Media> {
    let Message::User { parts } = message else { return Vec::new() };
    let media = parts.iter().filter_map(|part| match part {
        Part::Media { media } => Some(media.clone()),
        _ => None,
    });
    media.collect()
}

/// Returns the answer of a tool of the list of tasks, if the team has it.
pub(crate) fn of_board(
    team: &TeamRules,
    (earlier, calls): (&[Message], &[ToolCall]),
    tool: &str,
    given: &Value,
) -> Option<Result<String, ToolError>> {
    let has = team.mode == TeamMode::Tasks && board::TOOLS.contains(&tool);
    let mut board = has.then(|| Board::of(team, earlier, calls))?;
    Some(board.answer(team, tool, given).map_err(ToolError::Failed))
}

/// Returns the message about tasks that are not done, if the leader wants to answer and has not
/// read it yet.
pub(crate) fn reminder(agent: &AgentDefinition, messages: &[Message]) -> Option<Message> {
    let team = agent.team.as_deref().filter(|team| team.mode == TeamMode::Tasks)?;
    let is_reminder = |message: &Message| {
        matches!(message, Message::User { .. }) && message.text().starts_with(REMINDER)
    };
    if is_over(team, messages) || messages.iter().any(is_reminder) {
        return None;
    }
    let open = Board::of(team, messages, &[]).open();
    let open: Vec<String> = open.iter().map(usize::to_string).collect();
    (!open.is_empty()).then(|| {
        Message::user(format!(
            "{REMINDER}{}. Finish them, set those that cannot be done to `failed`, or call `{}` \
             with the outcome. Then write the answer.",
            open.join(", "),
            board::COMPLETE,
        ))
    })
}

/// Returns the output, if a tool answered in place of the model.
///
/// # Errors
/// Fails if the output has a schema that the answer does not match.
pub(crate) async fn end(
    agent: &AgentDefinition,
    results: &[ToolOutcome],
) -> Result<Option<(Content, Vec<Media>)>, StepError> {
    let Some(team) = agent.team.as_deref() else { return Ok(None) };
    let is_final = |result: &&ToolOutcome| !result.is_error && team.direct.contains(&result.name);
    let Some(result) = results.iter().find(is_final) else { return Ok(None) };
    let text = result.whole.as_deref().unwrap_or(&result.text);
    let content = match &agent.output {
        None if team.structured.contains(&result.name) => {
            let value = strict::parse(text).ok().filter(|it| it.is_object() || it.is_array());
            value.map_or_else(|| text.into(), Content::from)
        }
        None => text.into(),
        Some(shape) => read(shape, text).await.map(Content::from).map_err(|why| {
            let name = &result.name;
            StepError::new(format!("the answer of `{name}` does not match the output: {why}"))
                .with_code(ErrorCode::Model)
                .with_id(ErrorId::MODEL_ANSWER_MISMATCH)
                .with_hint("give the member no output of its own, or the same one as the team")
        })?,
    };
    Ok(Some((content, result.media.clone())))
}

/// Reads an answer that is final. An output that is a text alone has lost its quotes.
async fn read(shape: &OutputSchema, text: &str) -> Result<Value, String> {
    match shape.read(text).await {
        Ok(value) => Ok(value),
        Err(why) => shape.read(&json!(text).to_string()).await.map_err(|_| why),
    }
}
