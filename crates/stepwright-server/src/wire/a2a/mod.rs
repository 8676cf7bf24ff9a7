//! A2A over JSON-RPC: any workflow, agent or team as an agent for others. A task is a run.

mod answers;
mod card;
mod fault;
mod shapes;
mod stream;

use self::fault::Fault;
use self::shapes::{Said, Version, said};
use crate::auth::{Answer, Caller, Read, Start, Who};
use crate::body::JsonBody;
use crate::error::Problem;
use crate::limits::GRACE;
use crate::state::{App, Served};
use crate::wire::media::with_media;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::StreamExt as _;
use http::StatusCode;
use serde_json::{Value, json};
use stepwright_core::{Content, ErrorKind, RunId, RunOutput, RunStatus};
use stepwright_engine::Runs;

/// Returns the routes.
pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/.well-known/agent-card.json", get(card::first))
        .route("/a2a/{id}/.well-known/agent-card.json", get(card::named))
        .route("/a2a/{id}", post(call))
}

/// A request of a caller to what is served.
struct Call<'a> {
    app: &'a App,
    who: &'a Who,
    served: &'a Served,
    runs: Runs,
    version: Version,
    /// The id of the request.
    id: Value,
}

/// The run of a task, and the first fact that its client has not seen.
struct Begun {
    run: RunId,
    from: u64,
}

async fn call(
    Caller(who, _): Caller<Read>,
    State(app): State<App>,
    Path(id): Path<String>,
    body: Result<JsonBody<Value>, Problem>,
) -> Result<Response, Problem> {
    let missing = || Problem::not_found(format!("there is no workflow, agent or team `{id}`"));
    let served = app.of_id(&id).ok_or_else(missing)?;
    let request = match body {
        Ok(JsonBody(request)) => request,
        // A page of others could send it without being asked.
        Err(problem) if problem.status == StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            return Err(problem);
        }
        Err(problem) => return Ok(failed(&Value::Null, &Fault::new(-32700, problem.detail))),
    };
    let id = request["id"].clone();
    let Some(method) = request["method"].as_str().filter(|_| request["jsonrpc"] == "2.0") else {
        return Ok(failed(&id, &Fault::request("the body is no request of JSON-RPC 2.0")));
    };
    let version = if method.contains('/') { Version::V03 } else { Version::V1 };
    check(&who, served, method, &request["params"])?;
    let runs = app.seen_by(&who)?;
    let call = Call { app: &app, who: &who, served, runs, version, id };
    let answered = call.answer(method, &request["params"]).await;
    Ok(answered.unwrap_or_else(|fault| failed(&call.id, &fault)))
}

/// Checks that the caller may call a method.
fn check(who: &Who, served: &Served, method: &str, params: &Value) -> Result<(), Problem> {
    let workflow = served.workflow.id().as_str();
    match method {
        "SendMessage" | "SendStreamingMessage" | "message/send" | "message/stream" => {
            if task_of(&params["message"]).is_some() {
                who.check::<Answer>(workflow)
            } else {
                who.check::<Start>(workflow)
            }
        }
        "CancelTask" | "tasks/cancel" => who.check::<Start>(workflow),
        _ => Ok(()),
    }
}

/// Returns the task that a message goes on with.
fn task_of(message: &Value) -> Option<&str> {
    message["taskId"].as_str().filter(|id| !id.is_empty())
}

fn failed(id: &Value, fault: &Fault) -> Response {
    Json(json!({"jsonrpc": "2.0", "id": id, "error": fault.view()})).into_response()
}

impl Call<'_> {
    async fn answer(&self, method: &str, params: &Value) -> Result<Response, Fault> {
        match method {
            "SendMessage" | "message/send" => self.send(params).await,
            "SendStreamingMessage" | "message/stream" => {
                let begun = self.begin(params).await?;
                self.stream(begun).await
            }
            "GetTask" | "tasks/get" => {
                let output = self.task(params).await?;
                self.shown(&output).await
            }
            "CancelTask" | "tasks/cancel" => self.cancel(params).await,
            "SubscribeToTask" | "tasks/resubscribe" => {
                let output = self.task(params).await?;
                if output.is_terminal() {
                    return Err(Fault::unsupported("the task has ended"));
                }
                let from = self.next_fact(&output.run_id).await?;
                self.stream(Begun { run: output.run_id, from }).await
            }
            _ if method.contains("ushNotification") => Err(Fault::no_push()),
            "GetExtendedAgentCard" | "agent/getAuthenticatedExtendedCard" => {
                Err(Fault::new(-32007, "there is no extended card"))
            }
            _ => Err(Fault::method(method)),
        }
    }

    fn result(&self, result: &Value) -> Response {
        Json(json!({"jsonrpc": "2.0", "id": self.id, "result": result})).into_response()
    }

    /// Returns the task that the parameters name, which is a run of what is served.
    async fn task(&self, params: &Value) -> Result<RunOutput, Fault> {
        let id = params["id"].as_str().ok_or_else(|| Fault::params("`id` is missing"))?;
        self.run(id).await
    }

    async fn run(&self, id: &str) -> Result<RunOutput, Fault> {
        let run = RunId::new(id).map_err(|_| Fault::no_task(id))?;
        match self.runs.get(&run).await {
            Ok(output) if output.workflow_id == *self.served.workflow.id() => Ok(output),
            Ok(_) => Err(Fault::no_task(id)),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Fault::no_task(id)),
            Err(error) => Err(error.into()),
        }
    }

    async fn shown(&self, output: &RunOutput) -> Result<Response, Fault> {
        let at = self.runs.row(&output.run_id).await?.updated_at.to_rfc3339();
        Ok(self.result(&self.version.task(output, &at)))
    }

    async fn send(&self, params: &Value) -> Result<Response, Fault> {
        let Begun { run, from } = self.begin(params).await?;
        let settings = &params["configuration"];
        let waits = settings["returnImmediately"] != true && settings["blocking"] != false;
        if waits {
            let mut events = self.served.workflow.events(&run, from).await?;
            while let Some(event) = events.next().await {
                if stream::is_over(&event?, &self.runs).await {
                    break;
                }
            }
        }
        let output = self.runs.get(&run).await?;
        let at = self.runs.row(&run).await?.updated_at.to_rfc3339();
        Ok(self.result(&self.version.sent(self.version.task(&output, &at))))
    }

    async fn stream(&self, Begun { run, from }: Begun) -> Result<Response, Fault> {
        let output = self.runs.get(&run).await?;
        let at = self.runs.row(&run).await?.updated_at.to_rfc3339();
        let task = self.version.task(&output, &at);
        let last = self.served.workflow.plan().body.last();
        let sender = stream::Sender {
            runs: self.runs.clone(),
            version: self.version,
            id: self.id.clone(),
            last: last.map_or_else(|| "".into(), |node| node.name.clone()),
            session: output.session_id,
            told: false,
            over: false,
        };
        let events = self.served.workflow.events(&run, from).await?;
        Ok(stream::answer(self.app, sender, &task, events)?)
    }

    /// Begins a run, or goes on with one. It does not end when its client leaves.
    async fn begin(&self, params: &Value) -> Result<Begun, Fault> {
        let message = &params["message"];
        let said = said(message)?;
        match task_of(message) {
            Some(task) => self.go_on(task, said).await,
            None => self.start(message["contextId"].as_str(), said).await,
        }
    }

    async fn start(&self, context: Option<&str>, said: Said) -> Result<Begun, Fault> {
        let content = match said.data {
            Some(data) if said.text.is_empty() => Content::from(data),
            Some(_) => return Err(Fault::params("a message has text or data, and not both")),
            None => self.served.content(said.text).map_err(|error| {
                Fault::params(format!("the text is not the JSON of the input: {error}"))
            })?,
        };
        let mut run = self.served.run(self.who, None, content)?;
        if let Some(context) = context.filter(|context| !context.is_empty()) {
            run = run.session_id(self.who.below(context));
        }
        let handle = with_media(run, said.media).background().await?;
        Ok(Begun { run: handle.run_id().clone(), from: 0 })
    }

    async fn go_on(&self, task: &str, said: Said) -> Result<Begun, Fault> {
        let output = self.run(task).await?;
        if output.status != RunStatus::Paused {
            return Err(Fault::unsupported(format!("the task `{task}` waits for no answer")));
        }
        let answers = answers::answers(&output.requirements, &said)?;
        let from = self.next_fact(&output.run_id).await?;
        let mut resumed = self.served.workflow.continue_run(&output.run_id, answers);
        if let Some(name) = self.who.signs() {
            resumed = resumed.answered_by(name);
        }
        resumed.background().await?;
        Ok(Begun { run: output.run_id, from })
    }

    /// Returns the number of the next fact of a run.
    async fn next_fact(&self, run: &RunId) -> Result<u64, Fault> {
        let (mut facts, mut next) = (self.runs.recorded(run, 0).await?, 0);
        while let Some(fact) = facts.next().await {
            next = fact?.sequence + 1;
        }
        Ok(next)
    }

    async fn cancel(&self, params: &Value) -> Result<Response, Fault> {
        let output = self.task(params).await?;
        if output.is_terminal() {
            return Err(Fault::not_cancelable(output.run_id.as_str()));
        }
        let handle = self.served.workflow.handle(&output.run_id).await?;
        self.served.workflow.cancel_run(&output.run_id).await?;
        // Its error is that it was cancelled.
        let _ = tokio::time::timeout(GRACE, handle.wait()).await;
        self.shown(&self.runs.get(&output.run_id).await?).await
    }
}
