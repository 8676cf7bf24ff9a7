//! The WebSocket of `AgentOS`: runs that are started, continued and followed by one connection.

use super::convert;
use super::fault::Fault;
use super::form::Form;
use super::requirements;
use super::runs::{self, Options};
use crate::auth::{self, Answer, Read, Right, Start, Who};
use crate::error::Problem;
use crate::limits::{AUTH_TIMEOUT, BODY_BYTES_MAX, SOCKET_RUNS_MAX};
use crate::state::{App, Served, ServedKind};
use axum::Extension;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use futures_util::stream::{BoxStream, StreamExt as _};
use http::{HeaderMap, HeaderValue, header};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::pin::pin;
use stepwright_core::json::JsonError;
use stepwright_core::{Error, Event, RunId};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::{AbortHandle, JoinSet};

/// The frames that wait for a slow client. Runs do not wait for it: events come from the journal.
const WAITING: usize = 64;

type Command = Map<String, Value>;

type EventStream = BoxStream<'static, Result<Event, Error>>;

/// A connection.
struct Session {
    app: App,
    /// The headers of the request that opened it. The token is that of the last `authenticate`.
    headers: HeaderMap,
    who: Who,
    /// The place among the open streams, from the first caller with a key on.
    slot: Option<OwnedSemaphorePermit>,
    frames: mpsc::Sender<String>,
    /// The runs that are followed.
    tails: HashMap<String, AbortHandle>,
    tasks: JoinSet<()>,
}

/// The form of events: flat JSON, or the text of a server-sent event.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    Flat,
    Sse,
}

/// The events of a run that a client gets.
struct Tail {
    /// The frame before them.
    head: Option<String>,
    /// The first fact.
    from: u64,
    /// The index of the last event that the client has.
    after: Option<u64>,
    framing: Framing,
    /// `true` for a run that goes on.
    is_live: bool,
}

impl Tail {
    /// The events of a run that begins or goes on.
    fn of_new_run(from: u64) -> Self {
        Self { head: None, from, after: None, framing: Framing::Sse, is_live: true }
    }
}

/// `GET /workflows/ws`.
pub(super) async fn connect(
    State(app): State<App>,
    Extension(who): Extension<Who>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Problem> {
    // A caller without a key must not take the place of others.
    let slot = (!who.is_refused()).then(|| app.stream_slot()).transpose()?;
    let upgrade = upgrade.max_message_size(BODY_BYTES_MAX).max_frame_size(BODY_BYTES_MAX);
    let (frames, waiting) = mpsc::channel(WAITING);
    let (tails, tasks) = <_>::default();
    let session = Session { app, headers, who, slot, frames, tails, tasks };
    Ok(upgrade.on_upgrade(move |socket| serve(session, waiting, socket)))
}

async fn serve(mut session: Session, mut waiting: mpsc::Receiver<String>, mut socket: WebSocket) {
    let stop = session.app.streams.clone();
    let needs_auth = session.who.is_refused();
    let mut message = "Connected to AgentOS.".to_owned();
    if needs_auth {
        message.push_str(" Please authenticate to continue.");
    }
    let hello = json!({"event": "connected", "message": message, "requires_auth": needs_auth});
    if socket.send(text(&hello)).await.is_err() {
        return;
    }
    let mut too_late = pin!(tokio::time::sleep(AUTH_TIMEOUT));
    loop {
        let answer = tokio::select! {
            () = stop.cancelled() => break,
            () = too_late.as_mut(), if session.slot.is_none() => break,
            Some(frame) = waiting.recv() => Some(Message::Text(frame.into())),
            received = socket.recv() => match received {
                Some(Ok(Message::Text(command))) => {
                    session.answer(&command).await.map(|answer| text(&answer))
                }
                Some(Ok(Message::Binary(_))) => Some(text(&error("Commands are JSON texts"))),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => None,
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
            },
        };
        if let Some(answer) = answer
            && socket.send(answer).await.is_err()
        {
            return;
        }
    }
    // The runs go on: only their readers end.
    session.tasks.abort_all();
    let _ = socket.send(Message::Close(None)).await;
}

fn text(frame: &Value) -> Message {
    Message::Text(frame.to_string().into())
}

fn error(what: impl Into<Value>) -> Value {
    json!({"event": "error", "error": what.into()})
}

/// Returns a member that is a text and not empty.
fn member<'c>(command: &'c Command, name: &str) -> Option<&'c str> {
    command.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

impl Session {
    /// Carries out a command. Returns the frame that answers it at once.
    async fn answer(&mut self, command: &str) -> Option<Value> {
        let command = match stepwright_core::json::parse(command) {
            Ok(Value::Object(command)) => command,
            Err(twice @ JsonError::Twice { .. }) => {
                return Some(error(format!("The command cannot be used: {twice}")));
            }
            _ => return Some(error("Commands are JSON objects")),
        };
        let action = member(&command, "action").unwrap_or("None");
        let done = match action {
            "ping" => return Some(json!({"event": "pong"})),
            "authenticate" => return Some(self.authenticate(&command).await),
            _ if self.is_refused().await => {
                let what = "Authentication required. Send authenticate action with valid bearer \
                            token.";
                return Some(json!({"event": "auth_required", "error": what}));
            }
            "start-workflow" => self.start(&command).await,
            "continue-workflow" => self.go_on(&command).await,
            "reconnect" => self.reconnect(&command).await,
            other => return Some(error(format!("Unknown action: {other}"))),
        };
        done.err().map(|fault| error(fault.detail()))
    }

    async fn authenticate(&mut self, command: &Command) -> Value {
        let refused = |what: &str| json!({"event": "auth_error", "error": what});
        let Some(token) = member(command, "token") else { return refused("Token is required") };
        let Ok(bearer) = HeaderValue::from_str(&format!("Bearer {}", token.trim())) else {
            return refused("Invalid token");
        };
        let before = self.headers.insert(header::AUTHORIZATION, bearer);
        if self.is_refused().await {
            self.restore(before);
            return refused("Invalid token");
        }
        if self.slot.is_none() {
            match self.app.stream_slot() {
                Ok(slot) => self.slot = Some(slot),
                Err(problem) => {
                    self.restore(before);
                    return refused(&problem.detail);
                }
            }
        }
        let message = "Authentication successful. You can now send commands.";
        json!({"event": "authenticated", "message": message})
    }

    /// Looks at the key again, which may have been revoked since.
    async fn is_refused(&mut self) -> bool {
        self.who = auth::who(&self.app.auth, &self.headers).await;
        self.who.is_refused()
    }

    /// Takes back a token that was refused.
    fn restore(&mut self, before: Option<HeaderValue>) {
        match before {
            Some(before) => self.headers.insert(header::AUTHORIZATION, before),
            None => self.headers.remove(header::AUTHORIZATION),
        };
    }

    /// Checks that one more run can be followed.
    fn check_room(&mut self, run: Option<&str>) -> Result<(), Fault> {
        while self.tasks.try_join_next().is_some() {}
        self.tails.retain(|_, tail| !tail.is_finished());
        let is_followed = run.is_some_and(|run| self.tails.contains_key(run));
        if self.tails.len() < SOCKET_RUNS_MAX || is_followed {
            return Ok(());
        }
        let what = format!("too many runs are followed; the limit is {SOCKET_RUNS_MAX}");
        Err(Fault::bad(what))
    }

    fn check<R: Right>(&self, what: &str, served: &Served) -> Result<(), Fault> {
        if self.who.may::<R>(served.workflow.id().as_str()) {
            return Ok(());
        }
        Err(Fault::bad(format!("Insufficient permissions to {what} this workflow")))
    }

    fn workflow(&self, command: &Command) -> Result<Served, Fault> {
        let id =
            member(command, "workflow_id").ok_or_else(|| Fault::bad("workflow_id is required"))?;
        let found = ServedKind::Workflow.find(&self.app, id);
        found.cloned().map_err(|_| Fault::bad(format!("Workflow {id} not found")))
    }

    async fn start(&mut self, command: &Command) -> Result<(), Fault> {
        let served = self.workflow(command)?;
        self.check::<Start>("run", &served)?;
        let form = Form::of_json(command.clone());
        runs::check_session(&self.app, &self.who, &form).await?;
        let message = form.get("message").unwrap_or_default();
        let run = runs::prepared(&self.who, &served, &form, message)?;
        self.check_room(None)?;
        let (handle, events) = run.followed().await?;
        self.show(&served, handle.run_id(), events.boxed(), Tail::of_new_run(0))
    }

    async fn go_on(&mut self, command: &Command) -> Result<(), Fault> {
        let served = self.workflow(command)?;
        self.check::<Answer>("continue", &served)?;
        let run = member(command, "run_id").ok_or_else(|| Fault::bad("run_id is required"))?;
        let missing = |_| Fault::bad(format!("Run {run} not found"));
        let output = runs::found(&self.app, &self.who, &served, run).await.map_err(missing)?;
        if !convert::waits(&output) {
            let status = convert::status(&output).as_str();
            return Err(Fault::bad(format!("Run is not paused (status={status})")));
        }
        self.check_room(Some(output.run_id.as_str()))?;
        let given = command.get("step_requirements").cloned().unwrap_or_else(|| json!([]));
        let answers = requirements::answers(&given.to_string(), &output)?;
        let from = self.next_fact(&output.run_id).await?;
        let mut resumed = served.workflow.continue_run(&output.run_id, answers);
        if let Some(name) = self.who.signs().or_else(|| member(command, "user_id")) {
            resumed = resumed.answered_by(name);
        }
        resumed.background().await?;
        let tail = Tail::of_new_run(from);
        self.follow(served, output.run_id, tail).await
    }

    /// Returns the sequence number of the next fact of a run.
    async fn next_fact(&self, run: &RunId) -> Result<u64, Fault> {
        let mut facts = self.app.seen_by(&self.who)?.recorded(run, 0).await?;
        let mut next = 0;
        while let Some(fact) = facts.next().await {
            next = fact?.sequence + 1;
        }
        Ok(next)
    }

    async fn reconnect(&mut self, command: &Command) -> Result<(), Fault> {
        let run = member(command, "run_id");
        let run = run.ok_or_else(|| Fault::bad("run_id is required for subscription"))?;
        let missing = || Fault::bad(format!("Run {run} not found in buffer or database"));
        let found = self.app.find(&self.who, run).await.map_err(|_| missing())?;
        let served = found.served.cloned().ok_or_else(missing)?;
        self.check::<Read>("reconnect to", &served)?;
        let run = found.row.run_id;
        let output = self.app.seen_by(&self.who)?.get(&run).await?;
        let status = convert::status(&output);
        let is_live = !output.is_terminal() && !convert::waits(&output);
        let after = command.get("last_event_index").and_then(Value::as_u64);
        let (event, status, message) = if is_live {
            let message = "Subscribed to workflow run. You will receive new events as they occur.";
            ("subscribed", "running", message.to_owned())
        } else {
            let message = format!("Run {}. Replaying all events.", status.as_str());
            ("replay", status.as_str(), message)
        };
        let head = json!({"event": event, "run_id": run, "status": status, "message": message});
        let head = Some(head.to_string());
        self.check_room(Some(run.as_str()))?;
        // As in AgentOS, a run that has ended is shown from its beginning.
        let after = after.filter(|_| is_live);
        self.follow(served, run, Tail { head, from: 0, after, framing: Framing::Flat, is_live })
            .await
    }

    /// Reads the events of a run, and sends them.
    async fn follow(&mut self, served: Served, run: RunId, tail: Tail) -> Result<(), Fault> {
        let events: EventStream = if tail.is_live {
            served.workflow.events(&run, tail.from).await?.boxed()
        } else {
            self.app.seen_by(&self.who)?.recorded(&run, tail.from).await?.boxed()
        };
        self.show(&served, &run, events, tail)
    }

    /// Sends the events of a run, until it ends or waits for a person.
    fn show(
        &mut self,
        served: &Served,
        run: &RunId,
        events: EventStream,
        Tail { head, after, framing, .. }: Tail,
    ) -> Result<(), Fault> {
        // Another reader of the same run takes the place of the first.
        if let Some(earlier) = self.tails.remove(run.as_str()) {
            earlier.abort();
        }
        let runs = self.app.seen_by(&self.who)?;
        let options = Options { all: true, indexed: true, after };
        let mut shown = runs::frames(served, runs, events, options).boxed();
        let frames = self.frames.clone();
        let tail = self.tasks.spawn(async move {
            if let Some(head) = head
                && frames.send(head).await.is_err()
            {
                return;
            }
            while let Some(some) = shown.next().await {
                for frame in some.split_inclusive("\n\n") {
                    let frame = match framing {
                        Framing::Sse => Some(frame),
                        Framing::Flat => frame.lines().find_map(|line| line.strip_prefix("data: ")),
                    };
                    let Some(frame) = frame else { continue };
                    if frames.send(frame.to_owned()).await.is_err() {
                        return;
                    }
                }
            }
        });
        self.tails.insert(run.to_string(), tail);
        Ok(())
    }
}
