//! The guardrails of an agent at work.

use crate::definition::AgentDefinition;
use crate::replay::{TurnError, Verdicts};
use std::collections::BTreeMap;
use std::sync::Arc;
use stepwright_core::call::Call;
use stepwright_core::guardrail::{Checked, Guard, GuardPlace, GuardVerdict, Unjudged};
use stepwright_core::message::{Arguments, AssistantTurn, Message, Part, ToolCall, ToolOutcome};
use stepwright_core::{Content, ErrorCode, ErrorId, Media, StepContext, StepError};

/// The guards of an agent in one attempt.
pub(crate) struct Guards<'a> {
    verdicts: Verdicts,
    cx: &'a StepContext,
    /// The number of times that each guard has asked again, by its place and its number.
    asked: BTreeMap<(GuardPlace, usize), u32>,
}

/// The result of checking an answer.
pub(crate) enum Answer<T> {
    Good(T),
    /// The model is asked again, and told the reason.
    Again(Arc<str>),
}

impl<'a> Guards<'a> {
    pub(crate) fn new(verdicts: Verdicts, cx: &'a StepContext) -> Self {
        Self { verdicts, cx, asked: BTreeMap::new() }
    }

    async fn judge(
        &self,
        guard: &Guard,
        nth: usize,
        checked: Checked,
        round: &str,
    ) -> Result<GuardVerdict, TurnError> {
        let key = guard.key(&checked, round, nth, self.cx.attempt());
        if let Some(verdict) = self.verdicts.0.get(&key) {
            return Ok(verdict.clone());
        }
        guard.judge(checked, key, self.cx).await.map_err(|unjudged| match unjudged {
            Unjudged::Failed(error) => TurnError::Failed(error),
            Unjudged::Lost(error) => TurnError::Recorded(error),
        })
    }

    /// Judges the message to the agent. Returns the message that its model gets.
    pub(crate) async fn message(
        &self,
        agent: &AgentDefinition,
        mut message: Content,
    ) -> Result<Content, TurnError> {
        let place = GuardPlace::BeforeAgent;
        for (nth, guard) in at(agent, place, false) {
            let checked = Checked::new(place, message.clone());
            match self.judge(guard, nth, checked, "").await? {
                GuardVerdict::Allow => {}
                GuardVerdict::Rewrite { content } => message = content,
                GuardVerdict::Retry { reason } | GuardVerdict::Refuse { reason } => {
                    return Err(TurnError::Failed(guard.refusal(place, None, &reason)));
                }
            }
        }
        Ok(message)
    }

    /// Judges the last message of a request.
    pub(crate) async fn request(
        &self,
        agent: &AgentDefinition,
        messages: &mut [Message],
        turn: u32,
    ) -> Result<(), TurnError> {
        let place = GuardPlace::BeforeModel;
        for (nth, guard) in at(agent, place, false) {
            let Some(last) = messages.last_mut() else { return Ok(()) };
            let text = last.text();
            if text.is_empty() {
                return Ok(());
            }
            match self.judge(guard, nth, Checked::new(place, text), &turn.to_string()).await? {
                GuardVerdict::Allow => {}
                GuardVerdict::Rewrite { content } => {
                    rewrite_message(last, &content, guard).map_err(TurnError::Failed)?;
                }
                GuardVerdict::Retry { reason } | GuardVerdict::Refuse { reason } => {
                    return Err(TurnError::Failed(guard.refusal(place, None, &reason)));
                }
            }
        }
        Ok(())
    }

    /// Judges a request beside it, for the guards that watch: those before the model, and in the
    /// first turn those before the agent.
    pub(crate) async fn watch(
        &self,
        agent: &AgentDefinition,
        message: Option<Content>,
        last: String,
        turn: u32,
    ) -> Result<(), StepError> {
        let of_agent = message.into_iter().flat_map(|message| {
            let place = GuardPlace::BeforeAgent;
            let guards = at(agent, place, true);
            guards.map(move |(nth, guard)| (nth, guard, Checked::new(place, message.clone())))
        });
        let place = GuardPlace::BeforeModel;
        let of_model = at(agent, place, true).filter(|_| !last.is_empty());
        let of_model =
            of_model.map(|(nth, guard)| (nth, guard, Checked::new(place, last.as_str())));
        let watching = of_agent.chain(of_model).map(|(nth, guard, checked)| async move {
            let place = checked.place;
            let verdict = self.judge(guard, nth, checked, &turn.to_string()).await;
            let verdict = verdict.map_err(|error| match error {
                TurnError::Failed(error)
                | TurnError::Recorded(error)
                | TurnError::FailedAfterUsage(error, _) => error,
            });
            match verdict? {
                GuardVerdict::Allow => Ok(()),
                GuardVerdict::Retry { reason } | GuardVerdict::Refuse { reason } => {
                    Err(guard.refusal(place, None, &reason))
                }
                GuardVerdict::Rewrite { .. } => {
                    let why = "it wants to rewrite what has begun; let it not watch";
                    Err(guard.refusal(place, None, why))
                }
            }
        });
        let watching: Vec<_> = watching.collect();
        futures_util::future::try_join_all(watching).await.map(drop)
    }

    /// Judges the text of an answer of the model.
    pub(crate) async fn answer(
        &mut self,
        agent: &AgentDefinition,
        answer: Arc<AssistantTurn>,
        turn: u32,
    ) -> Result<Answer<Arc<AssistantTurn>>, TurnError> {
        let text = answer.text();
        if text.is_empty() {
            return Ok(Answer::Good(answer));
        }
        let place = GuardPlace::AfterModel;
        let judged = self.outcome(agent, place, text.as_str().into(), turn).await?;
        Ok(match judged {
            Answer::Again(reason) => Answer::Again(reason),
            Answer::Good(content) if content.text() == text => Answer::Good(answer),
            Answer::Good(content) => {
                Answer::Good(Arc::new(with_text(Arc::unwrap_or_clone(answer), &content)))
            }
        })
    }

    /// Judges the answer of the agent.
    pub(crate) async fn output(
        &mut self,
        agent: &AgentDefinition,
        content: Content,
        turn: u32,
    ) -> Result<Answer<Content>, TurnError> {
        let judged = self.outcome(agent, GuardPlace::AfterAgent, content.clone(), turn).await?;
        // What a guardrail wrote is held to the schema too.
        if let (Answer::Good(rewritten), Some(shape)) = (&judged, &agent.output)
            && *rewritten != content
        {
            let read = shape.read(&rewritten.to_value().to_string()).await;
            if let Err(why) = read {
                let message = format!("what a guardrail wrote does not match the schema: {why}");
                let error = StepError::terminal(message).with_id(ErrorId::MODEL_ANSWER_MISMATCH);
                return Err(TurnError::Failed(error.with_code(ErrorCode::Model)));
            }
        }
        Ok(judged)
    }

    /// Judges the answer of an agent that can ask its model no more.
    pub(crate) async fn early(
        &mut self,
        agent: &AgentDefinition,
        (content, media): (Content, Vec<Media>),
        turn: u32,
    ) -> Result<(Content, Vec<Media>), TurnError> {
        match self.output(agent, content, turn).await? {
            Answer::Good(content) => Ok((content, media)),
            Answer::Again(reason) => {
                Err(TurnError::Failed(refused(agent, GuardPlace::AfterAgent, &reason)))
            }
        }
    }

    /// Judges the last text of a model, which may have been refused before, as the answer of an
    /// agent that can ask its model no more.
    pub(crate) async fn last(
        &mut self,
        agent: &AgentDefinition,
        (content, media): (Content, Vec<Media>),
        turn: u32,
    ) -> Result<(Content, Vec<Media>), TurnError> {
        let place = GuardPlace::AfterModel;
        match self.outcome(agent, place, content, turn).await? {
            Answer::Good(content) => self.early(agent, (content, media), turn).await,
            Answer::Again(reason) => Err(TurnError::Failed(refused(agent, place, &reason))),
        }
    }

    async fn outcome(
        &mut self,
        agent: &AgentDefinition,
        place: GuardPlace,
        mut content: Content,
        turn: u32,
    ) -> Result<Answer<Content>, TurnError> {
        for (nth, guard) in at(agent, place, false) {
            let checked = Checked::new(place, content.clone());
            match self.judge(guard, nth, checked, &turn.to_string()).await? {
                GuardVerdict::Allow => {}
                GuardVerdict::Rewrite { content: other } => content = other,
                GuardVerdict::Retry { reason } => {
                    let asked = self.asked.entry((place, nth)).or_default();
                    if *asked >= guard.retry_limit() {
                        return Err(TurnError::Failed(guard.refusal(place, None, &reason)));
                    }
                    *asked += 1;
                    return Ok(Answer::Again(reason));
                }
                GuardVerdict::Refuse { reason } => {
                    return Err(TurnError::Failed(guard.refusal(place, None, &reason)));
                }
            }
        }
        Ok(Answer::Good(content))
    }

    /// Judges the arguments of a call. Returns the call to make, or the reason that it is not made,
    /// which the model reads.
    pub(crate) async fn call(
        &self,
        agent: &AgentDefinition,
        call: &Call,
        mut made: ToolCall,
    ) -> Result<Result<ToolCall, (ToolCall, String)>, TurnError> {
        let place = GuardPlace::BeforeTool;
        for (nth, guard) in at(agent, place, false).filter(|(_, guard)| guard.is_for(&made.name)) {
            // Arguments that are not JSON never reach the tool.
            let Arguments::Json(arguments) = &made.arguments else { break };
            let checked = Checked::new(place, (**arguments).clone()).of_tool(made.name.as_str());
            match self.judge(guard, nth, checked, call.path().as_str()).await? {
                GuardVerdict::Allow => {}
                GuardVerdict::Rewrite { content } => {
                    made.arguments = Arguments::json(content.to_value());
                }
                GuardVerdict::Retry { reason } => {
                    return Ok(Err((made, format!("not called: {reason}"))));
                }
                GuardVerdict::Refuse { reason } => {
                    let refusal = guard.refusal(place, Some(&made.name), &reason);
                    return Err(TurnError::Failed(refusal));
                }
            }
        }
        Ok(Ok(made))
    }

    /// Judges the result of a call.
    pub(crate) async fn result(
        &self,
        agent: &AgentDefinition,
        call: &Call,
        mut told: ToolOutcome,
    ) -> Result<ToolOutcome, TurnError> {
        let place = GuardPlace::AfterTool;
        for (nth, guard) in at(agent, place, false).filter(|(_, guard)| guard.is_for(&told.name)) {
            let checked = Checked::new(place, told.text.as_str()).of_tool(told.name.as_str());
            match self.judge(guard, nth, checked, call.path().as_str()).await? {
                GuardVerdict::Allow => {}
                GuardVerdict::Rewrite { content } => told.text = content.text().into_owned(),
                GuardVerdict::Retry { reason } => {
                    let text = format!("the result is withheld: {reason}");
                    return Ok(ToolOutcome { text, is_error: true, media: Vec::new(), ..told });
                }
                GuardVerdict::Refuse { reason } => {
                    let refusal = guard.refusal(place, Some(&told.name), &reason);
                    return Err(TurnError::Failed(refusal));
                }
            }
        }
        Ok(told)
    }
}

/// Returns the guards of an agent at a place, with their numbers.
fn at(
    agent: &AgentDefinition,
    place: GuardPlace,
    watching: bool,
) -> impl Iterator<Item = (usize, &Guard)> {
    let numbered = agent.guards.iter().enumerate();
    numbered
        .filter(move |(_, guard)| guard.place(false) == place && guard.is_watching() == watching)
}

/// Returns the error of a guard that asks again where that is not possible.
fn refused(agent: &AgentDefinition, place: GuardPlace, reason: &str) -> StepError {
    let guard = agent.guards.iter().find(|guard| guard.place(false) == place);
    guard.expect("a guard has asked again").refusal(place, None, reason)
}

/// Returns `true` if guards judge the answer of the agent.
pub(crate) fn judges_answer(agent: &AgentDefinition) -> bool {
    agent.guards.iter().any(|guard| guard.place(false) == GuardPlace::AfterAgent)
}

/// Returns `true` if the text of the model is held back until guards have judged it.
pub(crate) fn holds_text(agent: &AgentDefinition) -> bool {
    let places = [GuardPlace::AfterModel, GuardPlace::AfterAgent];
    agent.guards.iter().any(|guard| places.contains(&guard.place(false)))
}

/// Replaces the text of an answer. The provider's own form of it has the old one.
fn with_text(mut answer: AssistantTurn, content: &Content) -> AssistantTurn {
    let text = content.text().into_owned();
    let mut text = (!text.is_empty()).then_some(Part::Text { text });
    answer.parts = std::mem::take(&mut answer.parts)
        .into_iter()
        .filter_map(|part| match part {
            Part::Text { .. } => text.take(),
            other => Some(other),
        })
        .collect();
    answer.native = None;
    answer
}

fn rewrite_message(last: &mut Message, content: &Content, guard: &Guard) -> Result<(), StepError> {
    let Message::User { parts } = last else {
        let why = "it wants to rewrite results of tools; let it judge `after_tool`";
        return Err(guard.refusal(GuardPlace::BeforeModel, None, why));
    };
    let text = content.text().into_owned();
    let mut text = Some(Part::Text { text });
    parts.retain_mut(|part| match part {
        Part::Text { .. } => match text.take() {
            Some(new) => {
                *part = new;
                true
            }
            None => false,
        },
        _ => true,
    });
    Ok(())
}
