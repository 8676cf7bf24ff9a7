//! The definition of a server.

use super::handler::Handler;
use super::http::{self, HttpOptions, MountedMcp};
use super::operate;
use super::shared::{Served, Shared};
use rmcp::model::{RequestStateCodec, Tool};
use rmcp::service::ServiceExt as _;
use rmcp::transport::async_rw::AsyncRwTransport;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use stepwright_agent::Agent;
use stepwright_core::{Error, ErrorKind};
use stepwright_engine::{Runs, Workflow};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The default time for which the state of a call that waits for input can be given back.
const STATE_LIFETIME: Duration = Duration::from_hours(24 * 7);

/// The shortest key that signs the states of calls, in bytes.
const KEY_BYTES_MIN: usize = 32;

/// An MCP server whose tools are workflows and agents.
///
/// A call is a run. Its progress is told while it goes on, a cancelled call cancels it, and a
/// question of the run is put to the person at the client. A client that cannot ask gets the id of
/// the run, which goes on when its question is answered elsewhere. A client that takes tasks gets
/// one, whose id is that of the run.
///
/// ```no_run
/// use stepwright_engine::Workflow;
/// use stepwright_mcp::McpService;
/// use tokio_util::sync::CancellationToken;
/// # async fn digest(text: String) -> String { text }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// let digest = Workflow::builder("Digest").step(digest).build()?;
/// let service = McpService::new().workflow(&digest, None);
/// service.serve_stdio(CancellationToken::new()).await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "a service does nothing until it is served"]
pub struct McpService {
    served: Vec<Served>,
    runs: Option<Runs>,
    operates: bool,
    user: Option<String>,
    session: Option<String>,
    answers: bool,
    answered_by: Option<String>,
    key: Option<Vec<u8>>,
    state_lifetime: Duration,
}

impl Default for McpService {
    fn default() -> Self {
        Self::new()
    }
}

impl McpService {
    /// Creates a server without tools.
    pub fn new() -> Self {
        Self {
            served: Vec::new(),
            runs: None,
            operates: false,
            user: None,
            session: None,
            answers: true,
            answered_by: None,
            key: None,
            state_lifetime: STATE_LIFETIME,
        }
    }

    /// Adds a workflow as a tool. The tool has the id and the description of the workflow.
    ///
    /// `input` is the JSON Schema of its input. Without one, or if it is not the schema of an
    /// object, the tool takes a `message`.
    pub fn workflow(mut self, workflow: &Workflow, input: Option<&Value>) -> Self {
        let about = workflow.description().unwrap_or_else(|| workflow.name()).to_owned();
        let (schema, takes_object) = schema(input);
        let tool = Tool::new(workflow.id().as_str().to_owned(), about, Arc::new(schema));
        let (workflow, metadata) = (workflow.clone(), Map::new());
        self.served.push(Served { tool, workflow, takes_object, metadata });
        self
    }

    /// Sets the metadata of the runs of the workflow or agent that was added last.
    pub fn metadata(mut self, metadata: Map<String, Value>) -> Self {
        if let Some(last) = self.served.last_mut() {
            last.metadata = metadata;
        }
        self
    }

    /// Adds an agent as a tool, which takes a `message`. `about` tells clients what it is good for.
    pub fn agent(mut self, agent: &Agent, about: &str) -> Self {
        let workflow = agent.workflow();
        let (schema, takes_object) = schema(None);
        let tool = Tool::new(workflow.id().as_str().to_owned(), about.to_owned(), Arc::new(schema));
        let (workflow, metadata) = (workflow.clone(), Map::new());
        self.served.push(Served { tool, workflow, takes_object, metadata });
        self
    }

    /// Adds tools that list and show these runs and their events.
    pub fn runs(mut self, runs: Runs) -> Self {
        self.runs = Some(runs);
        self
    }

    /// Adds tools that answer, retry, fork and cancel runs. They need [`McpService::runs`]. The
    /// model of a client can then answer questions that are meant for a person.
    pub fn operate(mut self, operates: bool) -> Self {
        self.operates = operates;
        self
    }

    /// Sets the user that runs belong to.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Sets the session of all runs. By default each run has one of its own.
    pub fn session(mut self, session: impl Into<String>) -> Self {
        self.session = Some(session.into());
        self
    }

    /// Sets whether the person at the client may answer the questions of runs. The default is
    /// `true`. With `false` a client gets the id of a run that waits, as one that cannot ask.
    pub fn answers(mut self, answers: bool) -> Self {
        self.answers = answers;
        self
    }

    /// Sets the name that the journal has for the person who answers at the client.
    pub fn answered_by(mut self, name: impl Into<String>) -> Self {
        self.answered_by = Some(name.into());
        self
    }

    /// Sets the key that signs the states of calls that wait for input: at least 32 bytes that
    /// others cannot guess. Processes with the same key can go on with each other's calls. By
    /// default each process has a key of its own.
    pub fn state_key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sets the time for which the state of a call that waits for input can be given back. Default:
    /// a week. After it the run can still be answered where it is stored.
    pub fn state_lifetime(mut self, lifetime: Duration) -> Self {
        self.state_lifetime = lifetime;
        self
    }

    /// Serves over the standard input and output of this process, until the input ends or `stop`
    /// is cancelled.
    ///
    /// # Errors
    /// Fails if a setting is wrong, or if the client does not speak the protocol.
    pub async fn serve_stdio(self, stop: CancellationToken) -> Result<(), Error> {
        self.serve(tokio::io::stdin(), tokio::io::stdout(), stop).await
    }

    /// Serves one client over a pair of streams. See [`McpService::serve_stdio`].
    ///
    /// # Errors
    /// Fails if a setting is wrong, or if the client does not speak the protocol.
    pub async fn serve<R, W>(self, read: R, write: W, stop: CancellationToken) -> Result<(), Error>
    where
        R: tokio::io::AsyncRead + Send + Unpin + 'static,
        W: tokio::io::AsyncWrite + Send + Unpin + 'static,
    {
        let handler = Handler(Arc::new(self.shared()?));
        let transport = AsyncRwTransport::new_server(read, write);
        let failed = |error: &dyn std::fmt::Display| {
            Error::new(ErrorKind::Run, format!("the MCP client cannot be served: {error}"))
        };
        let running = tokio::select! {
            // Boxed: it is large, and is over once the client has introduced itself.
            running = Box::pin(handler.serve(transport)) => {
                running.map_err(|error| failed(&error))?
            }
            () = stop.cancelled() => return Ok(()),
        };
        let end = running.cancellation_token();
        tokio::select! {
            ended = running.waiting() => drop(ended.map_err(|error| failed(&error))?),
            () = stop.cancelled() => end.cancel(),
        }
        Ok(())
    }

    /// Serves over streamable HTTP at the path `/mcp` of `listener`, until `stop` is cancelled.
    ///
    /// # Errors
    /// Fails if a setting is wrong, or if the address is not one of this machine alone and the
    /// options have no token.
    pub async fn serve_http(
        self,
        listener: TcpListener,
        options: HttpOptions,
        stop: CancellationToken,
    ) -> Result<(), Error> {
        http::serve(Arc::new(self.shared()?), listener, options, stop).await
    }

    /// Returns the service for an HTTP server, until `stop` is cancelled. That server checks the
    /// caller, and the headers `Host` and `Origin`. All clients of the service are one caller:
    /// they reach each other's sessions.
    ///
    /// ```
    /// use http::Request;
    /// use stepwright_engine::Workflow;
    /// use stepwright_mcp::McpService;
    /// use tokio_util::sync::CancellationToken;
    /// # async fn digest(text: String) -> String { text }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// let digest = Workflow::builder("Digest").step(digest).build()?;
    /// let service = McpService::new().workflow(&digest, None);
    /// let mounted = service.mounted(CancellationToken::new())?;
    /// let request = Request::get("/mcp").header("host", "localhost").body("".into()).unwrap();
    /// assert_eq!(mounted.answer(request).await.status(), 406);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Fails if a setting is wrong.
    pub fn mounted(self, stop: CancellationToken) -> Result<MountedMcp, Error> {
        Ok(MountedMcp::new(Arc::new(self.shared()?), stop))
    }

    fn shared(self) -> Result<Shared, Error> {
        let mistake = |text: String| Error::new(ErrorKind::Definition, text);
        let mut tools: Vec<Tool> = self.served.iter().map(|served| served.tool.clone()).collect();
        if self.runs.is_some() {
            tools.extend(operate::tools(self.operates));
        } else if self.operates {
            let error = mistake("`operate` needs the runs of a store".into());
            return Err(error.with_hint("give them with `runs`"));
        }
        for (nth, tool) in tools.iter().enumerate() {
            if tools[..nth].iter().any(|other| other.name == tool.name) {
                let error = mistake(format!("there are two tools `{}`", tool.name));
                return Err(error.with_hint("give the workflow or the agent another name"));
            }
        }
        if tools.is_empty() {
            return Err(mistake("there is nothing to serve".into()).with_hint("name a workflow"));
        }
        if self.state_lifetime.is_zero() {
            return Err(mistake("`state_lifetime` must be greater than zero".into()));
        }
        let key = match self.key.clone() {
            Some(key) if key.len() < KEY_BYTES_MIN => {
                let error = mistake(format!("the key has {} bytes", key.len()));
                return Err(error.with_hint(format!("it has at least {KEY_BYTES_MIN}")));
            }
            Some(key) => key,
            None => {
                let mut key = vec![0; KEY_BYTES_MIN];
                getrandom::fill(&mut key).map_err(|error| {
                    Error::new(ErrorKind::Run, format!("there is no randomness: {error}"))
                })?;
                key
            }
        };
        let codec = RequestStateCodec::try_new(key).map_err(|error| mistake(error.to_string()))?;
        let Self { served, runs, operates, user, session, answers, answered_by, .. } = self;
        let state_lifetime = self.state_lifetime;
        Ok(Shared {
            served,
            tools,
            runs,
            operates,
            user,
            session,
            answers,
            answered_by,
            codec,
            state_lifetime,
        })
    }
}

/// Returns the schema of a tool, and `true` if its arguments are the input.
fn schema(input: Option<&Value>) -> (Map<String, Value>, bool) {
    if let Some(Value::Object(schema)) = input
        && schema.get("type") == Some(&json!("object"))
    {
        return (schema.clone(), true);
    }
    let mut message = match input {
        Some(Value::Object(schema)) => schema.clone(),
        _ => Map::from_iter([("type".to_owned(), json!("string"))]),
    };
    message.entry("description").or_insert_with(|| json!("The task or the question."));
    let schema = json!({
        "type": "object",
        "properties": {"message": message},
        "required": ["message"],
    });
    match schema {
        Value::Object(schema) => (schema, false),
        _ => (Map::new(), false),
    }
}
