//! Tools of their specifications.

use crate::agent_spec::{Kit, McpSpec, ToolData, ToolSettings, ToolWords};
use crate::functions::{Asked, Functions, HostFunction, Place, function};
use crate::times::seconds;
use serde_json::Value;
use std::sync::Arc;
use stepwright::mcp::McpServer;
use stepwright::tools::{
    AskUser, Calculator, DuckDuckGo, ExternalTool, Files, Http, Python, Skills, Sql, Tool,
    ToolEffect, ToolError, ToolOptions, ToolSpec, WebPage, Wikipedia,
};
use stepwright::{AgentBuilder, BoxFuture, Error, StepContext};

/// Adds a tool to an agent, unless the tool is an agent itself.
pub(crate) fn with_tool(
    builder: AgentBuilder,
    tool: &ToolData,
    functions: &Functions,
) -> Result<AgentBuilder, Error> {
    Ok(match tool {
        ToolData::Function { words, function: at, requires_confirmation, read_only, settings } => {
            let ToolWords { name, description, parameters } = words.clone();
            let function = function(functions, *at)?;
            let spec = ToolSpec { name, description, parameters };
            let (confirms, read_only) = (*requires_confirmation, *read_only);
            let tool = FunctionOfHost { spec, function, confirms, read_only };
            builder.tool(tool).tool_options(&words.name, options(settings)?)
        }
        ToolData::External { words, answer_within } => {
            let ToolWords { name, description, parameters } = words.clone();
            let tool = ExternalTool::with_parameters(name, description, parameters);
            builder.tool(match answer_within {
                Some(limit) => tool.answer_within(seconds("answer_within", *limit)?),
                None => tool,
            })
        }
        // An agent is made where agents are made.
        ToolData::Worker { .. } => builder,
        ToolData::Mcp(spec) => builder.tool(server(spec)?),
        ToolData::Kit(kit) => with_kit(builder, kit),
    })
}

fn options(settings: &ToolSettings) -> Result<ToolOptions, Error> {
    let mut options = ToolOptions::new();
    if let Some(timeout) = settings.timeout {
        options = options.timeout(seconds("timeout", timeout)?);
    }
    if let Some(retries) = settings.retries {
        options = options.retries(retries);
    }
    if let Some(calls) = settings.max_calls {
        options = options.max_calls(calls);
    }
    if let Some(time) = settings.cache {
        options = options.cache(seconds("cache", time)?);
    }
    Ok(options)
}

fn with_kit(builder: AgentBuilder, kit: &Kit) -> AgentBuilder {
    match kit {
        Kit::Duckduckgo { base_url } => builder.tool(match base_url {
            Some(url) => DuckDuckGo::new().base_url(url),
            None => DuckDuckGo::new(),
        }),
        Kit::Calculator {} => builder.tool(Calculator),
        Kit::Files { folder, write } => builder.tool(Files::beneath(folder).write(*write)),
        Kit::WebPage {} => builder.tool(WebPage::new()),
        Kit::Http {} => builder.tool(Http::new()),
        Kit::Wikipedia { language, base_url } => {
            let mut kit = Wikipedia::new();
            if let Some(language) = language {
                kit = kit.language(language);
            }
            if let Some(url) = base_url {
                kit = kit.base_url(url);
            }
            builder.tool(kit)
        }
        Kit::Python { program } => builder.tool(match program {
            Some(program) => Python::new().program(program),
            None => Python::new(),
        }),
        Kit::Sql { database, write } => {
            let is_address = ["postgres://", "postgresql://"].iter();
            let is_address = is_address.into_iter().any(|scheme| database.starts_with(scheme));
            let kit = if is_address { Sql::postgres(database) } else { Sql::sqlite(database) };
            builder.tool(kit.write(*write))
        }
        Kit::AskUser {} => builder.tool(AskUser::new()),
        Kit::Skills { folders } => {
            let mut folders = folders.iter();
            let Some(first) = folders.next() else { return builder };
            builder.skills(folders.fold(Skills::beneath(first), Skills::and))
        }
    }
}

fn server(spec: &McpSpec) -> Result<McpServer, Error> {
    let mut server = match (spec.command.split_first(), &spec.url) {
        (Some((program, arguments)), None) => {
            McpServer::command(&spec.name, program, arguments.iter().cloned())
        }
        (None, Some(url)) => McpServer::url(&spec.name, url),
        _ => {
            let what = format!("MCP server `{}` needs either a `command` or a `url`", spec.name);
            return Err(Error::usage(what));
        }
    };
    for (name, value) in &spec.env {
        server = server.secret_env(name, value);
    }
    for (name, value) in &spec.headers {
        server = server.header(name, value);
    }
    if let Some(dir) = &spec.dir {
        server = server.dir(dir);
    }
    if let Some(tools) = &spec.only {
        server = server.only(tools);
    }
    if let Some(prefix) = &spec.prefix {
        server = server.prefix(prefix);
    }
    if let Some(timeout) = spec.timeout {
        server = server.timeout(seconds("timeout", timeout)?);
    }
    if let Some(policy) = spec.on_interrupted {
        server = server.on_interrupted(policy);
    }
    if spec.resources {
        server = server.resources();
    }
    Ok(server.exclude(&spec.exclude).confirm(&spec.confirm))
}

/// A function of the host as a tool.
struct FunctionOfHost {
    spec: ToolSpec,
    function: Arc<dyn HostFunction>,
    confirms: bool,
    read_only: bool,
}

impl Tool for FunctionOfHost {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn call(&self, arguments: Value, cx: StepContext) -> BoxFuture<'_, Result<String, ToolError>> {
        // Several calls of one answer run at the same time.
        let place = Place { beside: true };
        let calling = self.function.call(Asked::Tool(arguments), Some(cx), place);
        Box::pin(async move {
            let answer = calling.await.map_err(|error| {
                // What is final fails the step; the model may react to anything else.
                if error.data.retryable {
                    ToolError::Failed(error.to_string())
                } else {
                    ToolError::Fatal(error)
                }
            })?;
            Ok(answer.content.text().into_owned())
        })
    }

    fn requires_confirmation(&self) -> bool {
        self.confirms
    }

    fn effect(&self) -> ToolEffect {
        if self.read_only { ToolEffect::ReadOnly } else { ToolEffect::Acts }
    }
}
