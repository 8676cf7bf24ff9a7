//! `stepwright serve` and `stepwright keys`.

use crate::args::{self, KeyList, KeyMade, KeyRevoked, Keys, Serve, Tokens};
use crate::definition_source::DefinitionSource;
use crate::exit::Exit;
use crate::folders;
use crate::program::Program;
use crate::ui::cancel::Cancel;
use crate::ui::debug;
use crate::ui::print::Stdout;
use crate::ui::terminal::Stderr;
use crate::verbs::{deliveries, schedules, webhooks};
use crate::{dispatcher, open};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use stepwright::file::{Definition, Options};
use stepwright::time::Timestamp;
use stepwright::{AnyStore, Error, ErrorKind, Memory, Workflow};
use stepwright_engine::{Runs, real_world};
use stepwright_server::{ApiKeys, Jwt, NewKey, Server, ServerBuilder};
use tokio_util::sync::CancellationToken;

/// The file of the keys, in the state folder.
const KEYS: &str = "keys.json";

/// The workflows of `--demo`, which need no key and no network.
const DEMO: [(&str, &str); 2] = [
    ("story.yaml", include_str!("../../templates/demo/story.yaml")),
    ("approval.yaml", include_str!("../../templates/demo/approval.yaml")),
];

/// Serves workflow files over HTTP.
pub(crate) fn serve(arguments: &Serve, program: &Program, stderr: Stderr) -> Exit {
    started(arguments, program, stderr).unwrap_or_else(|exit| exit)
}

fn started(arguments: &Serve, program: &Program, stderr: Stderr) -> Result<Exit, Exit> {
    let reported = |error: Error| {
        stderr.error(&error);
        Exit::of(&error)
    };
    let (address, kept) = (arguments.dispatcher.as_ref(), arguments.kept());
    let first = arguments.files.first().map_or(Path::new("-"), PathBuf::as_path);
    let chosen = dispatcher::choose_named(program, address, 0, &kept, first);
    let (storage, chosen) = chosen.map_err(reported)?;
    let definitions = definitions(arguments, stderr)?;
    debug::show_warnings(stderr.terminal);
    let runtime = open::runtime(stderr)?;
    let storage = open::storage(storage, stderr);
    let (cancel, _signals) = Cancel::on_signals(stderr);
    let served = runtime.block_on(async {
        let memory = Memory::default();
        let opened = match &storage {
            Some(storage) => Some(storage.db.open().await?),
            None => None,
        };
        let runs = match &opened {
            Some(opened) => opened.runs(None)?,
            None => Runs::of(AnyStore::new(memory.clone())),
        };
        let queue = match (&opened, chosen) {
            (Some(opened), Some(chosen)) => Some(chosen.open(opened).await?),
            _ => None,
        };
        let mut server = Server::builder().runs(runs).insecure(arguments.insecure);
        server = server.drives(queue.is_none());
        let mut taken: Vec<String> = Vec::new();
        let mut told: Vec<String> = Vec::new();
        for (source, definition) in &definitions {
            let builder = open::builder(definition)?;
            let workflow: Workflow = match &opened {
                Some(opened) => dispatcher::beneath(opened, queue.as_ref(), builder).build()?,
                None => builder.store(memory.clone()).build()?,
            };
            let agent = source.as_ref().and_then(|source| source.agent.as_deref());
            let id = workflow.id().to_string();
            if let Some(agent) = agent
                && taken.contains(&id)
            {
                stderr.note(&format!(
                    "agent `{agent}` is served as a part of its workflow only: `{id}` is taken"
                ));
                continue;
            }
            taken.push(id);
            server = match agent {
                Some(_) => server.agent(&workflow),
                None => server.workflow(&workflow),
            };
            if let Some(model) = definition.model() {
                server = server.model(model);
            }
            if let Some((mode, members)) = definition.team() {
                server = server.mode(mode.to_string());
                for (name, about) in members {
                    server = server.member(name, about);
                }
            }
            if let Some(schema) = definition.input_schema() {
                server = server.input_schema(schema.clone());
            }
            server = definition.schedules().into_iter().fold(server, ServerBuilder::schedule);
            server = definition.webhooks().into_iter().fold(server, ServerBuilder::webhook);
            let notifications = definition.notifications()?;
            told.extend(deliveries::lines(workflow.id().as_str(), &notifications));
            server = server.notifications(notifications);
            if let Some(source) = source.as_ref().filter(|_| opened.is_some()) {
                server = server.metadata(DefinitionSource::metadata(source));
            }
        }
        for host in &arguments.allow_host {
            server = server.host(host);
        }
        for origin in &arguments.allow_origin {
            server = server.origin(origin);
        }
        if let Some(url) = &arguments.public_url {
            server = server.public_url(url);
        }
        #[cfg(feature = "mcp")]
        {
            server = server.mcp_agents(arguments.mcp_agents);
            if let Ok(key) = std::env::var(crate::verbs::mcp::KEY) {
                server = server.mcp_key(key);
            }
        }
        server = with_keys(server, arguments.auth)?;
        if let Some(rules) = tokens(&arguments.tokens)? {
            server = server.jwt(rules);
        }
        let server = server.build()?;
        server.load_keys().await?;
        let place = format!("{}:{}", host(&arguments.host), arguments.port);
        let failed = |error: std::io::Error| {
            let error = Error::new(ErrorKind::Run, format!("cannot listen at `{place}`"))
                .with_source(error);
            error.with_hint("name another port: `--port PORT`, where 0 takes a free one")
        };
        let listener = TcpListener::bind(&*place).map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        server.check_address(bound)?;
        // Programs wait for this line, and read the port in it.
        stderr.note(&format!("Listening at http://{bound}"));
        show_triggers(&server, bound, stderr).await?;
        for line in &told {
            stderr.note(line);
        }
        if let Some(address) = address {
            let name = program.name();
            stderr.note(&format!("runs wait in {address} for workers: `{name} worker FILE…`"));
        }
        let stop = CancellationToken::new();
        let serving = server.serve(listener, stop.clone());
        tokio::pin!(serving);
        tokio::select! {
            ended = &mut serving => return ended,
            _ = cancel.requested() => stop.cancel(),
        }
        stderr.note("stopping: runs under way are left so that they can be resumed");
        serving.await
    });
    open::end(runtime, stderr);
    served.map_err(reported)?;
    Ok(Exit::Completed)
}

/// Shows what begins runs by itself.
async fn show_triggers(server: &Server, bound: SocketAddr, stderr: Stderr) -> Result<(), Error> {
    for schedule in server.schedules().await? {
        stderr.note(&schedules::line(&schedule));
    }
    for webhook in server.webhooks().await? {
        stderr.note(&webhooks::line(&webhook, bound));
    }
    Ok(())
}

/// Reads the files and the samples, followed by the agents of the files.
fn definitions(
    arguments: &Serve,
    stderr: Stderr,
) -> Result<Vec<(Option<args::Definition>, Definition)>, Exit> {
    let sources = arguments.files.iter().map(|file| arguments.reading.definition(file));
    let mut all: Vec<_> = open::definitions(sources, stderr)?
        .into_iter()
        .map(|(source, definition)| (Some(source), definition))
        .collect();
    if arguments.demo {
        let mut samples = Vec::new();
        for (name, text) in DEMO {
            let demo = Definition::parse(text, name, &Options::default());
            let demo = demo.map_err(|mistakes| {
                stderr.mistakes(&mistakes);
                Exit::Usage
            })?;
            samples.push((None, demo));
        }
        // A workflow comes before an agent of its name.
        all.splice(arguments.files.len()..arguments.files.len(), samples);
    }
    Ok(all)
}

/// Writes the host as an address has it.
fn host(host: &std::net::IpAddr) -> String {
    match host {
        std::net::IpAddr::V4(host) => host.to_string(),
        std::net::IpAddr::V6(host) => format!("[{host}]"),
    }
}

/// Returns the rules for JSON Web Tokens, if there are any.
fn tokens(arguments: &Tokens) -> Result<Option<Jwt>, Error> {
    let read = |flag: &str, path: &Path| {
        std::fs::read_to_string(path).map_err(|error| {
            let what = format!("`{flag}`: cannot read `{}`", path.display());
            Error::usage(what).with_source(error).with_hint("name a file that can be read")
        })
    };
    let mut rules = match (&arguments.jwt_jwks, &arguments.jwt_key, &arguments.jwt_secret) {
        (Some(url), ..) if url.contains("://") => Jwt::jwks_url(url)?,
        (Some(file), ..) => Jwt::jwks_file(file),
        (_, Some(key), _) => Jwt::public_key(&read("--jwt-key", key)?)?,
        (.., Some(secret)) => {
            let secret = read("--jwt-secret", secret)?;
            Jwt::secret(secret.trim_end_matches(['\r', '\n']).as_bytes())?
        }
        _ => return Ok(None),
    };
    rules = arguments.jwt_audience.iter().fold(rules, Jwt::audience);
    if let Some(issuer) = &arguments.jwt_issuer {
        rules = rules.issuer(issuer);
    }
    if !arguments.jwt_algorithm.is_empty() {
        rules = rules.algorithms(arguments.jwt_algorithm.iter().copied());
    }
    if let Some(skew) = arguments.jwt_skew {
        rules = rules.clock_skew(skew);
    }
    Ok(Some(rules))
}

/// Sets the file of the keys: with `auth` each request needs one, and otherwise once there is one.
fn with_keys(server: ServerBuilder, auth: bool) -> Result<ServerBuilder, Error> {
    let Some(path) = folders::state().map(|folder| folder.join(KEYS)) else {
        return if auth { Err(no_folder()) } else { Ok(server) };
    };
    // A damaged file is reported at once.
    ApiKeys::in_file(&path).list()?;
    Ok(if auth { server.keys(path) } else { server.keys_if_any(path) })
}

fn no_folder() -> Error {
    Error::usage("there is no state folder for keys").with_hint("set `XDG_STATE_HOME` or `HOME`")
}

/// Creates, lists and revokes API keys.
pub(crate) fn keys(arguments: &Keys, stderr: Stderr) -> Exit {
    let done = folders::state().ok_or_else(no_folder).and_then(|folder| {
        let failed = |error: std::io::Error| {
            let what = format!("the folder `{}` cannot be made", folder.display());
            Error::usage(what).with_source(error)
        };
        std::fs::create_dir_all(&folder).map_err(failed)?;
        let keys = ApiKeys::in_file(folder.join(KEYS));
        match arguments {
            Keys::Create(made) => create(&keys, made, stderr),
            Keys::List(KeyList {}) => list(&keys),
            Keys::Revoke(KeyRevoked { id }) => revoke(&keys, id),
        }
    });
    match done {
        Ok(text) => {
            let mut stdout = Stdout::new();
            stdout.write(&text);
            stdout.end(stderr, Exit::Completed)
        }
        Err(error) => {
            stderr.error(&error);
            Exit::of(&error)
        }
    }
}

fn create(keys: &ApiKeys, made: &KeyMade, stderr: Stderr) -> Result<String, Error> {
    let (name, user) = (made.name.clone(), made.user.as_ref().map(ToString::to_string));
    let expires_at = made.expires.map(|time| real_world().wall().plus(time));
    let (_, secret) = keys.create(NewKey { name, role: made.role, user, expires_at })?;
    stderr.note("the key is shown only now; clients send it as `Authorization: Bearer KEY`");
    Ok(format!("{secret}\n"))
}

fn list(keys: &ApiKeys) -> Result<String, Error> {
    let line = |key: &stepwright_server::ApiKey| {
        let user = key.user.as_deref().unwrap_or("-");
        let until = key.expires_at.map_or_else(|| "-".to_owned(), |at: Timestamp| at.to_string());
        format!("{}\t{}\t{}\t{user}\t{until}\n", key.id, key.role, key.name)
    };
    Ok(keys.list()?.iter().map(line).collect())
}

fn revoke(keys: &ApiKeys, id: &str) -> Result<String, Error> {
    if keys.revoke(id)? {
        return Ok(String::new());
    }
    let error = Error::usage(format!("there is no key `{id}`"));
    Err(error.with_hint("`stepwright keys list` lists those that are there"))
}
