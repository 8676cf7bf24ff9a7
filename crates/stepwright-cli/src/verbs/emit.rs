//! `stepwright emit`.

use crate::args::EmitEvent;
use crate::exit::Exit;
use crate::ui::print::Stdout;
use crate::ui::resume_command::ResumeCommand;
use crate::ui::terminal::Stderr;
use serde_json::{Value, json};
use std::io::Read as _;
use stepwright::awaited::EVENT_BYTES_MAX;
use stepwright::{Error, ErrorId, RunId};

/// Sends an event to the runs that wait for it.
pub(crate) async fn emit(arguments: &EmitEvent, stderr: Stderr) -> Result<Exit, Error> {
    let opened = arguments.kept.database()?.open_existing().await?;
    let runs = opened.runs(arguments.user.as_ref())?;
    let mut event = runs.emit(arguments.event.as_str());
    if let Some(key) = &arguments.key {
        event = event.key(key.as_str());
    }
    if let Some(payload) = &arguments.payload {
        event = event.payload(value(payload)?);
    }
    if let Some(id) = &arguments.id {
        event = event.id(id.as_str());
    }
    if let Some(by) = &arguments.by {
        event = event.by(by.as_str());
    }
    let emitted = event.await?;
    let received: Vec<&str> = emitted.received.iter().map(RunId::as_str).collect();
    let before: Vec<&str> = emitted.before.iter().map(RunId::as_str).collect();
    match received.first() {
        None if !before.is_empty() => stderr.note(&format!(
            "received before under the same id, and not again: {}",
            before.join(", ")
        )),
        None => stderr.note("no run waits for this event now, and it is not kept for later"),
        Some(run) => {
            let words = ResumeCommand { db: arguments.kept.said().cloned(), ..Default::default() };
            let resume = words.resume(run);
            stderr.note(&format!("a server or a worker takes it up; without one: {resume}"));
        }
    }
    let mut stdout = Stdout::new();
    if arguments.json {
        stdout.write_json_pretty(&json!({
            "id": &*emitted.id, "received": received, "received_before": before,
        }));
        return Ok(stdout.end(stderr, Exit::Completed));
    }
    let id = &emitted.id;
    match received.as_slice() {
        [run] => stdout.write(&format!("event {id} was received by run {run}\n")),
        [] if !before.is_empty() => {
            stdout.write(&format!("event {id} was received before\n"));
        }
        several => {
            stdout.write(&format!("event {id} was received by {} runs\n", several.len()));
            for run in several {
                stdout.write(&format!("{run}\n"));
            }
        }
    }
    Ok(stdout.end(stderr, Exit::Completed))
}

/// Returns the payload: JSON, or else a text.
fn value(given: &str) -> Result<Value, Error> {
    let text = if given == "-" { stdin()? } else { given.to_owned() };
    Ok(serde_json::from_str(&text).unwrap_or_else(|_| text.trim_end().into()))
}

fn stdin() -> Result<String, Error> {
    let mut text = String::new();
    // One byte more, so that a payload that is too long is told from one that fits.
    let limit = EVENT_BYTES_MAX as u64 + 1;
    std::io::stdin().take(limit).read_to_string(&mut text).map_err(|error| {
        Error::usage("the payload cannot be read from stdin")
            .with_id(ErrorId::EVENT_INVALID)
            .with_source(error)
    })?;
    Ok(text)
}
