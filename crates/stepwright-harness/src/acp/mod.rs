//! Agents that speak the Agent Client Protocol.

mod updates;

use self::updates::Updates;
use crate::event::{Decision, HarnessEvent, Refusal};
use crate::job::{Job, Talk};
use crate::lines::JsonLines;
use crate::process::Pipes;
use agent_client_protocol::schema::ProtocolVersion;
use agent_client_protocol::v1::ConnectionTo;
use agent_client_protocol::v1::schema::{
    ContentBlock, Implementation, InitializeRequest, LoadSessionRequest, NewSessionRequest,
    PermissionOption, PermissionOptionKind, PromptRequest, RequestPermissionOutcome,
    RequestPermissionRequest, RequestPermissionResponse, ResumeSessionRequest,
    SelectedPermissionOutcome, SessionNotification, TextContent,
};
use agent_client_protocol::{
    Agent, Client, Error, Lines, UntypedMessage, on_receive_notification, on_receive_request,
};
use futures_util::{sink, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{Semaphore, mpsc, oneshot};

/// The number of messages of an agent that are read and not handled. More of them wait in its pipe.
const MESSAGES_WAITING: usize = 256;

/// The time that an agent has to begin or load a conversation.
pub(crate) const START_TIMEOUT: Duration = Duration::from_mins(2);

/// The code of the error with which an agent says that a person must log in.
const AUTH_REQUIRED: i32 = -32000;

/// The state that the handlers of messages share.
struct Shared {
    events: mpsc::Sender<HarnessEvent>,
    updates: Mutex<Updates>,
    credit: Arc<Semaphore>,
}

impl Shared {
    fn updates(&self) -> MutexGuard<'_, Updates> {
        self.updates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes room for another message of the agent.
    fn handled(&self) {
        self.credit.add_permits(1);
    }

    async fn tell(&self, events: Vec<HarnessEvent>) {
        for event in events {
            // A step that has ended hears nothing more.
            let _ = self.events.send(event).await;
        }
    }

    async fn notified(&self, message: UntypedMessage) {
        self.handled();
        if message.method != "session/update" {
            return;
        }
        let events = match serde_json::from_value::<SessionNotification>(message.params) {
            Ok(notification) => self.updates().of(notification.update),
            Err(error) => {
                tracing::debug!(target: "stepwright", "an update is not known: {error}");
                Vec::new()
            }
        };
        self.tell(events).await;
    }

    /// Puts a request of the agent to the step. Returns the answer, when it is there.
    async fn requested(&self, message: UntypedMessage) -> Result<Pending, Error> {
        self.handled();
        if message.method != "session/request_permission" {
            return Err(Error::method_not_found());
        }
        let request: RequestPermissionRequest =
            serde_json::from_value(message.params).map_err(|_| Error::invalid_params())?;
        let (events, question) = self.updates().asked(request.tool_call);
        self.tell(events).await;
        let (reply, decision) = oneshot::channel();
        self.tell(vec![HarnessEvent::Asks { question, reply }]).await;
        Ok(Pending { decision, options: request.options })
    }
}

/// A question whose answer is not there.
struct Pending {
    decision: oneshot::Receiver<Decision>,
    options: Vec<PermissionOption>,
}

impl Pending {
    async fn outcome(self) -> RequestPermissionResponse {
        use PermissionOptionKind as K;
        let wanted = match self.decision.await {
            // The narrower ones first: what holds for longer is remembered here.
            Ok(Decision::Allow) => [K::AllowOnce, K::AllowAlways],
            Ok(Decision::Refuse(_)) => [K::RejectOnce, K::RejectAlways],
            Err(_) => return RequestPermissionResponse::new(RequestPermissionOutcome::Cancelled),
        };
        let chosen = wanted.iter().find_map(|kind| {
            let option = self.options.iter().find(|option| option.kind == *kind);
            option.map(|option| option.option_id.clone())
        });
        RequestPermissionResponse::new(match chosen {
            Some(id) => RequestPermissionOutcome::Selected(SelectedPermissionOutcome::new(id)),
            None => RequestPermissionOutcome::Cancelled,
        })
    }
}

/// The head of a message: a response has no method.
#[derive(Deserialize)]
struct Head {
    method: Option<String>,
}

/// Speaks with an agent until no more is wanted of it.
pub(crate) async fn speak(job: Job, pipes: Pipes, talk: &mut Talk) -> Result<(), String> {
    let Pipes { stdin, stdout } = pipes;
    let credit = Arc::new(Semaphore::new(MESSAGES_WAITING));
    let shared = Arc::new(Shared {
        events: talk.events.clone(),
        updates: Mutex::default(),
        credit: credit.clone(),
    });
    let outgoing = sink::unfold(stdin, |mut stdin, line: String| async move {
        stdin.write_all(format!("{line}\n").as_bytes()).await?;
        stdin.flush().await?;
        Ok::<_, io::Error>(stdin)
    });
    let (lines, broken) = (JsonLines::new(stdout), Arc::new(Mutex::new(None::<String>)));
    let breaks = broken.clone();
    let incoming = stream::unfold((lines, credit, breaks), |(mut lines, credit, breaks)| async {
        loop {
            let line = match lines.next().await {
                Ok(line) => line?,
                Err(error) => {
                    let why = error.to_string();
                    *breaks.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
                    return None;
                }
            };
            // What is no message at all would be answered, and agents do not expect that.
            let Ok(head) = serde_json::from_str::<Head>(&line) else { continue };
            if head.method.is_some() {
                credit.acquire().await.ok()?.forget();
            }
            return Some((Ok(line), (lines, credit, breaks)));
        }
    });
    let (hears, answers) = (shared.clone(), shared.clone());
    let spoken = Client
        .v1()
        .name("stepwright")
        .on_receive_notification(
            async move |message: UntypedMessage, _| {
                hears.notified(message).await;
                Ok(())
            },
            on_receive_notification!(),
        )
        .on_receive_request(
            async move |message: UntypedMessage, responder, _| {
                match answers.requested(message).await {
                    Ok(pending) => {
                        // While it waits, other messages are read.
                        tokio::spawn(async move {
                            let outcome = json!(pending.outcome().await);
                            let _ = responder.respond(outcome);
                        });
                        Ok(())
                    }
                    Err(error) => responder.respond_with_error(error),
                }
            },
            on_receive_request!(),
        )
        .connect_with(
            Lines::new(outgoing, incoming),
            async |cx: ConnectionTo<Agent>| -> Result<Result<(), String>, Error> {
                Ok(Box::pin(converse(&cx, &job, talk, &shared)).await)
            },
        )
        .await;
    let broken = broken.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (spoken, broken) {
        (Ok(Ok(())), _) => Ok(()),
        (_, Some(why)) => Err(why),
        (Ok(Err(why)), None) => Err(why),
        (Err(error), None) => Err(told(&error)),
    }
}

fn told(error: &Error) -> String {
    let detail = match &error.data {
        Some(Value::String(text)) => format!(": {text}"),
        Some(Value::Object(members)) => {
            let detail = members.get("details").or_else(|| members.get("message"));
            detail.and_then(Value::as_str).map(|text| format!(": {text}")).unwrap_or_default()
        }
        _ => String::new(),
    };
    format!("{}{detail}", error.message)
}

/// Makes the connection, and has the turns that the step wants.
async fn converse(
    cx: &ConnectionTo<Agent>,
    job: &Job,
    talk: &mut Talk,
    shared: &Arc<Shared>,
) -> Result<(), String> {
    let closed = "it ended before it had begun".to_owned();
    let begun = tokio::select! {
        begun = tokio::time::timeout(START_TIMEOUT, begin(cx, job, shared)) => {
            let late = || Refusal::Failed(format!("it did not begin within {START_TIMEOUT:?}"));
            begun.unwrap_or_else(|_| Err(late()))
        }
        () = cx.incoming_closed() => return Err(closed),
    };
    let (session, loads) = match begun {
        Ok(begun) => begun,
        Err(_) if cx.is_incoming_closed() => return Err(closed),
        Err(refusal) => {
            let _ = talk.events.send(HarnessEvent::Refused(refusal)).await;
            return Ok(());
        }
    };
    let known = HarnessEvent::Session { id: session.clone(), loads };
    if talk.events.send(known).await.is_err() {
        return Ok(());
    }
    loop {
        let prompt = tokio::select! {
            prompt = talk.prompts.recv() => prompt,
            () = cx.incoming_closed() => return Err("it ended between two turns".to_owned()),
        };
        let Some(prompt) = prompt else { return Ok(()) };
        shared.updates().begin();
        let text = ContentBlock::Text(TextContent::new(prompt));
        let request = PromptRequest::new(session.clone(), vec![text]);
        let request = UntypedMessage::new("session/prompt", request).map_err(|e| told(&e))?;
        let (ends, ended) = oneshot::channel();
        let turn = shared.clone();
        // Messages that came ahead of the answer are handled ahead of it.
        let sent = cx.send_request(request).on_receiving_result(async move |result| {
            let end = match result {
                Ok(answer) => Some(turn.updates().end(&answer)),
                Err(error) if agent_client_protocol::is_incoming_transport_closed(&error) => None,
                Err(error) => Some(turn.updates().failed(&told(&error))),
            };
            let is_over = end.is_some();
            if let Some(end) = end {
                turn.tell(vec![HarnessEvent::Ended(Box::new(end))]).await;
            }
            let _ = ends.send(is_over);
            Ok(())
        });
        sent.map_err(|error| told(&error))?;
        if !ended.await.unwrap_or(false) {
            return Err("it ended in the middle of its turn".to_owned());
        }
    }
}

/// Begins or continues the conversation. Returns its id, and `true` if it can be loaded later.
async fn begin(
    cx: &ConnectionTo<Agent>,
    job: &Job,
    shared: &Shared,
) -> Result<(String, bool), Refusal> {
    let failed = |what: &str, error: &Error| {
        let why = told(error);
        Refusal::Failed(if i32::from(error.code) == AUTH_REQUIRED {
            format!("it wants a person to log in: {why}")
        } else {
            format!("{what}: {why}")
        })
    };
    let client = Implementation::new("stepwright", env!("CARGO_PKG_VERSION"));
    let hello = InitializeRequest::new(ProtocolVersion::V1).client_info(client);
    let hello = cx.send_request(hello).block_task().await;
    let hello = hello.map_err(|error| failed("it cannot be initialized", &error))?;
    let able = &hello.agent_capabilities;
    let resumes = able.session_capabilities.resume.is_some();
    let loads = able.load_session || resumes;
    let Some(id) = &job.resume else {
        let request = NewSessionRequest::new(job.dir.clone());
        let made = cx.send_request(request).block_task().await;
        let made = made.map_err(|error| failed("it begins no conversation", &error))?;
        return Ok((made.session_id.0.to_string(), loads));
    };
    if !loads {
        let why = "the agent cannot load an earlier conversation".to_owned();
        return Err(Refusal::Session(why));
    }
    let (id, dir) = (id.clone(), job.dir.clone());
    let loaded = if resumes {
        let request = ResumeSessionRequest::new(id.clone(), dir);
        cx.send_request(request).block_task().await.map(drop)
    } else {
        // It tells the whole conversation again, which is known.
        shared.updates().is_replay = true;
        let loaded = cx.send_request(LoadSessionRequest::new(id.clone(), dir)).block_task().await;
        loaded.map(drop)
    };
    match loaded {
        Ok(()) => Ok((id, true)),
        Err(error) if cx.is_incoming_closed() => Err(failed("it ended", &error)),
        Err(error) => Err(Refusal::Session(format!(
            "the agent does not load the conversation `{id}`: {}",
            told(&error)
        ))),
    }
}
