//! `stepwright events`.

use crate::args::Events;
use crate::exit::Exit;
use crate::look;
use crate::print::Stdout;
use crate::terminal::Stderr;
use stepwright::term::line;
use stepwright::{AnyStore, Error, Event, RunId};
use stepwright_core::store::Watched;
use stepwright_term::utc;

/// Shows what happened in a run, and what happens.
pub(crate) async fn events(arguments: &Events, stderr: Stderr) -> Result<Exit, Error> {
    let store = look::opened(&arguments.run.kept).await?.store();
    let run = &arguments.run.run;
    look::row(&store, &arguments.run).await?;
    let mut stdout = Stdout::new();
    let mut next = arguments.after.map_or(0, |after| after.saturating_add(1));
    loop {
        // Whatever is recorded from here on is noticed.
        let changed = store.changed(Watched::Facts(run.clone()));
        let is_over = write_from(&store, run, &mut next, &mut stdout, arguments.json).await?;
        if is_over || !arguments.follow || stdout.is_closed() {
            break;
        }
        // Somebody may have deleted it, with its session.
        if look::row(&store, &arguments.run).await?.status.is_terminal() {
            write_from(&store, run, &mut next, &mut stdout, arguments.json).await?;
            break;
        }
        changed.await;
    }
    Ok(stdout.end(stderr, Exit::Completed))
}

/// Writes the facts that are there from `next` on. `true` if the run has ended with one of them.
async fn write_from(
    store: &AnyStore,
    run: &RunId,
    next: &mut u64,
    stdout: &mut Stdout,
    json: bool,
) -> Result<bool, Error> {
    loop {
        let facts = look::page(store, run, *next).await?;
        for fact in &facts {
            if json {
                stdout.write_json(fact);
            } else {
                stdout.write(&shown(fact));
            }
            *next = fact.sequence + 1;
        }
        if facts.last().is_some_and(|fact| fact.kind.is_terminal()) {
            return Ok(true);
        }
        if !look::is_full(&facts) || stdout.is_closed() {
            return Ok(false);
        }
    }
}

/// Its number, when it was, and what happened.
fn shown(fact: &Event) -> String {
    let what = line(fact).unwrap_or_else(|| fact.name().to_owned());
    format!("{:>4}  {}  {what}\n", fact.sequence, utc(fact.time))
}
