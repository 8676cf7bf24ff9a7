//! `stepwright sessions`.

use crate::args::{OneSession, SessionList, SessionState, Sessions};
use crate::database::session_error;
use crate::exit::Exit;
use crate::open;
use crate::ui::print::Stdout;
use crate::ui::table::table;
use crate::ui::terminal::{Stderr, write};
use crate::verbs::runs::{listed, told};
use serde_json::Value;
use std::fmt::Write as _;
use std::time::Duration;
use stepwright::store::{RunFilter, SessionFilter};
use stepwright::term::{about, harmless};
use stepwright::{Error, ErrorId, Patch, Session};
use stepwright_term::utc;

/// The number of runs that are shown with a session.
const RUNS_MAX: usize = 10;

/// Lists, shows, renames, changes and deletes sessions.
pub(crate) async fn sessions(command: &Sessions, stderr: Stderr) -> Result<Exit, Error> {
    match command {
        Sessions::List(arguments) => list(arguments, stderr).await,
        Sessions::Show { session, json } => show(session, *json, stderr).await,
        Sessions::Rename { session, name } => rename(session, name).await,
        Sessions::Delete { session, yes } => delete(session, *yes).await,
        Sessions::State(arguments) => state(arguments, stderr).await,
    }
}

async fn list(arguments: &SessionList, stderr: Stderr) -> Result<Exit, Error> {
    let runs = open::runs(&arguments.kept, None).await?;
    let filter = SessionFilter {
        user_id: arguments.user.clone(),
        workflow_id: arguments.workflow.clone(),
        behind: None,
        limit: arguments.page.limit,
        offset: arguments.page.offset,
    };
    let all = match arguments.page.limit {
        // The store would take the limit 0 as its maximum.
        0 => Vec::new(),
        _ => runs.sessions().find(filter).await?,
    };
    let mut stdout = Stdout::new();
    if arguments.json {
        stdout.write_json_pretty(&all);
    } else if all.is_empty() {
        stderr.note("there is no such session");
    } else {
        let row = |session: &Session| {
            [
                session.session_id.to_string(),
                session.name.clone().unwrap_or_default(),
                session.workflow_id.to_string(),
                session.metrics.runs.to_string(),
                utc(session.updated_at),
                session.user_id.as_ref().map(ToString::to_string).unwrap_or_default(),
            ]
        };
        let names = ["SESSION", "NAME", "WORKFLOW", "RUNS", "LAST USED", "USER"];
        stdout.write_rows(&table(names, all.iter().map(row).collect()));
    }
    Ok(stdout.end(stderr, Exit::Completed))
}

async fn show(wanted: &OneSession, json: bool, stderr: Stderr) -> Result<Exit, Error> {
    let runs = open::runs(&wanted.kept, wanted.user.as_ref()).await?;
    let session = runs.sessions().get(&wanted.id).await.map_err(session_error)?;
    let mut stdout = Stdout::new();
    if json {
        stdout.write_json_pretty(&session);
        return Ok(stdout.end(stderr, Exit::Completed));
    }
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<10}  {}", harmless(value));
    };
    line("session", session.session_id.as_str());
    if let Some(name) = &session.name {
        line("name", name);
    }
    line("workflow", session.workflow_id.as_str());
    if let Some(user) = &session.user_id {
        line("user", user.as_str());
    }
    line("opened", &utc(session.created_at));
    line("last used", &utc(session.updated_at));
    let metrics = &session.metrics;
    let took = about(Duration::from_millis(metrics.duration_ms));
    line("runs", &format!("{} in {took}", metrics.runs));
    if metrics.model_calls > 0 {
        line("models", &format!("{} answers", metrics.model_calls));
        line("cost", &metrics.cost.to_string());
    }
    if !session.state.is_empty() {
        let _ = writeln!(text, "\nstate\n{:#}", Value::from(session.state.clone()));
    }
    let filter = RunFilter {
        session_id: Some(wanted.id.clone()),
        user_id: wanted.user.clone(),
        limit: RUNS_MAX,
        ..RunFilter::default()
    };
    let last = told(&runs, runs.list(filter).await?).await;
    if !last.is_empty() {
        let _ = write!(text, "\nlast runs\n{}", listed(&last, stdout.is_read_by_people()));
    }
    stdout.write_wrapped(&stdout.readable(text));
    Ok(stdout.end(stderr, Exit::Completed))
}

async fn rename(wanted: &OneSession, name: &str) -> Result<Exit, Error> {
    let runs = open::runs_to_change(&wanted.kept, wanted.user.as_ref()).await?;
    runs.sessions().rename(&wanted.id, name).await.map_err(session_error)?;
    write(&format!("session {} is called {}", wanted.id, harmless(name)));
    Ok(Exit::Completed)
}

async fn delete(wanted: &OneSession, yes: bool) -> Result<Exit, Error> {
    let sessions = open::runs_to_change(&wanted.kept, wanted.user.as_ref()).await?.sessions();
    let session = sessions.get(&wanted.id).await.map_err(session_error)?;
    if !yes {
        let runs = session.metrics.runs;
        let what = format!("session `{}` is not deleted without `--yes`", wanted.id);
        let hint = format!("all of its runs go with it, {runs} that have ended among them");
        return Err(Error::usage(what).with_id(ErrorId::DELETE_UNCONFIRMED).with_hint(hint));
    }
    sessions.delete(&wanted.id).await.map_err(session_error)?;
    write(&format!("session {} deleted, with all of its runs", wanted.id));
    Ok(Exit::Completed)
}

async fn state(arguments: &SessionState, stderr: Stderr) -> Result<Exit, Error> {
    let wanted = &arguments.session;
    let patches = patches(arguments)?;
    let user = wanted.user.as_ref();
    let session = if patches.is_empty() {
        open::runs(&wanted.kept, user).await?.sessions().get(&wanted.id).await
    } else {
        let runs = open::runs_to_change(&wanted.kept, user).await?;
        runs.sessions().patch(&wanted.id, &patches).await
    };
    let session = session.map_err(session_error)?;
    let mut stdout = Stdout::new();
    stdout.write_json_pretty(&session.state);
    Ok(stdout.end(stderr, Exit::Completed))
}

/// Returns the changes of the state that the command line requests.
fn patches(arguments: &SessionState) -> Result<Vec<Patch>, Error> {
    let mut patches = Vec::new();
    for text in &arguments.set {
        let (key, value) = pair("--set", text)?;
        patches.push(Patch::set(key, value));
    }
    for text in &arguments.append {
        let (key, value) = pair("--append", text)?;
        patches.push(Patch::append(key, value));
    }
    for text in &arguments.merge {
        let (key, value) = pair("--merge", text)?;
        let Value::Object(members) = value else { return Err(unfit("--merge", text, "object")) };
        patches.push(Patch::merge(key, members));
    }
    for text in &arguments.increment {
        let (key, value) = pair("--increment", text)?;
        let Value::Number(by) = value else { return Err(unfit("--increment", text, "number")) };
        patches.push(Patch::increment(key, by));
    }
    Ok(patches)
}

fn pair<'a>(option: &str, text: &'a str) -> Result<(&'a str, Value), Error> {
    let (key, json) = text.split_once('=').ok_or_else(|| {
        Error::usage(format!("`{option} {text}` has no value"))
            .with_id(ErrorId::CHANGE_UNREADABLE)
            .with_hint(format!("write it as `{option} KEY=JSON`"))
    })?;
    let value = stepwright_core::json::parse(json).map_err(|error| {
        Error::usage(format!("`{option} {text}` is not JSON: {error}"))
            .with_id(ErrorId::CHANGE_UNREADABLE)
            .with_hint("a text stands in quotes: `--set 'language=\"en\"'`")
    })?;
    Ok((key, value))
}

fn unfit(option: &str, text: &str, kind: &str) -> Error {
    Error::usage(format!("`{option} {text}` has no {kind}")).with_id(ErrorId::CHANGE_UNREADABLE)
}
