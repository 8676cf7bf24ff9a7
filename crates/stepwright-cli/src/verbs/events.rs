//! `stepwright events`.

use crate::args::Events;
use crate::database::run_error;
use crate::exit::Exit;
use crate::open::runs_with;
use crate::ui::print::Stdout;
use crate::ui::terminal::Stderr;
use futures_util::StreamExt as _;
use stepwright::term::line;
use stepwright::{Error, Event};
use stepwright_term::utc;

/// Shows the facts of a run, and with `--follow` those that are still to come.
pub(crate) async fn events(arguments: &Events, stderr: Stderr) -> Result<Exit, Error> {
    let (runs, run) = runs_with(&arguments.run).await?;
    let from = arguments.after.map_or(0, |after| after.saturating_add(1));
    let events = if arguments.follow {
        runs.follow(&run, from).await
    } else {
        runs.recorded(&run, from).await
    };
    let mut events = events.map_err(run_error)?;
    let mut stdout = Stdout::new();
    while let Some(event) = events.next().await {
        let fact = event.map_err(run_error)?;
        if arguments.json {
            stdout.write_json(&fact);
        } else {
            stdout.write(&shown(&fact));
        }
        if stdout.is_closed() {
            break;
        }
    }
    Ok(stdout.end(stderr, Exit::Completed))
}

/// Formats a fact as a line with its number, its time and its description.
fn shown(fact: &Event) -> String {
    let what = line(fact).unwrap_or_else(|| fact.name().to_owned());
    format!("{:>4}  {}  {what}\n", fact.sequence, utc(fact.time))
}
