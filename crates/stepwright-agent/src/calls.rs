//! Executes the tool calls of one model turn.

use crate::conversation::Conversation;
use crate::deferred;
use crate::definition::AgentDefinition;
use crate::guarded::{Guards, judges_answer};
use crate::options::SEARCH_TOOLS;
use crate::options::{ToolOptions, can_repeat};
use crate::played;
use crate::replay::TurnError;
use crate::results::{self, READ_RESULT, TOOL_TEXT_BYTES_MAX};
use crate::strict;
use crate::team::lead;
use crate::voice;
use futures_util::future::{Either, select, try_join_all};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use serde_json::{Map, Value};
use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use stepwright_core::call::Call;
use stepwright_core::calls::CallPast;
use stepwright_core::error::ErrorCode;
use stepwright_core::gate::{Admission, Demand, Permit};
use stepwright_core::interrupted::Resolved;
use stepwright_core::json;
use stepwright_core::message::{Arguments, Message, ToolCall, ToolOutcome};
use stepwright_core::requirement::{RequirementId, RequirementKind};
use stepwright_core::tool::{AnyTool, Tool as _, ToolAnswer, ToolError};
use stepwright_core::{
    Answer, Content, Media, OnInterrupted, OnTimeout, Requirement, StepContext, StepError,
};

/// The largest number of tool calls executed in one turn. Later calls of the turn are answered with
/// an error.
pub const TOOL_CALLS_MAX: usize = 128;

/// The largest size of the media of one tool result, in bytes. Further media are left out, and the
/// result says so: a fact holds them, and each later request carries them.
pub const TOOL_MEDIA_BYTES_MAX: usize = 5 * 1024 * 1024;

/// The longest excerpt of invalid arguments repeated to the model, in bytes.
const EXCERPT_BYTES_MAX: usize = 200;

/// Calls the tools concurrently and returns their outcomes in the order of the calls. Each call is
/// an execution with its own path, under which the journal keeps what an earlier process recorded
/// of it.
pub(crate) async fn call_tools(
    agent: &AgentDefinition,
    earlier: &Conversation,
    calls: &[ToolCall],
    guards: &Guards<'_>,
    cx: &StepContext,
) -> Result<Vec<ToolOutcome>, TurnError> {
    let numbers = numbers(earlier.since_given(), calls);
    let results = results::count(&earlier.messages);
    let refusals = lead::refusals(agent, earlier.own(), calls);
    let turn = calls;
    // Create all calls first, in the model's order: a call's path contains its position.
    let calls: Vec<Call> = calls.iter().map(|call| cx.call(call)).collect();
    // Request all confirmations and decisions before any tool runs, all at once: while people
    // think, no work is in flight.
    let asked = calls.iter().zip(numbers).zip(refusals);
    let prepared = asked.map(|((call, nth), no)| prepared(agent, (call, nth), no, guards, cx));
    let mut answers: Vec<Option<ToolOutcome>> = Vec::with_capacity(calls.len());
    let mut open = VecDeque::new();
    for (nth, prepared) in try_join_all(prepared).await?.into_iter().enumerate() {
        let (ended, ready) = match prepared {
            PreparedCall::Ended(outcome) => (Some(outcome), None),
            PreparedCall::Ready(ready) => (None, Some(ready)),
        };
        answers.push(ended);
        open.extend(ready.map(|ready| (nth, ready)));
    }
    let (mut at_work, mut working) = (FuturesUnordered::new(), BTreeSet::new());
    let mut failed = None;
    loop {
        while failed.is_none()
            && working.len() < agent.limits.tool_concurrency
            && let Some((nth, ready)) = open.pop_front()
        {
            working.insert(nth);
            let call = &calls[nth];
            let place = Place { nth, result: results + nth + 1, earlier, turn };
            at_work.push(async move { (nth, carry_out(agent, place, call, ready, guards).await) });
        }
        let next = poll_fn(|task| match at_work.poll_next_unpin(task) {
            // Calls in flight finish, so that their outcomes are known. A call that is waiting for
            // an answer does not hold up the failure.
            Poll::Pending
                if failed.is_some()
                    && working.iter().all(|nth| calls[*nth].context().is_waiting()) =>
            {
                Poll::Ready(None)
            }
            next => next,
        });
        match next.await {
            None => break,
            Some((nth, Ok(outcome))) => {
                working.remove(&nth);
                answers[nth] = Some(outcome);
            }
            Some((_, Err(TurnError::Recorded(lost)))) => return Err(TurnError::Recorded(lost)),
            Some((nth, Err(stop))) => {
                working.remove(&nth);
                failed.get_or_insert(stop);
            }
        }
    }
    match failed {
        Some(stop) => Err(stop),
        None => Ok(answers.into_iter().flatten().collect()),
    }
}

/// The place of a call in its conversation.
#[derive(Clone, Copy)]
struct Place<'a> {
    /// The number of the call in its turn, from 0.
    nth: usize,
    /// The number of its result in the conversation, from 1.
    result: usize,
    /// The conversation before the turn.
    earlier: &'a Conversation,
    /// The calls of the turn.
    turn: &'a [ToolCall],
}

impl<'a> Place<'a> {
    /// Returns what came before the call: earlier messages without examples, and calls of the same
    /// turn.
    fn before(&self) -> (&'a [Message], &'a [ToolCall]) {
        (self.earlier.own(), &self.turn[..self.nth])
    }
}

/// Returns the number of each call among the calls of its tool since a message of the user, from 1.
fn numbers(earlier: &[Message], calls: &[ToolCall]) -> Vec<u32> {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    let before = earlier.iter().filter_map(|message| match message {
        Message::Assistant(turn) => Some(turn.tool_calls()),
        _ => None,
    });
    for call in before.flatten() {
        *counts.entry(&call.name).or_default() += 1;
    }
    let number = |call| {
        let count = counts.entry(call).or_default();
        *count += 1;
        *count
    };
    calls.iter().map(|call| call.name.as_str()).map(number).collect()
}

/// The state of a call before it runs.
enum PreparedCall {
    /// The call ended in an earlier process.
    Ended(ToolOutcome),
    Ready(ReadyCall),
}

/// A call that is ready to start or to continue.
enum ReadyCall {
    /// Start with these arguments.
    Begin(ToolCall),
    /// Continue a call that was waiting for an answer.
    Continue(ToolCall),
    /// Start, and record this outcome without calling the tool.
    Answered(ToolOutcome),
    /// Record this outcome for a call that had already started: a person said that it was done.
    Done(ToolOutcome),
}

/// Determines how a call starts: from what an earlier process recorded, and from what people
/// answer.
async fn prepared(
    agent: &AgentDefinition,
    (call, number): (&Call, u32),
    refusal: Option<String>,
    guards: &Guards<'_>,
    cx: &StepContext,
) -> Result<PreparedCall, TurnError> {
    let mut open = false;
    let (goes_on, begun, resumable) = match call.past() {
        CallPast::Ended(outcome) => return Ok(PreparedCall::Ended((**outcome).clone())),
        CallPast::Failed(error) => {
            return Err(TurnError::Failed(StepError { data: error.clone() }));
        }
        CallPast::Waiting { open } => (*open, 0, false),
        CallPast::Interrupted { begun, resumable, open: is_open } => {
            open = *is_open;
            (false, *begun, *resumable)
        }
        _ => (false, 0, false),
    };
    if let Some(text) = refusal {
        let refused = outcome(call.tool(), text, true);
        return Ok(PreparedCall::Ready(ReadyCall::Answered(refused)));
    }
    let made = match first(agent, call, number).await? {
        Ok(made) => made,
        Err(refused) => return Ok(PreparedCall::Ready(ReadyCall::Answered(refused))),
    };
    let made = match guards.call(agent, call, made).await? {
        Ok(made) => made,
        Err((made, why)) => {
            return Ok(PreparedCall::Ready(ReadyCall::Answered(outcome(&made, why, true))));
        }
    };
    let made = match allowed(agent, call, made, cx).await? {
        Ok(made) => made,
        Err(refused) => return Ok(PreparedCall::Ready(ReadyCall::Answered(refused))),
    };
    // After the confirmation, which may change the arguments: what is permitted is what is done.
    if let Some(refused) = refused(agent, call, &made).await? {
        return Ok(PreparedCall::Ready(ReadyCall::Answered(refused)));
    }
    if goes_on {
        return Ok(PreparedCall::Ready(ReadyCall::Continue(made)));
    }
    // A name that is not among the agent's tools was never called.
    if begun > 0
        && let Some(tool) = agent.tool(&made.name)
    {
        let policy = tool.on_interrupted().unwrap_or(match tool.effect() {
            // A tool that recorded its effects does not repeat them.
            _ if resumable => OnInterrupted::Retry,
            effect => effect.on_interrupted(),
        });
        match call.resolve_interrupted(policy, begun).await? {
            Resolved::Again => {}
            Resolved::Done(value) => {
                let text = Content::from(value).text().into_owned();
                let told = outcome(&made, text, false);
                return Ok(PreparedCall::Ready(if open {
                    ReadyCall::Done(told)
                } else {
                    ReadyCall::Answered(told)
                }));
            }
        }
    }
    Ok(PreparedCall::Ready(ReadyCall::Begin(made)))
}

fn outcome(call: &ToolCall, text: String, is_error: bool) -> ToolOutcome {
    ToolOutcome {
        call_id: call.id.clone(),
        name: call.name.clone(),
        text: shortened(text),
        is_error,
        outcome_unknown: false,
        media: Vec::new(),
        whole: None,
    }
}

/// Returns the outcome of a call that has an answer.
fn answered(call: &ToolCall, ToolAnswer { text, media }: ToolAnswer) -> ToolOutcome {
    let (media, dropped) = held(media);
    let text = if dropped.is_empty() { text } else { format!("{text}\n{dropped}") };
    ToolOutcome { media, ..outcome(call, text, false) }
}

/// Executes a call of a turn and records its start and its end. Failures are returned to
/// the model, which can correct them. Only a fatal failure of the tool is an error here.
async fn carry_out(
    agent: &AgentDefinition,
    place: Place<'_>,
    call: &Call,
    ready: ReadyCall,
    guards: &Guards<'_>,
) -> Result<ToolOutcome, TurnError> {
    let begins = matches!(ready, ReadyCall::Begin(_) | ReadyCall::Answered(_));
    let (mut ready, mut admitted) = (ready, None);
    let options = agent.options_of(&call.tool().name);
    let kept = match (&ready, options) {
        (ReadyCall::Begin(made), Some(options)) => arguments(&made.arguments)
            .ok()
            .and_then(|given| options.kept(&made.name, &given, call.context())),
        _ => None,
    };
    let limited = |told: ToolOutcome| match options.and_then(ToolOptions::limit_of_result) {
        Some(limit) => results::limited(told, place.result, limit),
        None => told,
    };
    if let (ReadyCall::Begin(made), None) = (&ready, &kept) {
        // A person may be asked for more. Only this call waits then, and others go on.
        let _waiting = call.go_on();
        match call.context().reserve(&Demand::ToolCall).await? {
            Admission::Granted(held) | Admission::Last(held) => admitted = Some(held),
            Admission::Spent(error) => {
                let text = format!("not called: {}; answer with what you have", error.data.message);
                ready = ReadyCall::Answered(outcome(made, text, true));
            }
        }
    }
    let begun =
        if begins { call.begin().await.map_err(TurnError::Recorded)? } else { call.go_on() };
    // The fact of its beginning counts the call.
    drop(admitted);
    let made = match ready {
        ReadyCall::Begin(made) | ReadyCall::Continue(made) => made,
        ReadyCall::Answered(told) | ReadyCall::Done(told) => {
            let told = limited(told);
            begun.end(&told).await.map_err(TurnError::Recorded)?;
            return Ok(told);
        }
    };
    if kept.is_none()
        && place.nth < TOOL_CALLS_MAX
        && agent.tool(&made.name).is_some()
        && let Ok(arguments) = arguments(&made.arguments)
        && let Some(played) = played::call(&made, &arguments, call.context()).await
    {
        let (told, failure) = played?;
        // The recorded result is the one after the guards, so only their facts are made again.
        if failure.is_none() {
            guards.result(agent, call, told.clone()).await?;
        }
        if let Some(error) = failure {
            begun.fail(told, &error).await.map_err(TurnError::Recorded)?;
            return Err(TurnError::Failed(error));
        }
        begun.end(&told).await.map_err(TurnError::Recorded)?;
        return Ok(told);
    }
    let given = match kept {
        Some(answer) => Ok(answer),
        None => answer(agent, place, &made, call.context()).await,
    };
    let told = match given {
        Ok(answer) => answered(&made, answer),
        Err(CallError::Tool(ToolError::Fatal(error))) => {
            let error = of_tool(&made.name, error);
            let outcome_unknown = error.data.code == ErrorCode::OutcomeUnknown;
            let told = outcome(&made, error.data.message.clone(), true);
            let told = ToolOutcome { outcome_unknown, ..told };
            begun.fail(told, &error).await.map_err(TurnError::Recorded)?;
            return Err(TurnError::Failed(error));
        }
        Err(CallError::Tool(error @ ToolError::Arguments(_))) => {
            outcome(&made, format!("{error}; correct them and call `{}` again", made.name), true)
        }
        Err(CallError::Tool(error)) => outcome(&made, error.to_string(), true),
        Err(CallError::Panicked(text)) => outcome(&made, text, true),
        Err(CallError::TimedOut { limit, can_repeat: true }) => {
            let text = format!("the tool took longer than {limit:?} and was stopped");
            outcome(&made, format!("{text}; it can be called again"), true)
        }
        Err(CallError::TimedOut { limit, can_repeat: false }) => {
            let text = format!(
                "the tool took longer than {limit:?} and was stopped; its outcome is unknown: it may \
                 have been done. Do not call it again for the same purpose until you know that it \
                 was not done"
            );
            ToolOutcome { outcome_unknown: true, ..outcome(&made, text, true) }
        }
    };
    let told = match guards.result(agent, call, told).await {
        Ok(told) => limited(told),
        Err(TurnError::Failed(error)) => {
            let told = outcome(&made, error.data.message.clone(), true);
            begun.fail(told, &error).await.map_err(TurnError::Recorded)?;
            return Err(TurnError::Failed(error));
        }
        Err(stop) => return Err(stop),
    };
    begun.end(&told).await.map_err(TurnError::Recorded)?;
    Ok(told)
}

/// The reason a call returned no result.
enum CallError {
    Tool(ToolError),
    /// It is not tried again.
    Panicked(String),
    TimedOut {
        limit: Duration,
        /// `true` if repeating the call is safe.
        can_repeat: bool,
    },
}

impl From<ToolError> for CallError {
    fn from(error: ToolError) -> Self {
        Self::Tool(error)
    }
}

async fn answer(
    agent: &AgentDefinition,
    place: Place<'_>,
    call: &ToolCall,
    cx: &StepContext,
) -> Result<ToolAnswer, CallError> {
    if place.nth >= TOOL_CALLS_MAX {
        let message = format!("not called: one turn may call at most {TOOL_CALLS_MAX} tools");
        return Err(ToolError::Failed(message).into());
    }
    let given = arguments(&call.arguments);
    let Some(tool) = agent.tool(&call.name) else {
        if call.name == READ_RESULT && agent.specs.iter().any(|spec| spec.name == READ_RESULT) {
            return Ok(results::read(&place.earlier.messages, &given?)?.into());
        }
        if let Some(team) = &agent.team
            && let Ok(given) = &given
            && let Some(told) = lead::of_board(team, place.before(), &call.name, given)
        {
            return Ok(told?.into());
        }
        if call.name == SEARCH_TOOLS && !agent.deferred.is_empty() {
            return Ok(deferred::search(agent, &given?)?.into());
        }
        let known = agent.specs.iter().filter(|spec| !agent.deferred.contains(&spec.name));
        let known = known.map(|spec| &*spec.name);
        let known = known.chain((!agent.deferred.is_empty()).then_some(SEARCH_TOOLS));
        let known: Vec<String> = known.map(|name| format!("`{name}`")).collect();
        let known = match known.as_slice() {
            [] => "there are none".to_owned(),
            known => format!("the tools are {}", known.join(", ")),
        };
        return Err(ToolError::Failed(format!("there is no tool `{}`; {known}", call.name)).into());
    };
    let mut given = given?;
    let handed;
    let mut held = None;
    let mut cx = cx;
    if let Some(team) = agent.team.as_ref().filter(|team| team.is_member(&call.name)) {
        let asked = || place.earlier.asked(None);
        (given, handed) = lead::handed(team, (place.before(), asked), call, &given, cx)?;
        // What members say for the team waits for the guardrails of its answer.
        cx = if judges_answer(agent) { held.insert(voice::held(&handed)) } else { &handed };
    }
    if agent.options_of(&call.name).is_some_and(ToolOptions::is_strict) {
        strict::leave_out_nulls(&tool.spec().parameters, &mut given);
    }
    let Some(options) = agent.options_of(&call.name) else {
        return attempt(agent, tool, None, given, cx).await;
    };
    let mut retry = 0;
    loop {
        let answered = attempt(agent, tool, Some(options), given.clone(), cx).await;
        retry += 1;
        let failed = match &answered {
            Ok(answer) => {
                options.keep(&call.name, &given, answer, cx);
                return answered;
            }
            Err(CallError::Tool(ToolError::Failed(why))) => why.clone(),
            Err(CallError::TimedOut { limit, can_repeat: true }) => {
                format!("it took longer than {limit:?}")
            }
            Err(_) => return answered,
        };
        let Some(wait) = options.retry_after(retry) else { return answered };
        cx.note(format!("`{}` failed: {failed}; it is tried again in {wait:?}", call.name));
        cx.world().sleep(wait).await;
    }
}

/// Calls a tool once, and passes its answer to its hooks.
async fn attempt(
    agent: &AgentDefinition,
    tool: &AnyTool,
    options: Option<&ToolOptions>,
    arguments: Value,
    cx: &StepContext,
) -> Result<ToolAnswer, CallError> {
    // `tool.answer` runs inside the async block, so that a panic before the first await is caught.
    let work = async {
        let answer = tool.answer(arguments, cx.clone()).await?;
        match options {
            Some(options) => options.last(answer, cx).await,
            None => Ok(answer),
        }
    };
    let work = AssertUnwindSafe(work).catch_unwind();
    let limit = options.and_then(ToolOptions::limit_of_time).or_else(|| tool.timeout());
    let limit = limit.unwrap_or(agent.limits.tool_timeout);
    match in_time(limit, cx, work).await {
        Some(Ok(answer)) => Ok(answer?),
        Some(Err(panic)) => {
            let message = format!("the tool panicked: {}", panic_text(&*panic));
            Err(CallError::Panicked(message))
        }
        None => Err(CallError::TimedOut { limit, can_repeat: can_repeat(tool) }),
    }
}

/// Runs `work` and returns its value, or `None` if it takes longer than `limit`. Time spent waiting
/// for an answer does not count.
async fn in_time<T>(limit: Duration, cx: &StepContext, work: impl Future<Output = T>) -> Option<T> {
    let now = || cx.world().now();
    let (began, mut waited, mut waits_since) = (now(), Duration::ZERO, None);
    let mut work = pin!(work);
    let mut left = limit;
    loop {
        // It waits from the end of one poll to the beginning of another.
        let watched = poll_fn(|task| {
            let polled = work.as_mut().poll(task);
            match (cx.is_waiting(), waits_since) {
                (true, None) => waits_since = Some(now()),
                (false, Some(since)) => {
                    waited += now().since(since);
                    waits_since = None;
                }
                _ => {}
            }
            polled
        });
        if let Either::Left((done, _)) = select(watched, cx.world().deadline(left)).await {
            return Some(done);
        }
        let spent = now().since(began).saturating_sub(waited);
        left = match limit.checked_sub(spent) {
            _ if waits_since.is_some() => limit,
            Some(left) if !left.is_zero() => left,
            _ => return None,
        };
    }
}

/// Checks the limit of calls of a tool and runs its hooks. Returns the call to make, or the outcome
/// that tells the model about a refusal.
async fn first(
    agent: &AgentDefinition,
    call: &Call,
    number: u32,
) -> Result<Result<ToolCall, ToolOutcome>, TurnError> {
    let made = call.tool();
    let Some(options) = agent.options_of(&made.name) else { return Ok(Ok(made.clone())) };
    if let Some(limit) = options.limit_of_calls().filter(|limit| number > *limit) {
        let name = &made.name;
        let text = format!(
            "not called: `{name}` can be called {limit} times for one message, and was; go on \
             without it"
        );
        return Ok(Err(outcome(made, text, true)));
    }
    let Some(given) = arguments(&made.arguments).ok().filter(|_| options.has_before()) else {
        return Ok(Ok(made.clone()));
    };
    match options.first(given, call.context()).await {
        Ok(given) => Ok(Ok(ToolCall { arguments: Arguments::json(given), ..made.clone() })),
        Err(ToolError::Fatal(error)) => Err(TurnError::Failed(of_tool(&made.name, error))),
        Err(error) => Ok(Err(outcome(made, format!("not called: {error}"), true))),
    }
}

/// Names the tool in an error that fails its step.
fn of_tool(name: &str, mut error: StepError) -> StepError {
    if error.data.code == ErrorCode::Failed {
        error.data.code = ErrorCode::Tool;
    }
    error.data.message = format!("tool `{name}`: {}", error.data.message);
    error
}

/// Asks the permissions of the run for a call. Returns the outcome that tells the model about a
/// refusal.
async fn refused(
    agent: &AgentDefinition,
    call: &Call,
    made: &ToolCall,
) -> Result<Option<ToolOutcome>, StepError> {
    // A call that fails before its tool acts needs no permission.
    let Some(tool) = agent.tool(&made.name).filter(|tool| tool.needs_permission()) else {
        return Ok(None);
    };
    let Ok(arguments) = arguments(&made.arguments) else { return Ok(None) };
    Ok(match call.permit(&tool.access_in(&arguments, call.context())).await? {
        Permit::Granted => None,
        Permit::Refused(error) => {
            Some(outcome(made, format!("not called: {}", error.data.message), true))
        }
    })
}

/// Requests confirmation if the tool needs it. Returns the call to make, or the outcome that tells
/// the model about a rejection.
async fn allowed(
    agent: &AgentDefinition,
    call: &Call,
    tool: ToolCall,
    cx: &StepContext,
) -> Result<Result<ToolCall, ToolOutcome>, StepError> {
    if !agent.confirmed.contains(&tool.name) {
        return Ok(Ok(tool));
    }
    // A new attempt repeats the call, so it needs a confirmation of its own.
    let again = match cx.attempt() {
        1 => String::new(),
        attempt => format!("@{attempt}"),
    };
    let path = call.path();
    let (name, wants) = (&agent.name, &tool.name);
    let requirement = Requirement {
        id: RequirementId::new(path.clone(), format!("confirm{again}")).into(),
        path: path.clone(),
        kind: RequirementKind::ToolConfirmation { tool: Box::new(tool.clone()) },
        message: format!("May agent `{name}` call `{wants}`?").into(),
        due: None,
        on_timeout: OnTimeout::default(),
    };
    Ok(match cx.ask(requirement).await? {
        Answer::Edit { content } => {
            Ok(ToolCall { arguments: Arguments::json(content.to_value()), ..tool })
        }
        Answer::Reject { feedback } => {
            let why = feedback.map(|feedback| format!(": {feedback}")).unwrap_or_default();
            Err(outcome(&tool, format!("a person rejected this call{why}"), true))
        }
        _ => Ok(tool),
    })
}

fn arguments(arguments: &Arguments) -> Result<Value, ToolError> {
    match arguments {
        // For tools without arguments, models send an empty text or `null`.
        Arguments::Json(value) if value.is_null() => Ok(Map::new().into()),
        Arguments::Invalid(raw) if raw.trim().is_empty() => Ok(Map::new().into()),
        Arguments::Json(value) => Ok(Value::clone(value)),
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

/// Returns the media that a fact holds, and a note about the others.
fn held(media: Vec<Media>) -> (Vec<Media>, String) {
    let (mut kept, mut bytes, mut note) = (Vec::new(), 0, String::new());
    for medium in media {
        let size = medium.size().and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
        if bytes + size > TOOL_MEDIA_BYTES_MAX {
            let kind = medium.mime.as_deref().unwrap_or("a medium");
            let _ = write!(note, "[left out: {kind} of {size} bytes]");
            continue;
        }
        bytes += size;
        kept.push(medium);
    }
    (kept, note)
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
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
