//! Folds the events of agents inside their steps: requests, answers and tool calls.

use super::Fold;
use crate::content::Content;
use crate::cost::Cost;
use crate::event::{EventKind, EventRef};
use crate::message::{AssistantTurn, ToolOutcome, Usage};
use crate::output::{ExecutorRun, StepStatus, StepType, Turn};
use std::sync::Arc;

impl Fold {
    pub(super) fn agent(&mut self, event: &EventRef<'_>) -> Result<(), &'static str> {
        use EventKind as E;
        match event.kind {
            E::RunStarted { agent, model, notice, message } => {
                let run = ExecutorRun {
                    path: event.path.clone(),
                    agent: agent.clone(),
                    model: model.clone(),
                    notice: notice.clone(),
                    message: message.clone(),
                    turns: Vec::new(),
                    content: Content::default(),
                    usage: Usage::default(),
                    error: None,
                };
                self.slot(event)?.more().runs.push(run);
            }
            E::ModelRequestStarted { .. } => {
                if let Some(more) = &mut self.slot(event)?.more {
                    more.asked_at = more.partial.len();
                }
            }
            E::ModelRequestRetrying { usage, .. } => {
                if let Some(more) = &mut self.slot(event)?.more {
                    // The text of an answer that begins again no longer counts.
                    more.partial.truncate(more.asked_at);
                }
                self.consumed(event, *usage)?;
            }
            E::ModelRequestCompleted { answer, usage, cost, purpose, .. } => {
                let more = self.slot(event)?.more();
                more.usage += *usage;
                if let Some(run) = more.runs.last_mut() {
                    // Only turns of the conversation are its output.
                    if purpose.is_none() {
                        run.turns.push(Turn::Model(answer.clone()));
                    }
                    run.usage += *usage;
                }
                if let Some(metrics) = self.metrics_mut() {
                    metrics.model_calls += 1;
                    metrics.cost += cost.unwrap_or(Cost::UNPRICED);
                }
            }
            E::ModelRequestInterrupted { partial, .. } => {
                if let Some(run) = self.slot(event)?.run()
                    && !partial.is_empty()
                {
                    let said = AssistantTurn::text_only(&**partial);
                    run.turns.push(Turn::Model(Arc::new(said)));
                }
                if let Some(metrics) = self.metrics_mut() {
                    // No provider reports the usage of an answer that was cut off.
                    metrics.model_calls += 1;
                    metrics.cost += Cost::UNPRICED;
                }
            }
            E::MessageReceived { message } => {
                if let Some(run) = self.slot(event)?.run() {
                    run.turns.push(Turn::Message(message.clone()));
                }
            }
            // A call may begin again. In older journals it has the path of its step.
            E::ToolCallStarted { .. } if self.is_open(event.path) => {}
            E::ToolCallStarted { .. } => {
                let caller = event.path.caller_str().filter(|caller| !caller.is_empty());
                self.start_in(event, StepType::ToolCall, caller.ok_or("it has no caller")?)?;
            }
            E::ToolCallCompleted { tool } | E::ToolCallError { tool, .. } => {
                self.call_ended(event, tool)?;
            }
            E::RunCompleted { content, .. } => {
                if let Some(run) = self.slot(event)?.run() {
                    run.content = content.clone();
                }
            }
            E::RunError { error, usage } => {
                self.consumed(event, *usage)?;
                if let Some(run) = self.slot(event)?.run() {
                    run.error = Some(error.clone());
                }
            }
            E::GuardrailJudged { judged } => {
                self.consumed(event, judged.usage)?;
                if let Some(metrics) = self.metrics_mut().filter(|_| !judged.usage.is_empty()) {
                    metrics.model_calls += 1;
                    metrics.cost += judged.cost.unwrap_or(Cost::UNPRICED);
                }
            }
            _ => {
                self.slot(event)?;
            }
        }
        Ok(())
    }

    /// Counts the work of an agent in a decider. Its container may not have begun, so there is no
    /// slot for it.
    pub(super) fn decider(&mut self, fact: &EventKind) -> Result<(), &'static str> {
        use EventKind as E;
        if !fact.is_of_executor() {
            return Err("no agent records this");
        }
        let Some(metrics) = self.metrics_mut() else { return Ok(()) };
        match fact {
            E::ModelRequestCompleted { usage, cost, .. } => {
                metrics.model_calls += 1;
                metrics.cost += cost.unwrap_or(Cost::UNPRICED);
                metrics.usage += *usage;
            }
            E::ModelRequestInterrupted { .. } => {
                metrics.model_calls += 1;
                metrics.cost += Cost::UNPRICED;
            }
            E::ModelRequestRetrying { usage, .. } | E::RunError { usage, .. } => {
                metrics.usage += *usage;
            }
            E::GuardrailJudged { judged } if !judged.usage.is_empty() => {
                metrics.model_calls += 1;
                metrics.cost += judged.cost.unwrap_or(Cost::UNPRICED);
                metrics.usage += judged.usage;
            }
            E::ToolCallCompleted { .. } | E::ToolCallError { .. } => metrics.tool_calls += 1,
            _ => {}
        }
        Ok(())
    }

    fn call_ended(&mut self, event: &EventRef<'_>, tool: &ToolOutcome) -> Result<(), &'static str> {
        let mut index = self.open.get(event.path.as_str(), &self.slots);
        if let Some(call) = index
            && self.slots[call as usize].step_type == StepType::ToolCall
        {
            self.finish(event, StepStatus::Completed)?;
            index = self.slots[call as usize].parent;
        }
        let index = index.ok_or("it has not begun, or has ended")?;
        if let Some(run) = self.slots[index as usize].run() {
            told(&mut run.turns, tool.clone());
        }
        if let Some(metrics) = self.metrics_mut() {
            metrics.tool_calls += 1;
        }
        Ok(())
    }

    /// Counts the usage of a request that gave no answer.
    fn consumed(&mut self, event: &EventRef<'_>, usage: Usage) -> Result<(), &'static str> {
        let slot = self.slot(event)?;
        if !usage.is_empty() {
            let more = slot.more();
            more.usage += usage;
            if let Some(run) = more.runs.last_mut() {
                run.usage += usage;
            }
        }
        Ok(())
    }
}

/// Adds the answer of a tool. Answers are kept in the order of their calls, not of their arrival.
fn told(turns: &mut Vec<Turn>, answer: ToolOutcome) {
    let asked = turns.iter().rposition(|turn| matches!(turn, Turn::Model(_)));
    let Some(Turn::Model(turn)) = asked.map(|asked| &turns[asked]) else {
        turns.push(Turn::Tool(answer));
        return;
    };
    let place = |id: &str| turn.tool_calls().position(|call| call.id == id);
    let here = place(&answer.call_id);
    let behind = turns.iter().rposition(|turn| match turn {
        Turn::Tool(other) => place(&other.call_id) <= here,
        Turn::Model(_) | Turn::Message(_) => true,
    });
    turns.insert(behind.map_or(0, |behind| behind + 1), Turn::Tool(answer));
}
