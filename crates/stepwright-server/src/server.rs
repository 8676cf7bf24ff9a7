//! The builder of a server.

use crate::auth::{Auth, Jwt, Keys};
use crate::links::{Base, Links};
use crate::state::{App, McpOptions, MemberOf, Origins, Served, ServedKind, Triggers};
use serde_json::{Map, Value};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use stepwright_core::{AnyStore, Error, ErrorKind, Store};
use stepwright_engine::{Run, Runs, Workflow, real_world};
use stepwright_triggers::{
    Notifications, Notifier, Receiver, Schedule, Scheduler, StoredSchedule, StoredWebhook, Webhook,
};

/// The name of a server that has no other.
const NAME: &str = "AgentOS";

/// Serves workflows and agents over HTTP.
///
/// ```
/// use stepwright_core::Memory;
/// use stepwright_engine::Workflow;
/// use stepwright_server::Server;
/// # async fn greet(name: String) -> String { format!("Hello {name}") }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// let memory = Memory::default();
/// let greeting = Workflow::builder("Greeting").store(memory.clone()).step(greet).build()?;
/// let server = Server::builder().store(memory).workflow(&greeting).build()?;
/// let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
/// let stop = tokio_util::sync::CancellationToken::new();
/// # stop.cancel();
/// server.serve(listener, stop).await
/// # }
/// ```
#[must_use = "a server does nothing until it serves"]
pub struct Server {
    pub(crate) app: App,
    pub(crate) hosts: Vec<String>,
    pub(crate) is_open_elsewhere: bool,
    pub(crate) drives: bool,
}

/// The settings of a [`Server`].
#[must_use]
pub struct ServerBuilder {
    name: String,
    runs: Option<Runs>,
    served: Vec<Served>,
    hosts: Vec<String>,
    origins: Vec<String>,
    keys: Option<(PathBuf, bool)>,
    mcp: McpOptions,
    jwt: Option<Jwt>,
    insecure: bool,
    drives: bool,
    public_url: Option<String>,
}

impl Server {
    /// Creates a builder of a server without workflows.
    pub fn builder() -> ServerBuilder {
        ServerBuilder {
            name: NAME.to_owned(),
            runs: None,
            served: Vec::new(),
            hosts: Vec::new(),
            origins: Vec::new(),
            keys: None,
            mcp: McpOptions::default(),
            jwt: None,
            insecure: false,
            drives: true,
            public_url: None,
        }
    }

    /// Stores the schedules of its workflows, and returns them. The server begins their runs when
    /// it serves.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn schedules(&self) -> Result<Vec<StoredSchedule>, Error> {
        if self.app.scheduler.is_empty() {
            return Ok(Vec::new());
        }
        self.app.scheduler.register().await
    }

    /// Stores the webhooks of its workflows, and returns them. A webhook that is new has its token
    /// here, and only here.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn webhooks(&self) -> Result<Vec<StoredWebhook>, Error> {
        if self.app.receiver.is_empty() {
            return Ok(Vec::new());
        }
        self.app.receiver.register().await
    }

    /// Reads the keys that verify tokens, so that a mistake in the settings shows before the server
    /// serves. Without it, the first request reads them.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn load_keys(&self) -> Result<(), Error> {
        self.app.auth.load().await
    }

    /// Returns the `OpenAPI` document of everything at `/v1`.
    ///
    /// ```
    /// let document = stepwright_server::Server::openapi();
    /// assert_eq!(document["openapi"], "3.1.0");
    /// ```
    pub fn openapi() -> Value {
        crate::openapi::document()
    }
}

impl ServerBuilder {
    /// Sets the name that clients see.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the store with the runs and sessions of the workflows.
    pub fn store(self, store: impl Store) -> Self {
        self.runs(Runs::of(AnyStore::new(store)))
    }

    /// Sets the runs and sessions: those in the store of the workflows.
    pub fn runs(mut self, runs: Runs) -> Self {
        self.runs = Some(runs);
        self
    }

    /// Adds a workflow. It must have the store of this server.
    pub fn workflow(mut self, workflow: &Workflow) -> Self {
        self.served.push(Served {
            workflow: workflow.clone(),
            kind: ServedKind::Workflow,
            input_schema: None,
            metadata: Map::new(),
            model: None,
            mode: None,
            members: Vec::new(),
            schedules: Vec::new(),
            webhooks: Vec::new(),
            notifications: Notifications::default(),
        });
        self
    }

    /// Adds an agent or a team: a workflow whose only step is the agent or the team.
    pub fn agent(self, agent: &Workflow) -> Self {
        let mut server = self.workflow(agent);
        if let Some(last) = server.served.last_mut() {
            last.kind = ServedKind::alone(agent);
        }
        server
    }

    /// Sets the mode that clients see for the team that was added last, such as `coordinate`.
    ///
    /// ```
    /// # use stepwright_core::Memory;
    /// # use stepwright_engine::Workflow;
    /// use stepwright_server::Server;
    /// # async fn answer(text: String) -> String { text }
    /// # let memory = Memory::default();
    /// # let desk = Workflow::builder("desk").store(memory.clone()).step(answer).build()?;
    /// // `desk` is a workflow whose only step is a team.
    /// let server = Server::builder().store(memory).agent(&desk);
    /// let server = server.mode("route").member("scout", Some("Finds sources.")).build()?;
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn mode(mut self, mode: impl Into<String>) -> Self {
        if let Some(last) = self.served.last_mut() {
            last.mode = Some(mode.into());
        }
        self
    }

    /// Adds a member that clients see for the team that was added last. See
    /// [`ServerBuilder::mode`] for an example.
    pub fn member(mut self, name: impl Into<String>, description: Option<&str>) -> Self {
        if let Some(last) = self.served.last_mut() {
            let description = description.map(str::to_owned);
            last.members.push(MemberOf { name: name.into(), description });
        }
        self
    }

    /// Sets the JSON Schema of the input of the workflow that was added last. Clients make forms
    /// of it.
    pub fn input_schema(mut self, schema: Value) -> Self {
        if let Some(last) = self.served.last_mut() {
            last.input_schema = Some(schema);
        }
        self
    }

    /// Sets the metadata of the runs of the workflow or agent that was added last.
    pub fn metadata(mut self, metadata: Map<String, Value>) -> Self {
        if let Some(last) = self.served.last_mut() {
            last.metadata = metadata;
        }
        self
    }

    /// Adds a schedule of the workflow that was added last. The server begins its runs.
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        if let Some(last) = self.served.last_mut() {
            last.schedules.push(schedule);
        }
        self
    }

    /// Adds a webhook of the workflow that was added last. Its requests come to `/v1/hooks/TOKEN`,
    /// with the token of [`Server::webhooks`].
    pub fn webhook(mut self, webhook: Webhook) -> Self {
        if let Some(last) = self.served.last_mut() {
            last.webhooks.push(webhook);
        }
        self
    }

    /// Sets the notifications of the workflow that was added last, which this server sends. The
    /// workflow needs them too: see [`Notifications`].
    pub fn notifications(mut self, notifications: Notifications) -> Self {
        if let Some(last) = self.served.last_mut() {
            last.notifications = notifications;
        }
        self
    }

    /// Sets the address at which people reach the server, such as `https://flows.example.org`: for
    /// links in notifications. By default it is the one at which the server listens.
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.public_url = Some(url.into());
        self
    }

    /// Sets the model that clients see for the agent that was added last, as `provider:model`.
    pub fn model(mut self, model: impl Into<String>) -> Self {
        if let Some(last) = self.served.last_mut() {
            last.model = Some(model.into());
        }
        self
    }

    /// Allows a name in the `Host` header, besides those of this machine.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// Allows requests of pages of this origin, such as `https://app.example.org`.
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// Requires an API key of the keys in this file: see [`ApiKeys`](crate::ApiKeys). Without it,
    /// each request is the owner's.
    pub fn keys(mut self, file: impl Into<PathBuf>) -> Self {
        self.keys = Some((file.into(), true));
        self
    }

    /// Requires an API key of the keys in this file once it has one. Until then each request is the
    /// owner's. A server that has seen a key stays closed, also when the last one is revoked.
    ///
    /// ```
    /// # use stepwright_core::Memory;
    /// # use stepwright_engine::Workflow;
    /// use stepwright_server::Server;
    /// # async fn greet(name: String) -> String { format!("Hello {name}") }
    /// # let memory = Memory::default();
    /// # let greeting = Workflow::builder("Greeting").store(memory.clone()).step(greet).build()?;
    /// let server = Server::builder().store(memory).workflow(&greeting);
    /// let server = server.keys_if_any("/etc/stepwright/keys.json").build()?;
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn keys_if_any(mut self, file: impl Into<PathBuf>) -> Self {
        self.keys = Some((file.into(), false));
        self
    }

    /// Sets the key that signs the states of calls of MCP that wait for input: at least 32 bytes
    /// that others cannot guess. Servers with the same key go on with each other's calls. By
    /// default each process has a key of its own. It has no effect without the feature `mcp`.
    pub fn mcp_key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.mcp.key = Some(key.into());
        self
    }

    /// Makes agents and teams tools of MCP, as workflows are. A call of an agent passes by the
    /// confirmations and reviews of the steps that it has in a workflow.
    pub fn mcp_agents(mut self, agents: bool) -> Self {
        self.mcp.agents = agents;
        self
    }

    /// Accepts the tokens of an identity provider, beside the keys if there are any. The scopes of
    /// a token say what its holder may do, and its subject is the user. Without keys and tokens,
    /// each request is the owner's. [`Jwt`] has an example.
    pub fn jwt(mut self, rules: Jwt) -> Self {
        self.jwt = Some(rules);
        self
    }

    /// Lets other machines reach a server without keys. All who can reach it can then run its
    /// workflows.
    pub fn insecure(mut self, insecure: bool) -> Self {
        self.insecure = insecure;
        self
    }

    /// Sets whether this process drives the background runs that the dispatchers of the workflows
    /// hand to it. The default is `true`. With `false` it only submits runs, and other processes
    /// drive them: see [`Worker`](stepwright_engine::Worker).
    pub fn drives(mut self, drives: bool) -> Self {
        self.drives = drives;
        self
    }

    /// Builds the server.
    ///
    /// # Errors
    /// If there is nothing to serve, or no store, or two workflows have one id, or a workflow has
    /// no store, or an origin, a host or the public address is not valid, or the rules for tokens
    /// cannot be.
    pub fn build(self) -> Result<Server, Error> {
        let mistake =
            |text: String, hint: &str| Err(Error::new(ErrorKind::Definition, text).with_hint(hint));
        if self.served.is_empty() {
            return mistake("there is nothing to serve".to_owned(), "add a workflow");
        }
        let Some(runs) = self.runs else {
            return mistake("the server has no store".to_owned(), "give it with `store`");
        };
        for (nth, served) in self.served.iter().enumerate() {
            let workflow = &served.workflow;
            if !workflow.has_store() {
                let what = format!("workflow `{}` has no store", workflow.id());
                return mistake(what, "give it the store of the server");
            }
            if self.served[..nth].iter().any(|other| other.workflow.id() == workflow.id()) {
                let what = format!("there are two workflows `{}`", workflow.id());
                return mistake(what, "give one of them another id");
            }
        }
        for origin in &self.origins {
            let is_origin = origin.split_once("://").is_some_and(|(scheme, rest)| {
                matches!(scheme, "http" | "https") && !rest.is_empty() && !rest.contains('/')
            });
            if !is_origin {
                let what = format!("invalid origin `{origin}`");
                return mistake(what, "write scheme, host and port: `https://app.example.org`");
            }
        }
        for host in &self.hosts {
            let is_v6 = host.starts_with('[') && host.ends_with(']');
            if host.is_empty() || host.contains('/') || (host.contains(':') && !is_v6) {
                let what = format!("invalid host `{host}`");
                return mistake(what, "write a name without scheme and port: `app.example.org`");
            }
        }
        if let Some(url) = &self.public_url {
            let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
            let host = rest.and_then(|rest| rest.split('/').next()).unwrap_or_default();
            if host.is_empty() || url.contains(['?', '#', ' ']) {
                let what = format!("invalid public address `{url}`");
                return mistake(what, "write it with its scheme: `https://flows.example.org`");
            }
        }
        let keys = self.keys.map(|(file, is_required)| Keys::in_file(file, is_required));
        let auth = Auth::new(keys, self.jwt)?;
        let is_open_elsewhere = self.insecure || !auth.is_open();
        let triggers = triggers(&runs, &self.served, Base::of(self.public_url))?;
        let origins = Origins(self.origins);
        let app = App::new(self.name, runs, self.served, origins, auth, triggers, self.mcp);
        #[cfg(feature = "mcp")]
        crate::wire::mcp::check(&app)?;
        Ok(Server { app, hosts: self.hosts, is_open_elsewhere, drives: self.drives })
    }
}

/// Makes the scheduler of all schedules, the receiver of all webhooks, the notifier of all
/// notifications, and the links of the store.
fn triggers(runs: &Runs, served: &[Served], base: Base) -> Result<Triggers, Error> {
    let store = runs.whole_store().cloned().ok_or_else(|| {
        let what = "the runs of a server cannot be those of one user";
        Error::new(ErrorKind::Definition, what).with_hint("give keys with a user to its clients")
    })?;
    let mut scheduler = Scheduler::new(store.clone(), real_world());
    let links = Links::of(store.clone(), real_world());
    let (made, of) = (links.clone(), base.clone());
    let mut notifier = Notifier::new(store.clone(), real_world());
    notifier = notifier.links(Arc::new(move |run, asked, person| {
        let (links, base) = (made.clone(), of.clone());
        Box::pin(async move { links.notified(&base, run, &asked, &person).await })
    }));
    let mut receiver = Receiver::new(store, real_world());
    for served in served {
        let metadata = served.metadata.clone();
        let prepare = move |run: Run| {
            if metadata.is_empty() { run } else { run.metadata(metadata.clone()) }
        };
        for schedule in &served.schedules {
            let (schedule, prepare) = (schedule.clone(), prepare.clone());
            scheduler = scheduler.add_prepared(&served.workflow, schedule, prepare);
        }
        for webhook in &served.webhooks {
            let (webhook, prepare) = (webhook.clone(), prepare.clone());
            receiver = receiver.add_prepared(&served.workflow, webhook, prepare);
        }
        let id = served.workflow.id().clone();
        notifier = notifier.add(id, served.notifications.clone());
    }
    Ok(Triggers { scheduler, receiver, notifier, links, base })
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("name", &self.app.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}
