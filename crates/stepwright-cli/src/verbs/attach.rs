//! `stepwright attach`.

use crate::args::Attach;
use crate::database::run_error;
use crate::definition_source::DefinitionSource;
use crate::exit::Exit;
use crate::open::runs_with;
use crate::ui::resume_command::ResumeCommand;
use crate::ui::terminal::{Stderr, write};
use futures_util::StreamExt as _;
use std::sync::Arc;
use stepwright::term::{Display, Style, line, on_interrupt, summary, waiting};
use stepwright::{Error, EventKind, RunOutput, RunStatus};
use stepwright_engine::Snapshot;
use tokio::sync::Notify;

/// Shows a run from its beginning, and follows it until it ends, in whichever process it is driven.
/// Ctrl-C leaves the run as it is.
pub(crate) async fn attach(arguments: &Attach, stderr: Stderr) -> Result<Exit, Error> {
    let (runs, run) = runs_with(&arguments.run).await?;
    let mut events = runs.follow(&run, 0).await.map_err(run_error)?;
    let terminal = stderr.terminal;
    let mut display =
        terminal.attended.then(|| Display::new(std::io::stderr(), terminal, Style::Tree));
    let left = Arc::new(Notify::new());
    let leave = left.clone();
    let _signals = on_interrupt(move |_| leave.notify_one());
    let mut ticks = display.as_ref().map_or_else(stepwright::term::Ticks::never, Display::ticks);
    loop {
        tokio::select! {
            event = events.next() => {
                let Some(event) = event else { break };
                let event = event.map_err(run_error)?;
                let pauses = matches!(event.kind, EventKind::WorkflowPaused { .. });
                match &mut display {
                    Some(display) => display.event(&event),
                    None => if let Some(line) = line(&event) {
                        write(&line);
                    },
                }
                if pauses {
                    let snapshot = runs.load(&run).await.map_err(run_error)?;
                    // An earlier pause is over.
                    if snapshot.status() == RunStatus::Paused {
                        say_open(stderr, arguments, &snapshot);
                    }
                }
            }
            () = ticks.next() => if let Some(display) = &mut display {
                display.tick();
            },
            () = left.notified() => {
                if let Some(display) = &mut display {
                    display.clear();
                }
                stderr.note(&format!("left run `{run}`, which goes on"));
                return Ok(Exit::Completed);
            }
        }
    }
    if let Some(display) = &mut display {
        display.clear();
    }
    let output = runs.load(&run).await.map_err(run_error)?.output();
    write(&summary(terminal, &output));
    Ok(match output.status {
        RunStatus::Completed => Exit::Completed,
        RunStatus::Cancelled => Exit::Cancelled,
        _ => {
            stderr.error(&Error::of_run(output));
            Exit::Failed
        }
    })
}

/// Shows the pending requests, and the command that answers them.
fn say_open(stderr: Stderr, arguments: &Attach, snapshot: &Snapshot) {
    let output: &RunOutput = &snapshot.output();
    let origin = DefinitionSource::of(&output.metadata);
    let words = ResumeCommand {
        db: arguments.run.kept.said().cloned(),
        file: None,
        allow_shell: origin.as_ref().is_some_and(|origin| origin.allow_shell),
        doors: origin.as_ref().map(DefinitionSource::doors).unwrap_or_default(),
    };
    let go_on = words.go_on(output);
    write(waiting(output, stderr.terminal, Some(&go_on)).trim_end_matches('\n'));
}
