//! Follows a turn to its end: records what the agent does, asks its questions, and stops it where a
//! budget is spent.

use crate::conversation::{Conversation, Totals};
use crate::effects;
use crate::event::{Act, Decision, HarnessEvent, Message, Question, Refusal, TurnEnd};
use crate::failure::Failure;
use crate::harness::{Harness, Questions};
use crate::kind::HarnessKind;
use crate::live::{Live, OpenCall, OpenQuestion};
use crate::parked::park;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use std::fmt::Write as _;
use std::future::poll_fn;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::Poll;
use stepwright_agent::TOOL_TEXT_BYTES_MAX;
use stepwright_core::call::Call;
use stepwright_core::calls::CallPast;
use stepwright_core::cost::Cost;
use stepwright_core::gate::{Admission, Demand, Permit, Reservation};
use stepwright_core::message::{Arguments, StopReason, ToolCall, ToolOutcome, Usage};
use stepwright_core::{BoxFuture, EventKind, StepContext, StepError};

/// The end of a turn.
pub(crate) enum End {
    /// The agent has answered. It may be there for another turn.
    Done { text: String, live: Option<Live> },
    /// It was stopped by a budget, and there is more of that now.
    GoesOn(Reservation),
    /// It was stopped by a budget, and ends with what it has said.
    WrappedUp(String),
    /// It has failed.
    Failed { why: String, had_calls: bool },
    /// The conversation is not known to the agent.
    SessionUnknown(String),
    /// Its process has ended.
    Lost(String),
}

/// The reason to stop an agent in the middle of its turn.
enum Stopped {
    Granted(Reservation),
    Spent(StepError),
}

type Decided = (u64, Result<Decision, StepError>);

/// A turn under way. If it is dropped with an open question, the agent waits for the answer.
pub(crate) struct Watch<'w, 'a> {
    at: &'w mut Conversation<'a>,
    live: Option<Live>,
    calls: Vec<(String, Arc<Call>)>,
    questions: FuturesUnordered<BoxFuture<'a, Decided>>,
    /// The questions that are asked, by their numbers here.
    asked: Vec<u64>,
    next: u64,
    /// The text since the last tool call.
    said: String,
    had_calls: bool,
    /// The cost of the turn that is recorded.
    cost: Cost,
    held: Option<Reservation>,
}

impl Drop for Watch<'_, '_> {
    fn drop(&mut self) {
        let Some(live) = self.live.take() else { return };
        // Otherwise dropping it ends it.
        if !live.open.is_empty() && self.at.cx.is_waiting() && !self.at.cx.is_cancelled() {
            park(self.at.cx.idempotency_key(), live);
        }
    }
}

impl<'w, 'a> Watch<'w, 'a> {
    /// Follows a turn from its beginning.
    pub(crate) fn first(at: &'w mut Conversation<'a>, live: Live) -> Self {
        Self {
            at,
            live: Some(live),
            calls: Vec::new(),
            questions: FuturesUnordered::new(),
            asked: Vec::new(),
            next: 0,
            said: String::new(),
            had_calls: false,
            cost: Cost::default(),
            held: None,
        }
    }

    /// Follows a turn further, whose run was paused.
    pub(crate) fn again(at: &'w mut Conversation<'a>, live: Live) -> Self {
        let mut watch = Self::first(at, live);
        watch.had_calls = true;
        let cx = watch.at.cx;
        let Some(live) = &watch.live else { return watch };
        for OpenCall { id, tool } in &live.calls {
            watch.calls.push((id.clone(), Arc::new(next_call(cx, tool))));
        }
        let open: Vec<Question> = live.open.iter().map(|open| open.question.clone()).collect();
        for question in open {
            watch.ask(question);
        }
        watch
    }

    pub(crate) async fn until_the_end(mut self) -> Result<End, Failure> {
        loop {
            let Some(live) = &mut self.live else { unreachable!("it is taken at the end") };
            let event = tokio::select! {
                biased;
                Some((number, decision)) = self.questions.next() => {
                    self.answer(number, decision?);
                    continue;
                }
                event = live.events.recv() => event,
            };
            if let Some(end) = self.hear(event).await? {
                return Ok(end);
            }
        }
    }

    /// Answers a question of the agent.
    fn answer(&mut self, number: u64, decision: Decision) {
        let Some(place) = self.asked.iter().position(|asked| *asked == number) else { return };
        self.asked.remove(place);
        if let Some(live) = &mut self.live {
            let OpenQuestion { reply, .. } = live.open.remove(place);
            // It may have taken the question back.
            let _ = reply.send(decision);
        }
    }

    fn ask(&mut self, question: Question) {
        let number = self.next;
        self.next += 1;
        self.asked.push(number);
        let call = question.call.as_ref().and_then(|id| self.call(id)).cloned();
        let (harness, cx) = (self.at.harness.clone(), self.at.cx.clone());
        let (base, dir) = (self.at.place.base.clone(), self.at.place.dir.clone());
        let decided = decide(harness, cx, call, question, base, dir);
        self.questions.push(decided.map(move |decision| (number, decision)).boxed());
    }

    fn call(&self, id: &str) -> Option<&Arc<Call>> {
        self.calls.iter().find(|(known, _)| known == id).map(|(_, call)| call)
    }

    /// Takes an event. Returns the end of the turn, if this is it.
    async fn hear(&mut self, event: Option<HarnessEvent>) -> Result<Option<End>, Failure> {
        let cx = self.at.cx;
        match event {
            Some(HarnessEvent::Text(text)) => {
                self.said.push_str(&text);
                cx.emit(text);
            }
            Some(HarnessEvent::Reasoning(text)) => {
                let reasoning_content = text.into();
                cx.emit_event(EventKind::ReasoningContentDelta { reasoning_content });
            }
            Some(HarnessEvent::Note(text)) => cx.note(text),
            Some(HarnessEvent::Session { id, loads }) => self.at.note_session(id, loads).await?,
            Some(HarnessEvent::CallStarted { id, name, arguments }) => {
                let tool = ToolCall { id, name, arguments: Arguments::json(arguments) };
                return self.begin_call(tool).await;
            }
            Some(HarnessEvent::CallEnded { id, text, is_error }) => {
                // The end of a call that is not open was told before.
                if let Some(place) = self.calls.iter().position(|(known, _)| *known == id) {
                    let (_, call) = self.calls.remove(place);
                    if let Some(live) = &mut self.live {
                        live.calls.retain(|call| call.id != id);
                    }
                    end_call(&call, text, is_error, false).await?;
                }
            }
            Some(HarnessEvent::Asks { question, reply }) => {
                if let Some(live) = &mut self.live {
                    live.open.push(OpenQuestion { question: question.clone(), reply });
                }
                self.ask(question);
            }
            Some(HarnessEvent::Answered(message)) => return self.answered(message).await,
            Some(HarnessEvent::Ended(end)) => return self.ended(*end).await.map(Some),
            Some(HarnessEvent::Refused(Refusal::Session(why))) => {
                return Ok(Some(End::SessionUnknown(why)));
            }
            Some(HarnessEvent::Refused(Refusal::Failed(why))) => {
                let had_calls = self.had_calls;
                return Ok(Some(End::Failed { why, had_calls }));
            }
            Some(HarnessEvent::Lost(why)) => return Ok(Some(End::Lost(why))),
            None => return Ok(Some(End::Lost("its connection was lost".to_owned()))),
        }
        Ok(None)
    }

    async fn begin_call(&mut self, tool: ToolCall) -> Result<Option<End>, Failure> {
        if self.call(&tool.id).is_some() {
            return Ok(None);
        }
        if let Some(end) = self.reserve(&Demand::ToolCall).await? {
            return Ok(Some(end));
        }
        self.had_calls = true;
        self.said.clear();
        let call = next_call(self.at.cx, &tool);
        // The agent carries the call out, and not this step: it waits for nothing.
        drop(call.begin().await.map_err(Failure::Recorded)?);
        // The fact of its beginning counts it.
        self.held = None;
        let id = tool.id.clone();
        if let Some(live) = &mut self.live {
            live.calls.push(OpenCall { id: id.clone(), tool });
        }
        self.calls.push((id, Arc::new(call)));
        Ok(None)
    }

    /// Records an answer of the model behind the agent. The turn goes on, if budgets allow it.
    async fn answered(&mut self, message: Message) -> Result<Option<End>, Failure> {
        let usage = message.usage;
        self.record_answer(message, StopReason::ToolCalls, None).await?;
        let input = usage.total_tokens();
        let demand = self.at.demand(input, Some(usage).filter(|usage| !usage.is_empty()));
        if let Some(end) = self.reserve(&demand).await? {
            return Ok(Some(end));
        }
        let reserved = self.held.as_ref().and_then(Reservation::tokens);
        self.at.request(reserved).await?;
        Ok(None)
    }

    async fn record_answer(
        &mut self,
        message: Message,
        stop: StopReason,
        usd: Option<f64>,
    ) -> Result<(), Failure> {
        let Message { answer, usage, model } = message;
        if let Some(model) = &model {
            self.at.model = self.at.harness.settings.kind.model_id(model);
        }
        self.at.used += usage;
        let priced = self.at.cx.cost(&self.at.model, &usage);
        let cost = match usd {
            // What it says of the whole turn, without what is recorded of it.
            Some(usd) => {
                let rest = Cost::usd(usd).nano_usd().saturating_sub(self.cost.nano_usd());
                Cost::of_nano_usd(rest)
            }
            None => priced,
        };
        self.cost += cost;
        let fact = EventKind::ModelRequestCompleted {
            turn: self.at.requests,
            answer: Arc::new(answer),
            stop,
            usage,
            warning: None,
            model: model.map(|_| self.at.model.as_str().into()),
            hosted_tools: Vec::new(),
            cost: Some(cost),
            purpose: None,
        };
        self.at.record(fact).await?;
        self.held = None;
        Ok(())
    }

    /// Takes from budgets. If they do not grant it at once, the agent is stopped first.
    async fn reserve(&mut self, demand: &Demand) -> Result<Option<End>, Failure> {
        let cx = self.at.cx;
        let stopped = {
            let mut reserving = std::pin::pin!(cx.reserve(demand));
            let first = poll_fn(|task| Poll::Ready(reserving.as_mut().poll(task))).await;
            match first {
                Poll::Ready(Ok(Admission::Granted(held) | Admission::Last(held))) => {
                    self.held = Some(held);
                    return Ok(None);
                }
                Poll::Ready(Ok(Admission::Spent(error))) => Stopped::Spent(error),
                Poll::Ready(Err(error)) => return Err(error.into()),
                // It must not work on while a person is asked, or others hold what is left.
                Poll::Pending => {
                    self.live = None;
                    match reserving.await? {
                        Admission::Granted(held) | Admission::Last(held) => Stopped::Granted(held),
                        Admission::Spent(error) => Stopped::Spent(error),
                    }
                }
            }
        };
        self.live = None;
        match stopped {
            Stopped::Granted(held) => Ok(Some(End::GoesOn(held))),
            Stopped::Spent(error) => {
                let said = std::mem::take(&mut self.said);
                if said.trim().is_empty() || self.at.harness.settings.output.is_some() {
                    return Err(error.into());
                }
                Ok(Some(End::WrappedUp(said)))
            }
        }
    }

    async fn ended(&mut self, end: TurnEnd) -> Result<End, Failure> {
        let TurnEnd { text, mut last, stop, mut usd, error, is_total } = end;
        for (_, call) in std::mem::take(&mut self.calls) {
            let text = "the agent did not say what became of it".to_owned();
            end_call(&call, text, true, true).await?;
        }
        let error = error.or_else(|| match &stop {
            StopReason::Length => Some("it reached the longest answer allowed".to_owned()),
            StopReason::Refused => Some("it refused to answer".to_owned()),
            _ => None,
        });
        let mut totals = None;
        if is_total {
            let counts_tokens = self.at.harness.settings.kind == HarnessKind::Codex;
            let usage = if counts_tokens { last.usage } else { Usage::default() };
            let now = Totals { usage, usd };
            let since = self.at.since(now);
            usd = since.usd;
            if counts_tokens {
                last.usage = since.usage;
            }
            totals = Some(now);
        }
        self.record_answer(last, stop, usd).await?;
        if let Some(totals) = totals {
            self.at.note_totals(totals).await?;
        }
        if let Some(why) = error {
            return Ok(End::Failed { why, had_calls: self.had_calls });
        }
        let live = self.live.take();
        // The others have one turn in each process.
        if self.at.harness.settings.kind.is_acp() {
            return Ok(End::Done { text, live });
        }
        if let Some(live) = live {
            live.finish().await;
        }
        Ok(End::Done { text, live: None })
    }
}

/// Records the end of a call.
async fn end_call(
    call: &Call,
    mut text: String,
    is_error: bool,
    outcome_unknown: bool,
) -> Result<(), Failure> {
    if text.len() > TOOL_TEXT_BYTES_MAX {
        let rest = text.split_off(text.floor_char_boundary(TOOL_TEXT_BYTES_MAX)).len();
        let _ = write!(text, "\n[cut off here: {rest} more bytes]");
    }
    let outcome = ToolOutcome {
        call_id: call.tool().id.clone(),
        name: call.tool().name.clone(),
        text,
        is_error,
        outcome_unknown,
        media: Vec::new(),
        whole: None,
    };
    call.go_on().end(&outcome).await.map_err(Failure::Recorded)
}

/// Returns the next call of a tool with these arguments that has not ended.
fn next_call(cx: &StepContext, tool: &ToolCall) -> Call {
    loop {
        let call = cx.call(tool);
        // An earlier process of the agent has made it, and this one makes it again.
        if !matches!(call.past(), CallPast::Ended(_) | CallPast::Failed(_)) {
            return call;
        }
    }
}

/// Decides about a question: by the permissions, or by asking a person.
async fn decide(
    harness: Harness,
    cx: StepContext,
    call: Option<Arc<Call>>,
    question: Question,
    base: PathBuf,
    dir: PathBuf,
) -> Result<Decision, StepError> {
    let settings = &*harness.settings;
    let only_reads = matches!(question.act, Act::Read(_));
    if settings.read_only && !only_reads {
        return Ok(Decision::Refuse("this step reads only, and changes nothing".to_owned()));
    }
    if settings.questions == Questions::Decline {
        return Ok(Decision::Refuse("nothing that needs a permission is permitted here".into()));
    }
    let effects = effects::asked(
        &settings.kind,
        &question,
        (&base, settings.base.as_deref()),
        &dir,
        settings.split,
    );
    for effect in effects {
        let effect = if settings.questions == Questions::Ask { effect.asked() } else { effect };
        let permit = match &call {
            Some(call) => call.permit(&effect).await?,
            None => cx.permit(&effect).await?,
        };
        if let Permit::Refused(error) = permit {
            return Ok(Decision::Refuse(error.data.message));
        }
    }
    Ok(Decision::Allow)
}
