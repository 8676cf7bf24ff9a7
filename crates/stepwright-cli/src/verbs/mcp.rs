//! `stepwright mcp`.

use crate::args::{self, ALL_AGENTS, Mcp};
use crate::definition_source::DefinitionSource;
use crate::exit::Exit;
use crate::open;
use crate::ui::cancel::Cancel;
use crate::ui::terminal::Stderr;
use std::time::Duration;
use stepwright::file::Definition;
use stepwright::{AnyStore, Error, ErrorKind, Memory, UserId, Workflow};
use stepwright_engine::Runs;
use stepwright_mcp::{HttpOptions, McpService};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The variable with the token that clients of other machines send.
const TOKEN: &str = "STEPWRIGHT_MCP_TOKEN";

/// The variable with the key that signs the states of calls.
pub(crate) const KEY: &str = "STEPWRIGHT_MCP_KEY";

/// The time that runs have to record what they have done when this command ends.
const PATIENCE: Duration = Duration::from_secs(5);

/// Serves workflow files as an MCP server.
pub(crate) fn mcp(arguments: &Mcp, stderr: Stderr) -> Exit {
    started(arguments, stderr).unwrap_or_else(|exit| exit)
}

fn started(arguments: &Mcp, stderr: Stderr) -> Result<Exit, Exit> {
    let reported = |error: Error| {
        stderr.error(&error);
        Exit::of(&error)
    };
    let first = arguments.files.first().ok_or(Exit::Usage)?;
    let storage = arguments.kept.storage(first).map_err(reported)?;
    let mut definitions = Vec::new();
    for file in &arguments.files {
        let source = arguments.reading.definition(file);
        let definition = open::definition(&source, stderr, false)?;
        definitions.push((source, definition));
    }
    let agents = agents(&definitions, &arguments.agents).map_err(reported)?;
    definitions.extend(agents);
    let runtime = open::runtime(stderr)?;
    let storage = open::storage(storage, stderr);
    let (cancel, _signals) = Cancel::on_signals(stderr);
    let served = runtime.block_on(async {
        let user = arguments.kept.user_id.as_deref().map(UserId::new).transpose()?;
        let memory = Memory::default();
        let opened = match &storage {
            Some(storage) => Some(storage.db.open().await?),
            None => None,
        };
        let runs = if let Some(opened) = &opened {
            opened.runs(user.as_ref())?
        } else {
            let runs = Runs::of(AnyStore::new(memory.clone()));
            user.as_ref().map_or(Ok(runs.clone()), |user| runs.clone().as_user(user))?
        };
        let mut service = McpService::new().runs(runs).operate(arguments.operate);
        let mut workflows: Vec<Workflow> = Vec::new();
        for (source, definition) in &definitions {
            let builder = open::builder(definition)?;
            let workflow = match &opened {
                Some(opened) => opened.clone().beneath(builder).build()?,
                None => builder.store(memory.clone()).build()?,
            };
            service = service.workflow(&workflow, definition.input_schema());
            if opened.is_some() {
                service = service.metadata(DefinitionSource::metadata(source));
            }
            workflows.push(workflow);
        }
        if let Some(user) = &arguments.kept.user_id {
            service = service.user(user);
        }
        if let Some(session) = &arguments.kept.session_id {
            service = service.session(session);
        }
        if let Ok(key) = std::env::var(KEY) {
            service = service.state_key(key);
        }
        let stop = CancellationToken::new();
        let serving = serve(arguments, service, stop.clone(), stderr);
        let ended = tokio::select! {
            ended = serving => ended,
            _ = cancel.requested() => {
                stop.cancel();
                Ok(())
            }
        };
        for workflow in workflows {
            workflow.shutdown(PATIENCE).await?;
        }
        ended
    });
    // Runs that are stored can be resumed, and do not hold up the end.
    open::end(runtime, stderr);
    served.map_err(reported)?;
    Ok(Exit::Completed)
}

/// Returns the agents to serve, each as a definition of its own.
fn agents(
    files: &[(args::Definition, Definition)],
    wanted: &[String],
) -> Result<Vec<(args::Definition, Definition)>, Error> {
    let all = wanted.iter().any(|name| name == ALL_AGENTS);
    let known = || files.iter().flat_map(|(_, file)| file.agents());
    if !wanted.is_empty() && known().next().is_none() {
        let error = Error::usage("`--agents` is set, but the files have no agents");
        return Err(error.with_hint("leave it out"));
    }
    if let Some(unknown) = wanted.iter().find(|name| !all && known().all(|it| it != name.as_str()))
    {
        let error = Error::usage(format!("no file has an agent `{unknown}`"));
        let names: Vec<String> = known().map(|name| format!("`{name}`")).collect();
        return Err(error.with_hint(format!("the files have {}", names.join(", "))));
    }
    let mut found = Vec::new();
    for (source, file) in files {
        for name in file.agents().filter(|name| all || wanted.iter().any(|it| it == name)) {
            let Some(agent) = file.agent(name) else { continue };
            found
                .push((args::Definition { agent: Some(name.to_owned()), ..source.clone() }, agent));
        }
    }
    Ok(found)
}

async fn serve(
    arguments: &Mcp,
    service: McpService,
    stop: CancellationToken,
    stderr: Stderr,
) -> Result<(), Error> {
    let Some(address) = arguments.http else { return service.serve_stdio(stop).await };
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Run, format!("cannot listen at {address}")).with_source(error)
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let mut options = HttpOptions::new();
    if let Ok(token) = std::env::var(TOKEN) {
        options = options.token(token);
    }
    for host in &arguments.allow_host {
        options = options.host(host);
    }
    for origin in &arguments.allow_origin {
        options = options.origin(origin);
    }
    stderr.note(&format!("serving MCP at http://{address}/mcp"));
    service.serve_http(listener, options, stop).await
}
