//! The turns of a conversation: each begins, is continued where it was interrupted, and ends once.

use crate::conversation::{Conversation, Session};
use crate::effects;
use crate::event::{HarnessEvent, Refusal};
use crate::failure::{Failure, recorded};
use crate::harness::Variable;
use crate::job::Job;
use crate::kind::HarnessKind;
use crate::live::Live;
use crate::parked::unpark;
use crate::process::{NotStarted, Program};
use crate::prompts;
use crate::streams::{claude, codex};
use crate::watch::{End, Watch};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stepwright_core::gate::{Admission, Reservation};
use stepwright_core::interrupted::Resolved;
use stepwright_core::{Content, ErrorCode, ErrorId, StepError};

/// The number of times that a turn is continued in one attempt after its process has ended.
pub const CONTINUATIONS_MAX: u32 = 2;

/// The messages of a turn, as the facts of a run have them.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Sent {
    /// The number of times that the turn was begun or continued.
    times: u32,
    /// `true` if the agent may have worked on it.
    open: bool,
    /// The attempt of the step that had it last.
    attempt: u32,
    /// `true` if its conversation cannot be continued, so that a person decides.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    lost: bool,
}

impl Conversation<'_> {
    fn sent(&self, nth: u32) -> Sent {
        let sent = self.cx.recorded(&sent_key(nth));
        sent.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default()
    }

    /// Returns the answer of a turn in an attempt of the step.
    fn answer(&self, nth: u32, attempt: u32) -> Option<Value> {
        self.cx.recorded(&turn_key(nth, attempt)).filter(|answer| !answer.is_null())
    }

    /// Makes the answers of this attempt void, so that another one has the turns again.
    pub(crate) async fn forget(&self) -> Result<(), Failure> {
        for nth in 1..=2 {
            if self.answer(nth, self.cx.attempt()).is_some() {
                let key = turn_key(nth, self.cx.attempt());
                self.record(recorded(&key, Value::Null)).await?;
            }
            self.close(nth).await?;
        }
        Ok(())
    }

    /// Has a turn, and returns its answer. A turn that has ended is not had again.
    pub(crate) async fn turn(&mut self, nth: u32, prompt: &str) -> Result<String, Failure> {
        if let Some(done) = self.answer(nth, self.cx.attempt()) {
            return Ok(Content::from(done).text().into_owned());
        }
        let mut goes_on: Option<Reservation> = None;
        let mut continued = 0;
        loop {
            let end = if let Some(live) = unpark(&self.cx.idempotency_key()) {
                Watch::again(self, live).until_the_end().await?
            } else {
                let held = goes_on.take();
                match self.begun(nth, prompt, held, continued > 0).await? {
                    Begun::Watch(live) => Watch::first(self, live).until_the_end().await?,
                    Begun::Done(text) => return self.done(nth, text).await,
                    Begun::Again => continue,
                }
            };
            match end {
                End::Done { text, live } => {
                    self.live = live;
                    return self.done(nth, text).await;
                }
                End::GoesOn(held) => goes_on = Some(held),
                End::WrappedUp(text) => return self.done(nth, text).await,
                End::Failed { why, had_calls } => {
                    if !had_calls {
                        // It has done nothing, so another attempt begins as this one did.
                        self.close(nth).await?;
                    }
                    return Err(self.failed(&why).into());
                }
                End::SessionUnknown(why) => {
                    if let Some(text) = self.unknown(nth, &why).await? {
                        return self.done(nth, text).await;
                    }
                }
                End::Lost(why) => {
                    let loads = self.session().is_some_and(|session| session.loads);
                    continued += 1;
                    if !loads || continued > CONTINUATIONS_MAX {
                        return Err(self.lost(&why).into());
                    }
                    let name = self.kind().name();
                    self.cx.note(format!("`{name}` is started again: {why}"));
                }
            }
        }
    }

    async fn done(&mut self, nth: u32, text: String) -> Result<String, Failure> {
        let key = turn_key(nth, self.cx.attempt());
        self.record(recorded(&key, json!(text))).await?;
        Ok(text)
    }

    /// Notes that a turn was not begun.
    async fn close(&self, nth: u32) -> Result<(), Failure> {
        let sent = Sent { open: false, lost: false, ..self.sent(nth) };
        self.record(recorded(&sent_key(nth), json!(sent))).await
    }

    fn failed(&self, why: &str) -> StepError {
        let name = self.kind().name();
        let error = StepError::new(format!("`{name}` failed: {why}")).with_code(ErrorCode::Model);
        error.with_id(ErrorId::HARNESS_FAILED)
    }

    fn lost(&self, why: &str) -> StepError {
        let name = self.kind().name();
        let error = StepError::new(format!("`{name}` was lost: {why}"));
        let error = error.with_code(ErrorCode::OutcomeUnknown).with_id(ErrorId::HARNESS_LOST);
        error.with_hint("give the step retries: they continue the conversation")
    }

    /// Decides about a turn whose outcome is unknown and whose conversation cannot be continued.
    /// Returns its answer if a person has said that it was done, and `None` if it begins again.
    async fn unknown(&self, nth: u32, why: &str) -> Result<Option<String>, Failure> {
        let (policy, sent) = (self.harness.settings.on_interrupted, self.sent(nth));
        if !sent.lost {
            // The question waits, and the conversation is not looked for again.
            self.record(recorded(&sent_key(nth), json!(Sent { lost: true, ..sent }))).await?;
        }
        let times = sent.times;
        let name = self.kind().name();
        tracing::warn!(target: "stepwright", agent = name, "a turn was lost: {why}");
        let key = format!("turn {nth} of {name}");
        match self.cx.resolve_interrupted(policy, Some(&key), times.max(1)).await? {
            Resolved::Done(value) => Ok(Some(Content::from(value).text().into_owned())),
            Resolved::Again => {
                self.close(nth).await?;
                Ok(None)
            }
        }
    }

    /// Asks what became of a turn, as its beginning.
    async fn decided(&self, nth: u32, why: &str) -> Result<Begun, Failure> {
        Ok(match self.unknown(nth, why).await? {
            Some(text) => Begun::Done(text),
            None => Begun::Again,
        })
    }

    /// Begins a turn, or continues it.
    async fn begun(
        &mut self,
        nth: u32,
        prompt: &str,
        held: Option<Reservation>,
        was_lost: bool,
    ) -> Result<Begun, Failure> {
        let (sent, own) = (self.sent(nth), self.session());
        let is_stopped = held.is_some();
        // What an earlier attempt has ended is not under way.
        let was_done = sent.times > 0 && self.answer(nth, sent.attempt).is_some();
        let is_open = sent.open && !was_done;
        let own = own.filter(|session| session.loads && !(is_open && sent.lost));
        let session = if is_open {
            if own.is_none() {
                let why = "its process ended, and its conversation cannot be loaded";
                return self.decided(nth, why).await;
            }
            own
        } else if nth > 1 || was_done {
            own
        } else {
            self.earlier.clone()
        };
        let text = match (is_open, is_stopped && !was_lost) {
            (false, _) => self.first_words(nth, prompt, session.is_some()),
            (true, true) => prompts::goes_on(prompt),
            (true, false) => prompts::continued(prompt),
        };
        let held = match held {
            Some(held) => held,
            None => self.admitted(text.len()).await?,
        };
        let mut live = if let Some(live) = self.live.take() {
            live
        } else {
            let mut live = self.started(session.as_ref()).await?;
            match self.greeted(&mut live).await? {
                Greeting::Ready => {}
                Greeting::SessionUnknown(why) if is_open => return self.decided(nth, &why).await,
                Greeting::SessionUnknown(why) => {
                    let error = self.failed(&why);
                    return Err(error.with_id(ErrorId::HARNESS_SESSION_UNKNOWN).into());
                }
                Greeting::Failed(why) => return Err(self.failed(&why).into()),
            }
            live
        };
        live.open.clear();
        self.request(held.tokens()).await?;
        // From here on the agent may have worked on it.
        let (times, attempt) = (sent.times + 1, self.cx.attempt());
        let sent = Sent { times, open: true, attempt, lost: false };
        self.record(recorded(&sent_key(nth), json!(sent))).await?;
        drop(held);
        live.prompt(text);
        Ok(Begun::Watch(live))
    }

    /// Returns the message of a turn that has not begun.
    fn first_words(&self, nth: u32, prompt: &str, continues: bool) -> String {
        match &self.harness.settings.instructions {
            Some(instructions)
                if nth == 1 && !continues && *self.kind() != HarnessKind::ClaudeCode =>
            {
                format!("{instructions}\n\n{prompt}")
            }
            _ => prompt.to_owned(),
        }
    }

    async fn admitted(&self, bytes: usize) -> Result<Reservation, Failure> {
        let demand = self.demand(u64::try_from(bytes).unwrap_or(u64::MAX), None);
        match self.cx.reserve(&demand).await? {
            Admission::Granted(held) | Admission::Last(held) => Ok(held),
            Admission::Spent(error) => Err(error.into()),
        }
    }

    /// Starts the process, if it is permitted.
    async fn started(&self, session: Option<&Session>) -> Result<Live, Failure> {
        let settings = &*self.harness.settings;
        let kind = self.kind();
        let job = Job {
            kind: kind.clone(),
            resume: session.map(|session| session.id.clone()),
            fresh: self.cx.world().session_id().to_string(),
            dir: self.place.dir.clone(),
        };
        let (model, words) = (settings.model.as_deref(), settings.instructions.as_deref());
        let mut env: Vec<(String, String)> = Vec::new();
        let args = match kind {
            HarnessKind::ClaudeCode => claude::args(&job, model, words),
            HarnessKind::Codex => codex::args(&job, model, settings.read_only),
            HarnessKind::OpenCode => {
                env.push(("OPENCODE_CONFIG_CONTENT".into(), opencode_settings(model)));
                vec!["acp".to_owned()]
            }
            HarnessKind::Acp { args, .. } => args.clone(),
        };
        let named = settings.env.iter().map(|it: &Variable| (it.name.clone(), it.value.clone()));
        env.extend(named);
        let shown: Vec<_> = settings.env.iter().map(Variable::shown).collect();
        let effect = effects::start(kind, &self.shown_words(&args), &shown);
        let _begun = self.cx.begin_effect(&effect).await?;
        let program = Program {
            name: settings.program_in(&self.place.base),
            args,
            env,
            pass_env: settings.pass_env.clone(),
            dir: self.place.dir.clone(),
        };
        Live::start(program, job, self.cx).await.map_err(|why| match why {
            NotStarted::Missing => settings.missing().into(),
            NotStarted::Failed(why) => self.failed(&why).into(),
            NotStarted::Refused(error) => error.into(),
            NotStarted::Stopped(error) => Failure::Recorded(error),
        })
    }

    /// Returns the command as rules see it: the same for each start.
    fn shown_words(&self, args: &[String]) -> Vec<String> {
        let program = self.harness.settings.program().to_owned();
        let args: Vec<String> = match self.kind() {
            HarnessKind::ClaudeCode => vec!["-p".into()],
            HarnessKind::Codex => {
                args.iter().take_while(|arg| *arg != "resume" && *arg != "-").cloned().collect()
            }
            _ => args.to_vec(),
        };
        std::iter::once(program).chain(args).collect()
    }

    /// Waits until the agent can be spoken to.
    async fn greeted(&self, live: &mut Live) -> Result<Greeting, Failure> {
        if *self.kind() == HarnessKind::Codex {
            // It names the conversation when it has the message.
            return Ok(Greeting::Ready);
        }
        loop {
            match live.events.recv().await {
                Some(HarnessEvent::Session { id, loads }) => {
                    // One that Claude Code has not begun cannot be loaded, and is named again.
                    self.note_session(id, loads).await?;
                    return Ok(Greeting::Ready);
                }
                Some(HarnessEvent::Refused(Refusal::Session(why))) => {
                    return Ok(Greeting::SessionUnknown(why));
                }
                Some(HarnessEvent::Refused(Refusal::Failed(why)) | HarnessEvent::Lost(why)) => {
                    return Ok(Greeting::Failed(why));
                }
                Some(_) => {}
                None => return Ok(Greeting::Failed("it ended before it had begun".into())),
            }
        }
    }
}

/// The beginning of a turn.
enum Begun {
    Watch(Live),
    /// A person has said what came of it.
    Done(String),
    Again,
}

/// The first event of a process.
enum Greeting {
    Ready,
    SessionUnknown(String),
    Failed(String),
}

fn turn_key(nth: u32, attempt: u32) -> String {
    match attempt {
        1 => format!("harness:turn{nth}"),
        _ => format!("harness:turn{nth}@{attempt}"),
    }
}

fn sent_key(nth: u32) -> String {
    format!("harness:sent{nth}")
}

/// Returns the settings with which opencode asks for permissions; by itself it does not.
fn opencode_settings(model: Option<&str>) -> String {
    let mut settings = json!({
        "permission": {"edit": "ask", "bash": "ask", "webfetch": "ask"},
    });
    if let Some(model) = model {
        settings["model"] = model.into();
    }
    settings.to_string()
}
