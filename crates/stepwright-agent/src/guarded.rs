//! The guardrails of an agent at work.

use crate::conversation::Conversation;
use crate::definition::AgentDefinition;
use crate::replay::{TurnError, Verdicts};
use std::collections::BTreeMap;
use std::sync::Arc;
use stepwright_core::call::Call;
use stepwright_core::guardrail::{Checked, Guard, GuardPlace, GuardVerdict, StepGuards, Unjudged};
use stepwright_core::message::{Arguments, AssistantTurn, Message, Part, ToolCall, ToolOutcome};
use stepwright_core::{Content, ErrorCode, ErrorId, Media, StepContext, StepError};

/// The guards of an agent in one attempt.
pub(crate) struct Guards<'a> {
    verdicts: Verdicts,
    cx: &'a StepContext,
    /// The number of times that each guard has asked again since the last message of the user, by
    /// its place and its number.
    asked: BTreeMap<(GuardPlace, usize), u32>,
    /// The messages of the user that the guards which watch have not judged.
    unwatched: Vec<Content>,
}

/// The result of checking an answer.
pub(crate) enum Answer<T> {
    Good(T),
    /// The model is asked again, and told the reason. `refusal` is the error of an agent that can
    /// ask no more.
    Again {
        reason: Arc<str>,
        refusal: StepError,
    },
}

impl<'a> Guards<'a> {
    pub(crate) fn new(verdicts: Verdicts, cx: &'a StepContext) -> Self {
        Self { verdicts, cx, asked: BTreeMap::new(), unwatched: Vec::new() }
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
        &mut self,
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
        self.unwatched = vec![message.clone()];
        Ok(message)
    }

    /// Judges the messages that the agent got while it worked, from the one with the number
    /// `first` on. The guards of the steps around it judge them too, also those that watch.
    pub(crate) async fn received(
        &mut self,
        agent: &AgentDefinition,
        conversation: &mut Conversation,
        first: usize,
    ) -> Result<(), TurnError> {
        self.asked.clear();
        let of_steps = self.cx.state::<StepGuards>().map_or(&[][..], |guards| &guards.0);
        let of_steps = of_steps.iter().enumerate();
        let of_steps: Vec<_> =
            of_steps.map(|(n, guard)| (GuardPlace::BeforeStep, n, guard)).collect();
        for (number, message) in conversation.given_mut(first) {
            let of_agent = at(agent, GuardPlace::BeforeAgent, false);
            let of_agent = of_agent.map(|(nth, guard)| (GuardPlace::BeforeAgent, nth, guard));
            for (place, nth, guard) in of_steps.iter().copied().chain(of_agent) {
                let round = format!("message {number}");
                self.ahead((guard, nth), place, message, &round).await?;
            }
        }
        self.unwatched.extend(conversation.given_texts(first).map(Content::from));
        Ok(())
    }

    /// Judges the messages of the user for an agent that takes over, whose guards have not judged
    /// them.
    pub(crate) async fn taken_over(
        &mut self,
        agent: &AgentDefinition,
        conversation: &mut Conversation,
        turn: u32,
    ) -> Result<(), TurnError> {
        self.asked.clear();
        conversation.begin_anew();
        let place = GuardPlace::BeforeAgent;
        for (number, message) in conversation.given_mut(0) {
            for (nth, guard) in at(agent, place, false) {
                let round = format!("turn {turn}, message {number}");
                self.ahead((guard, nth), place, message, &round).await?;
            }
        }
        self.unwatched = conversation.given_texts(0).map(Content::from).collect();
        Ok(())
    }

    /// Judges the messages of a request that came since the one before. Returns their texts, if
    /// guards that watch judge them too.
    pub(crate) async fn request(
        &self,
        agent: &AgentDefinition,
        conversation: &mut Conversation,
        turn: u32,
    ) -> Result<Vec<String>, TurnError> {
        let (place, round) = (GuardPlace::BeforeModel, turn.to_string());
        let is_watched = at(agent, place, true).next().is_some();
        let mut texts = Vec::new();
        for message in conversation.news_mut() {
            for (nth, guard) in at(agent, place, false) {
                self.ahead((guard, nth), place, message, &round).await?;
            }
            texts.extend(is_watched.then(|| message.text()).filter(|text| !text.is_empty()));
        }
        Ok(texts)
    }

    /// Judges a message that a model is about to read.
    async fn ahead(
        &self,
        (guard, nth): (&Guard, usize),
        place: GuardPlace,
        message: &mut Message,
        round: &str,
    ) -> Result<(), TurnError> {
        let text = message.text();
        if text.is_empty() {
            return Ok(());
        }
        match self.judge(guard, nth, Checked::new(place, text), round).await? {
            GuardVerdict::Allow => Ok(()),
            GuardVerdict::Rewrite { content } => {
                rewrite_message(message, &content, guard).map_err(TurnError::Failed)
            }
            GuardVerdict::Retry { reason } | GuardVerdict::Refuse { reason } => {
                Err(TurnError::Failed(guard.refusal(place, None, &reason)))
            }
        }
    }

    /// Returns the messages of the user that the guards which watch have not judged. From now on
    /// they are judged.
    pub(crate) fn take_unwatched(&mut self) -> Vec<Content> {
        std::mem::take(&mut self.unwatched)
    }

    /// Judges a request beside it, for the guards that watch: those before the agent judge the
    /// messages of the user, and those before the model the news of the request.
    pub(crate) async fn watch(
        &self,
        agent: &AgentDefinition,
        messages: Vec<Content>,
        news: Vec<String>,
        turn: u32,
    ) -> Result<(), StepError> {
        let judged = |place, messages: Vec<Content>| {
            messages.into_iter().flat_map(move |message| {
                let guards = at(agent, place, true);
                guards.map(move |(nth, guard)| (nth, guard, Checked::new(place, message.clone())))
            })
        };
        let of_agent = judged(GuardPlace::BeforeAgent, messages);
        let of_model =
            judged(GuardPlace::BeforeModel, news.into_iter().map(Content::from).collect());
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
            Answer::Again { reason, refusal } => Answer::Again { reason, refusal },
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
            Answer::Again { refusal, .. } => Err(TurnError::Failed(refusal)),
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
            Answer::Again { refusal, .. } => Err(TurnError::Failed(refusal)),
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
                    let refusal = guard.refusal(place, None, &reason);
                    let asked = self.asked.entry((place, nth)).or_default();
                    if *asked >= guard.retry_limit() {
                        let checked = Checked::new(place, content);
                        let key = guard.key(&checked, &turn.to_string(), nth, self.cx.attempt());
                        if !self.verdicts.has_another(&key) {
                            return Err(TurnError::Failed(refusal));
                        }
                        // The run was retried after that refusal, and counts anew.
                        *asked = 0;
                    }
                    *asked += 1;
                    return Ok(Answer::Again { reason, refusal });
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
