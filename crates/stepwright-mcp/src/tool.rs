//! A tool of a server as a tool of an agent.

use crate::answer;
use crate::call;
use crate::elicit::Question;
use crate::events::{CallEvent, Ended, Progress};
use crate::link::Link;
use crate::live::LiveCall;
use crate::trace::meta_of;
use rmcp::model::{CallToolRequestParams, ElicitResult, ErrorCode, InputRequest, InputRequests};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::interrupted::Resolved;
use stepwright_core::permission::Effect;
use stepwright_core::tool::{Tool, ToolAnswer, ToolEffect, ToolError, ToolSpec};
use stepwright_core::{BoxFuture, Content, OnInterrupted, StepContext, StepError};

/// The largest number of times that a server can ask for input in one call.
const ROUNDS_MAX: u32 = 20;

/// Returns the key under which a call records a question that its connection holds.
fn asked_key(nth: usize) -> String {
    format!("mcp:asked{nth}")
}

/// A tool of a server.
#[derive(Clone, Debug)]
pub(crate) struct McpTool {
    pub(crate) link: Arc<Link>,
    /// The name of the tool as the server has it.
    pub(crate) raw: String,
    pub(crate) spec: ToolSpec,
    pub(crate) effect: ToolEffect,
    /// `true` if the server says that a call may destroy something.
    pub(crate) destroys: bool,
    pub(crate) confirmed: bool,
    pub(crate) timeout: Duration,
    pub(crate) on_interrupted: Option<OnInterrupted>,
}

/// A round of a call that the server wants again with input.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Round {
    questions: Option<InputRequests>,
    state: Option<String>,
}

impl Tool for McpTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn call(&self, arguments: Value, cx: StepContext) -> BoxFuture<'_, Result<String, ToolError>> {
        Box::pin(async move { self.carry_out(arguments, cx).await.map(|answer| answer.text) })
    }

    fn answer(
        &self,
        arguments: Value,
        cx: StepContext,
    ) -> BoxFuture<'_, Result<ToolAnswer, ToolError>> {
        Box::pin(self.carry_out(arguments, cx))
    }

    fn timeout(&self) -> Option<Duration> {
        Some(self.timeout)
    }

    fn requires_confirmation(&self) -> bool {
        self.confirmed
    }

    fn effect(&self) -> ToolEffect {
        self.effect
    }

    fn on_interrupted(&self) -> Option<OnInterrupted> {
        // Always: what a call records does not tell whether the server has done it.
        Some(self.on_interrupted.unwrap_or(self.effect.on_interrupted()))
    }

    fn access(&self, arguments: &Value) -> Effect {
        let server = &self.link.name;
        let effect = Effect::call(format!("mcp:{server}:{}", rule_name(&self.raw)), arguments);
        let effect = effect.also(self.spec.name.as_str());
        let hint = match self.effect {
            ToolEffect::ReadOnly => "hint.read-only",
            _ if self.destroys => "hint.destructive",
            _ => "hint.additive",
        };
        effect.also(format!("mcp:{server}:{hint}"))
    }

    fn asks(&self) -> bool {
        true
    }
}

/// Returns the name of a tool as rules have it, in which a star would be a pattern.
fn rule_name(raw: &str) -> String {
    let is_one = |c: char| c.is_alphanumeric() || "_-./".contains(c);
    raw.chars().map(|c| if is_one(c) { c } else { '_' }).collect()
}

/// A call that is left to its connection if the run is paused while a person answers.
struct Watched<'a> {
    tool: &'a McpTool,
    cx: &'a StepContext,
    live: Option<LiveCall>,
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        let Some(live) = self.live.take() else { return };
        // Otherwise dropping the call cancels it.
        if live.open.is_some() && !self.cx.is_cancelled() {
            self.tool.link.park(self.cx.idempotency_key(), live);
        }
    }
}

impl McpTool {
    async fn carry_out(&self, arguments: Value, cx: StepContext) -> Result<ToolAnswer, ToolError> {
        let Value::Object(arguments) = arguments else {
            return Err(ToolError::Arguments("they must be an object".into()));
        };
        let mut live = self.link.unpark(&cx.idempotency_key());
        let mut lost = 1;
        if live.is_none() {
            while cx.recorded(&self.lost_key(lost)).is_some() {
                // The question was asked, and the run was paused. Its answer is in the journal.
                if let Some(told) = self.resolved(lost, &cx).await? {
                    return Ok(told);
                }
                lost += 1;
            }
            if lost == 1 && self.was_asked(&cx).await? {
                let why = "its process ended while a person was asked";
                // Where nothing was done it is called again, and gets the same answers.
                if Tool::on_interrupted(self) != Some(OnInterrupted::Retry)
                    && let Some(told) = self.unknown(why, &mut lost, &cx).await?
                {
                    return Ok(told);
                }
            }
        }
        // The newest protocol: the server forgets the call, and gets its state again.
        let mut round = 0;
        let mut params = self.params(&arguments, &cx);
        while let Some(recorded) = cx.recorded(&round_key(round)) {
            let recorded = serde_json::from_value(recorded)
                .map_err(|error| ToolError::Failed(error.to_string()))?;
            params = self.answered(&arguments, recorded, round, &cx).await?;
            round += 1;
        }
        loop {
            let under_way = match live.take() {
                Some(live) => live,
                None => call::begin(&self.link, params.clone()),
            };
            match self.watch(under_way, &cx).await? {
                Ended::Answered(result) if result.is_error == Some(true) => {
                    return Err(ToolError::Failed(said(answer::of_result(result).text)));
                }
                Ended::Answered(result) => return Ok(answer::of_result(result)),
                Ended::Refused(error) if error.code == ErrorCode::INVALID_PARAMS => {
                    return Err(ToolError::Arguments(error.message.into_owned()));
                }
                Ended::Refused(error) => {
                    return Err(ToolError::Failed(format!(
                        "the server refused: {}",
                        error.message
                    )));
                }
                Ended::NotSent(why) => {
                    let server = &self.link.name;
                    let why = format!("not called: MCP server `{server}` cannot be used: {why}");
                    return Err(ToolError::Failed(why));
                }
                Ended::Unknown(why) => {
                    if let Some(told) = self.unknown(&why, &mut lost, &cx).await? {
                        return Ok(told);
                    }
                }
                Ended::InputRequired(result) => {
                    if round >= ROUNDS_MAX {
                        let why = format!("the server asked for input {ROUNDS_MAX} times");
                        return Err(ToolError::Failed(why));
                    }
                    let asked =
                        Round { questions: result.input_requests, state: result.request_state };
                    let kept = async { Ok::<_, StepError>(asked) };
                    let asked = cx.once(&round_key(round), kept).await.map_err(ToolError::Fatal)?;
                    params = self.answered(&arguments, asked, round, &cx).await?;
                    round += 1;
                }
            }
        }
    }

    fn params(&self, arguments: &Map<String, Value>, cx: &StepContext) -> CallToolRequestParams {
        let params = CallToolRequestParams::new(self.raw.clone());
        let mut params = params.with_arguments(arguments.clone());
        params.meta = meta_of(cx);
        params
    }

    /// Follows a call to its end: shows its progress, and asks its questions.
    async fn watch(&self, live: LiveCall, cx: &StepContext) -> Result<Ended, ToolError> {
        let mut watched = Watched { tool: self, cx, live: Some(live) };
        let mut done = f64::MIN;
        loop {
            let Some(live) = &mut watched.live else { unreachable!("it is taken by `drop` alone") };
            if let Some((question, nth)) =
                live.open.as_ref().map(|(question, _)| (question.clone(), live.questions))
            {
                let answer = self.asked(&question, nth, cx).await;
                let Some(live) = &mut watched.live else { unreachable!("as above") };
                // Whatever becomes of it, the question is not open any more.
                let open = live.open.take();
                let answer = answer.map_err(ToolError::Fatal)?;
                if let Some((_, reply)) = open {
                    let _ = reply.send(answer);
                }
                continue;
            }
            match live.events.recv().await {
                // The messages of a connection may overtake each other. Progress only grows.
                Some(CallEvent::Progress(progress)) if progress.done > done => {
                    done = progress.done;
                    show(&progress, cx);
                }
                Some(CallEvent::Progress(_)) => cx.keep_alive(),
                Some(CallEvent::Asks { question, reply }) => {
                    live.questions += 1;
                    let (nth, noted) = (live.questions, question.clone());
                    live.open = Some((question, reply));
                    self.note_question(nth, noted, cx).await?;
                }
                Some(CallEvent::Ended(ended)) => return Ok(*ended),
                None => return Ok(Ended::Unknown("the connection was lost".into())),
            }
        }
    }

    /// Records a question that the connection holds. Another process cannot answer it there.
    async fn note_question(
        &self,
        nth: usize,
        question: Question,
        cx: &StepContext,
    ) -> Result<(), ToolError> {
        let key = asked_key(nth);
        let noted = cx.once(&key, async { Ok::<_, StepError>(question) });
        noted.await.map(drop).map_err(ToolError::Fatal)
    }

    /// Returns `true` if a connection that is gone held questions of this call. Their answers are
    /// waited for, and kept for the next call.
    async fn was_asked(&self, cx: &StepContext) -> Result<bool, ToolError> {
        let mut nth = 1;
        while let Some(recorded) = cx.recorded(&asked_key(nth)) {
            let question: Question = serde_json::from_value(recorded)
                .map_err(|error| ToolError::Failed(error.to_string()))?;
            self.asked(&question, nth, cx).await.map_err(ToolError::Fatal)?;
            nth += 1;
        }
        Ok(nth > 1)
    }

    async fn asked(
        &self,
        question: &Question,
        nth: usize,
        cx: &StepContext,
    ) -> Result<ElicitResult, StepError> {
        question.ask(&self.link.name, nth, cx).await
    }

    /// Answers the questions of a round, and returns the next request.
    async fn answered(
        &self,
        arguments: &Map<String, Value>,
        round: Round,
        nth: u32,
        cx: &StepContext,
    ) -> Result<CallToolRequestParams, ToolError> {
        let mut responses = BTreeMap::new();
        for (at, (key, request)) in round.questions.unwrap_or_default().into_iter().enumerate() {
            let InputRequest::Elicitation(request) = request else {
                let why = "the server asks for something other than an answer of a person";
                return Err(ToolError::Failed(why.into()));
            };
            let Some(question) = Question::of(&request.params).filter(|_| self.link.asks) else {
                let declined = ElicitResult::new(rmcp::model::ElicitationAction::Decline);
                responses.insert(key, serde_json::json!(declined));
                continue;
            };
            let number = usize::try_from(nth).unwrap_or(usize::MAX).saturating_mul(100) + at + 1;
            let answer =
                question.ask(&self.link.name, number, cx).await.map_err(ToolError::Fatal)?;
            responses.insert(key, serde_json::json!(answer));
        }
        let mut params = self.params(arguments, cx);
        params.input_responses = (!responses.is_empty()).then_some(responses);
        params.request_state = round.state;
        Ok(params)
    }

    fn lost_key(&self, nth: u32) -> String {
        format!("{}.{}#{nth}", self.link.name, self.raw)
    }

    /// Decides about a call whose outcome is unknown. Returns its answer if a person has said that
    /// it was done, and `None` if it is made again.
    async fn unknown(
        &self,
        why: &str,
        nth: &mut u32,
        cx: &StepContext,
    ) -> Result<Option<ToolAnswer>, ToolError> {
        let (server, policy) = (&self.link.name, Tool::on_interrupted(self));
        if policy == Some(OnInterrupted::Retry) {
            // The model decides: no call is made twice without a decision.
            return Err(ToolError::Failed(format!(
                "the call was lost: {why}; `{}` of MCP server `{server}` can be called again",
                self.spec.name
            )));
        }
        let (server, tool) = (&**server, &*self.raw);
        tracing::warn!(target: "stepwright", server, tool, "a call was lost: {why}");
        let why = why.to_owned();
        let noted = cx.once(&self.lost_key(*nth), async { Ok::<_, StepError>(why) });
        noted.await.map_err(ToolError::Fatal)?;
        let told = self.resolved(*nth, cx).await?;
        *nth += 1;
        Ok(told)
    }

    async fn resolved(&self, nth: u32, cx: &StepContext) -> Result<Option<ToolAnswer>, ToolError> {
        let policy = Tool::on_interrupted(self).unwrap_or(OnInterrupted::Ask);
        let key = self.lost_key(nth);
        match cx.resolve_interrupted(policy, Some(&key), 1).await.map_err(ToolError::Fatal)? {
            Resolved::Done(value) => Ok(Some(Content::from(value).text().into_owned().into())),
            Resolved::Again => Ok(None),
        }
    }
}

fn round_key(round: u32) -> String {
    format!("mcp:round{}", round + 1)
}

fn said(text: String) -> String {
    if text.is_empty() { "the tool failed without a message".to_owned() } else { text }
}

fn show(progress: &Progress, cx: &StepContext) {
    let text = progress.message.clone().unwrap_or_default();
    match progress.total.filter(|total| *total > 0.0) {
        Some(total) => cx.progress(progress.done / total, text),
        None if text.is_empty() => cx.keep_alive(),
        None => cx.note(text),
    }
}
