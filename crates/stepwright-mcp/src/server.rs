//! A server as users name it.

use crate::connection::TOOLS_MAX;
use crate::link::Link;
use crate::names::visible;
use crate::oauth::{self, OAuth};
use crate::read::{self, Reading};
use crate::recipe::Recipe;
use crate::settings::Settings;
use crate::stdio::{Command, Variable};
use crate::tool::McpTool;
use crate::watch::{self, ResourceWatch};
use crate::web::Endpoint;
use rmcp::model::{Tool as RawTool, ToolAnnotations};
use serde_json::{Map, Value, json};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::gate::Permit;
use stepwright_core::permission::{CommandLine, Effect};
use stepwright_core::tool::{AnyTool, ToolAnswer, ToolEffect, ToolError, ToolSource, ToolSpec};
use stepwright_core::{
    BoxFuture, Error, ErrorCode, ErrorId, ErrorKind, Fingerprint, OnInterrupted, StepContext,
    StepError,
};

/// The longest name of a server, in bytes. It is the beginning of the names of its tools.
pub const SERVER_NAME_BYTES_MAX: usize = 32;

/// An MCP server, whose tools agents can call. Cheap to clone.
///
/// The server is started, or connected to, when a run needs it first. All clones share it: the
/// agents that have it, and the runs of their workflows. It ends when the last clone is dropped. A
/// clone with other tools, another prefix or another timeout shares it too; one with another
/// environment or other headers does not.
///
/// ```
/// use stepwright_agent::Agent;
/// use stepwright_mcp::McpServer;
/// let args = ["-y", "@modelcontextprotocol/server-filesystem", "."];
/// let files = McpServer::command("files", "npx", args);
/// let reader = Agent::builder("Reader")
///     .model("offline")?
///     .tool(files.clone().only(["read_*", "list_directory"]))
///     .build()?;
/// let writer = Agent::builder("Writer")
///     .model("offline")?
///     .tool(files.confirm(["write_file"]))
///     .build()?;
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone)]
pub struct McpServer {
    link: Arc<Link>,
    settings: Settings,
}

impl McpServer {
    fn new(name: &str, recipe: Recipe) -> Self {
        let link = Link::new(name.into(), recipe, true);
        Self { link: Arc::new(link), settings: Settings::default() }
    }

    /// Names a server that is a command, which speaks over its standard input and output.
    ///
    /// `name` stands in the names of its tools, `files__read`, and in permissions,
    /// `mcp:files:read`. The command gets the variables that every program needs, and those that
    /// you name with [`McpServer::env`] and [`McpServer::pass_env`].
    pub fn command<A: Into<String>>(
        name: &str,
        program: impl Into<String>,
        args: impl IntoIterator<Item = A>,
    ) -> Self {
        let command = Command {
            program: program.into(),
            args: args.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            pass_env: Vec::new(),
            dir: None,
        };
        Self::new(name, Recipe::Command(command))
    }

    /// Names a server at an address, which speaks over streamable HTTP.
    ///
    /// ```
    /// use stepwright_mcp::McpServer;
    /// let github = McpServer::url("github", "https://api.githubcopilot.com/mcp/")
    ///     .header("Authorization", "Bearer …");
    /// ```
    pub fn url(name: &str, url: impl Into<String>) -> Self {
        Self::new(
            name,
            Recipe::Url(Endpoint {
                url: url.into(),
                headers: Vec::new(),
                oauth: None,
                login_help: None,
            }),
        )
    }

    /// Changes the recipe, which makes a link of its own.
    fn with_recipe(mut self, change: impl FnOnce(&mut Recipe)) -> Self {
        let mut recipe = self.link.recipe.clone();
        change(&mut recipe);
        self.link = Arc::new(Link::new(self.link.name.clone(), recipe, self.link.asks));
        self
    }

    fn with_command(self, change: impl FnOnce(&mut Command)) -> Self {
        self.with_recipe(|recipe| {
            if let Recipe::Command(command) = recipe {
                change(command);
            }
        })
    }

    /// Sets an environment variable of the command. A server at an address has none.
    #[must_use]
    pub fn env(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        self.with_command(|command| command.env.push(Variable { name, value, is_secret: false }))
    }

    /// Sets an environment variable of the command to a secret. A run can be resumed with another
    /// value, because keys are changed now and then.
    #[must_use]
    pub fn secret_env(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        self.with_command(|command| command.env.push(Variable { name, value, is_secret: true }))
    }

    /// Passes a variable of this process to the command. It gets only the usual ones otherwise.
    #[must_use]
    pub fn pass_env(self, name: impl Into<String>) -> Self {
        self.with_command(|command| command.pass_env.push(name.into()))
    }

    /// Sets the directory in which the command starts.
    #[must_use]
    pub fn dir(self, dir: impl Into<PathBuf>) -> Self {
        self.with_command(|command| command.dir = Some(dir.into()))
    }

    /// Adds a header to each request to an address.
    #[must_use]
    pub fn header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.with_recipe(|recipe| {
            if let Recipe::Url(endpoint) = recipe {
                endpoint.headers.push((name.into(), value.into()));
            }
        })
    }

    /// Sets the login of a server at an address. See [`OAuth`].
    #[must_use]
    pub fn oauth(self, oauth: OAuth) -> Self {
        self.with_recipe(|recipe| {
            if let Recipe::Url(endpoint) = recipe {
                endpoint.oauth = Some(oauth);
            }
        })
    }

    /// Sets the help of the error that a server at an address wants a login: what the user can do.
    /// For programs whose users do not write Rust.
    #[must_use]
    pub fn login_help(self, help: impl Into<String>) -> Self {
        self.with_recipe(|recipe| {
            if let Recipe::Url(endpoint) = recipe {
                endpoint.login_help = Some(help.into());
            }
        })
    }

    /// Lets a person log in at the server, and keeps the tokens in the file of its [`OAuth`].
    /// `show` gets the address that the person opens in a browser of this machine.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// use stepwright_mcp::{McpServer, OAuth};
    /// let server = McpServer::url("github", "https://api.githubcopilot.com/mcp/");
    /// let server = server.oauth(OAuth::new("tokens/github.json"));
    /// server.log_in(|address| println!("Open {address}")).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Fails if the server has no `OAuth`, if its authorization server cannot be used, or if the
    /// person does not log in within [`LOGIN_TIMEOUT`](crate::LOGIN_TIMEOUT).
    pub async fn log_in(&self, show: impl FnOnce(&str)) -> Result<(), Error> {
        let name = &self.link.name;
        ToolSource::check(self)?;
        let Recipe::Url(endpoint) = &self.link.recipe else {
            let what = format!("MCP server `{name}` is a command, which has no login");
            return Err(Error::usage(what));
        };
        let Some(oauth) = &endpoint.oauth else {
            let error = Error::usage(format!("MCP server `{name}` has no `oauth`"));
            return Err(error.with_hint("set it, with the file that keeps the tokens"));
        };
        let challenge = self.link.take_challenge();
        oauth::log_in(oauth, &endpoint.url, challenge, show).await.map_err(|why| {
            let what = format!("no login at MCP server `{name}`: {}", endpoint.cleaned(&why));
            Error::new(ErrorKind::Run, what).with_id(ErrorId::MCP_LOGIN_NEEDED)
        })
    }

    /// Sets whether people answer questions of the server, which pause the run. By default they do.
    /// Otherwise questions are declined.
    #[must_use]
    pub fn answer_questions(mut self, is_on: bool) -> Self {
        let recipe = self.link.recipe.clone();
        self.link = Arc::new(Link::new(self.link.name.clone(), recipe, is_on));
        self
    }

    /// Gives the agent only these tools, by their names on the server. `*` stands for any
    /// characters.
    #[must_use]
    pub fn only<T: Into<String>>(mut self, tools: impl IntoIterator<Item = T>) -> Self {
        self.settings.only = Some(tools.into_iter().map(Into::into).collect());
        self
    }

    /// Withholds these tools from the agent. `*` stands for any characters.
    #[must_use]
    pub fn exclude<T: Into<String>>(mut self, tools: impl IntoIterator<Item = T>) -> Self {
        self.settings.exclude.extend(tools.into_iter().map(Into::into));
        self
    }

    /// Sets the beginning of the names that models see, in place of the name of the server. An
    /// empty one leaves the names as the server has them.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.settings.prefix = Some(prefix.into());
        self
    }

    /// Requires a confirmation for each call of these tools, by their names on the server. `*`
    /// stands for any characters.
    #[must_use]
    pub fn confirm<T: Into<String>>(mut self, tools: impl IntoIterator<Item = T>) -> Self {
        self.settings.confirmed.extend(tools.into_iter().map(Into::into));
        self
    }

    /// Sets the timeout of a call. Default: [`CALL_TIMEOUT`](crate::CALL_TIMEOUT). The time in
    /// which a person answers a question of the server does not count.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// Sets the policy for calls whose outcome is unknown. By default it follows what the server
    /// says of a tool: calls of tools that are read-only or idempotent can be repeated, and a
    /// person decides about the others.
    #[must_use]
    pub fn on_interrupted(mut self, policy: OnInterrupted) -> Self {
        self.settings.on_interrupted = Some(policy);
        self
    }

    /// Adds tools with which the agent lists and reads the resources of the server, and gets its
    /// prompts: `list_resources`, `read_resource`, `list_prompts` and `get_prompt`.
    #[must_use]
    pub fn resources(mut self) -> Self {
        self.settings.resources = true;
        self
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.link.name
    }

    /// Returns the text and the media of a resource, for programs that choose it themselves.
    ///
    /// # Errors
    /// Fails if the server cannot be used, or has no such resource.
    pub async fn read_resource(&self, uri: &str) -> Result<ToolAnswer, ToolError> {
        read::read(&self.link, Reading::ReadResource, json!({ "uri": uri }), None).await
    }

    /// Watches a resource: the server tells when it changes, if it can.
    ///
    /// # Errors
    /// Fails if the server cannot be used, or tells no changes of this resource.
    pub async fn watch_resource(&self, uri: &str) -> Result<ResourceWatch, ToolError> {
        watch::watch(&self.link, uri).await
    }

    /// Returns a prompt, filled with arguments.
    ///
    /// # Errors
    /// Fails if the server cannot be used, has no such prompt, or refuses the arguments.
    pub async fn prompt(
        &self,
        name: &str,
        arguments: Map<String, Value>,
    ) -> Result<ToolAnswer, ToolError> {
        let arguments = json!({"name": name, "arguments": arguments});
        read::read(&self.link, Reading::GetPrompt, arguments, None).await
    }

    /// Returns the effect of using the server, for permissions: the command, or the address.
    fn effect(&self) -> Effect {
        let effect = match &self.link.recipe {
            Recipe::Command(command) => {
                let words = std::iter::once(&command.program).chain(&command.args);
                let env: Vec<_> = command.env.iter().map(Variable::shown).collect();
                stepwright_process::effect("shell", CommandLine::of_words(words), &env)
            }
            Recipe::Url(endpoint) => endpoint.effect(),
        };
        effect.also(format!("mcp:{}", self.link.name))
    }

    fn mistake(&self) -> Option<String> {
        let name = &self.link.name;
        let letters = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > SERVER_NAME_BYTES_MAX || !name.chars().all(letters) {
            return Some(format!(
                "`{name}` cannot name an MCP server; a name has 1 to {SERVER_NAME_BYTES_MAX} \
                 letters, digits, `_` and `-`"
            ));
        }
        if let Some(prefix) = self.settings.prefix.as_ref()
            && (prefix.len() > SERVER_NAME_BYTES_MAX || !prefix.chars().all(letters))
        {
            return Some(format!(
                "`prefix` of MCP server `{name}` is `{prefix}`; it has at most \
                 {SERVER_NAME_BYTES_MAX} letters, digits, `_` and `-`"
            ));
        }
        if self.settings.timeout.is_zero() {
            return Some(format!("`timeout` of MCP server `{name}` must be greater than zero"));
        }
        let of_recipe = match &self.link.recipe {
            Recipe::Command(command) if command.program.trim().is_empty() => {
                Some("it has no command".to_owned())
            }
            Recipe::Command(command) => {
                let texts = std::iter::once(&command.program).chain(&command.args);
                let mut texts = texts.chain(command.env.iter().map(|it| &it.value));
                let has_nul = texts.any(|text| text.contains('\0'));
                let is_name = |name: &str| !name.is_empty() && !name.contains(['=', '\0']);
                let wrong = command.env.iter().find(|it| !is_name(&it.name));
                match wrong {
                    _ if has_nul => Some("its command contains a NUL byte".to_owned()),
                    Some(Variable { name, .. }) => {
                        Some(format!("`{name}` cannot name an environment variable"))
                    }
                    None => None,
                }
            }
            Recipe::Url(endpoint) => endpoint.mistake(),
        };
        of_recipe.map(|why| format!("MCP server `{name}`: {why}"))
    }

    async fn permitted(&self, cx: &StepContext) -> Result<(), StepError> {
        match cx.permit(&self.effect()).await? {
            Permit::Granted => Ok(()),
            Permit::Refused(error) => Err(error),
        }
    }

    async fn loaded(&self, cx: StepContext) -> Result<Vec<AnyTool>, StepError> {
        let name = &self.link.name;
        self.permitted(&cx).await?;
        if cx.is_played() && !cx.is_recording_made() {
            return self.recorded(&cx);
        }
        let tools = self.link.tools().await.map_err(|unusable| {
            let message = format!("MCP server `{name}` cannot be used: {unusable}");
            if unusable.needs_login {
                let error = StepError::terminal(message).with_code(ErrorCode::Tool);
                return error.with_id(ErrorId::MCP_LOGIN_NEEDED);
            }
            StepError::new(message).with_code(ErrorCode::Tool).with_id(ErrorId::MCP_UNAVAILABLE)
        })?;
        if cx.is_played() {
            let listed = serde_json::to_value(&*tools).unwrap_or_default();
            cx.keep_in_recording(&self.tools_key(), listed);
        }
        self.made(&tools).map_err(|why| self.unfit(&why))
    }

    fn unfit(&self, why: &str) -> StepError {
        StepError::terminal(format!("MCP server `{}`: {why}", self.link.name))
            .with_code(ErrorCode::Tool)
            .with_id(ErrorId::MCP_TOOLS_INVALID)
    }

    /// Returns the key under which a recording has the tools of this server.
    fn tools_key(&self) -> String {
        format!("mcp:{}", self.link.name)
    }

    /// Returns the tools that a recording has: a playback starts no server.
    fn recorded(&self, cx: &StepContext) -> Result<Vec<AnyTool>, StepError> {
        let listed = cx.recorded(&self.tools_key());
        let listed = listed.ok_or_else(|| self.unfit("the recording does not have its tools"))?;
        let tools: Vec<RawTool> = serde_json::from_value(listed)
            .map_err(|error| self.unfit(&format!("its recorded tools cannot be read: {error}")))?;
        self.made(&tools).map_err(|why| self.unfit(&why))
    }

    /// Makes the tools that the agent gets.
    fn made(&self, tools: &[RawTool]) -> Result<Vec<AnyTool>, String> {
        if tools.len() > TOOLS_MAX {
            return Err(format!("it has more than {TOOLS_MAX} tools"));
        }
        let raw: Vec<&str> = tools.iter().map(|tool| &*tool.name).collect();
        if let Some((setting, pattern)) = self.settings.unmatched(&raw) {
            let known = raw.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            return Err(format!("`{setting}` names `{pattern}`, but the server has {known}"));
        }
        let readings = if self.settings.resources { &Reading::ALL[..] } else { &[] };
        // All names, so that a filter does not change those of the tools that are left.
        let names = raw.iter().copied().chain(readings.iter().map(|it| it.name()));
        let names: Vec<&str> = names.collect();
        let prefix = self.settings.prefix.as_deref().unwrap_or(&self.link.name);
        let names = visible(prefix, &self.link.name, &names);
        let mut made = Vec::new();
        for (tool, name) in tools.iter().zip(&names) {
            if self.settings.takes(&tool.name) {
                made.push(AnyTool::new(self.tool(tool, name.clone())));
            }
        }
        for (reading, name) in readings.iter().zip(&names[tools.len()..]) {
            let tool = reading.tool(&self.link, name.clone(), self.settings.timeout);
            made.push(AnyTool::new(tool));
        }
        Ok(made)
    }

    fn tool(&self, tool: &RawTool, name: String) -> McpTool {
        let about = tool.description.as_deref().or(tool.title.as_deref()).unwrap_or_default();
        let spec = ToolSpec {
            name,
            description: about.to_owned(),
            parameters: parameters(&tool.input_schema),
        };
        let hint =
            |get: fn(&ToolAnnotations) -> Option<bool>| tool.annotations.as_ref().and_then(get);
        let effect = if hint(|it| it.read_only_hint) == Some(true) {
            ToolEffect::ReadOnly
        } else if hint(|it| it.idempotent_hint) == Some(true) {
            ToolEffect::Idempotent
        } else {
            ToolEffect::Acts
        };
        McpTool {
            link: self.link.clone(),
            raw: tool.name.clone().into_owned(),
            spec,
            effect,
            destroys: hint(|it| it.destructive_hint) != Some(false),
            confirmed: self.settings.confirms(&tool.name),
            timeout: self.settings.timeout,
            on_interrupted: self.settings.on_interrupted,
        }
    }
}

/// Returns the schema of arguments as every provider takes it.
fn parameters(schema: &Map<String, Value>) -> Value {
    let mut schema = schema.clone();
    schema.remove("$schema");
    schema.insert("type".into(), "object".into());
    schema.entry("properties").or_insert_with(|| Map::new().into());
    schema.into()
}

impl ToolSource for McpServer {
    fn name(&self) -> &str {
        &self.link.name
    }

    fn fingerprint(&self) -> Fingerprint {
        let Settings { prefix, only, exclude, confirmed, timeout, on_interrupted, resources } =
            &self.settings;
        let name = &self.link.name;
        let settings = json!({
            "prefix": prefix, "tools": only, "exclude": exclude, "confirm": confirmed,
            "timeout_ms": u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
            "on_interrupted": on_interrupted, "resources": resources, "questions": self.link.asks,
        });
        let all = Fingerprint::default().with(format!("mcp {name}"), settings.to_string());
        match &self.link.recipe {
            // Where it starts, and what it may read, are matters of the machine.
            Recipe::Command(Command { program, args, env, pass_env: _, dir: _ }) => {
                let line = json!({"command": program, "args": args});
                let all = all.with(format!("command of mcp {name}"), line.to_string());
                env.iter().fold(all, |all, Variable { name: variable, value, is_secret }| {
                    let what = format!("{variable} of mcp {name}");
                    let value = if *is_secret { "a secret" } else { value.as_str() };
                    // A variable of any name may hold a key.
                    all.with_hidden(what, value)
                })
            }
            Recipe::Url(endpoint) => {
                let all = all.with(format!("address of mcp {name}"), endpoint.shown());
                let all =
                    all.with_hidden(format!("whole address of mcp {name}"), endpoint.url.clone());
                // Their values are keys mostly, which are changed now and then.
                let headers: Vec<&str> = endpoint.headers.iter().map(|(it, _)| &**it).collect();
                let all = all.with(format!("headers of mcp {name}"), json!(headers).to_string());
                match &endpoint.oauth {
                    Some(oauth) => {
                        all.with(format!("oauth of mcp {name}"), oauth.told().to_string())
                    }
                    None => all,
                }
            }
        }
    }

    fn check(&self) -> Result<(), Error> {
        match self.mistake() {
            Some(mistake) => Err(Error::new(ErrorKind::Definition, mistake)),
            None => Ok(()),
        }
    }

    fn tools(&self, cx: StepContext) -> BoxFuture<'_, Result<Vec<AnyTool>, StepError>> {
        Box::pin(self.loaded(cx))
    }
}

impl fmt::Debug for McpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpServer").field("name", &self.link.name).finish_non_exhaustive()
    }
}
