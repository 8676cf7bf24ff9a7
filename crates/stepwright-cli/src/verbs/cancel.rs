//! `stepwright cancel`.

use crate::args::CancelRun;
use crate::database::run_error;
use crate::exit::Exit;
use crate::ui::summary::how_ended;
use crate::ui::terminal::{Stderr, write};
use std::time::Duration;
use stepwright::term::status_word;
use stepwright::{Error, ErrorId, ErrorKind, RunStatus, StepInput, Workflow};
use stepwright_core::plan::{After, Node, NodeKind, Plan, children};
use stepwright_engine::{drivers, real_world};

/// The time to wait for the end: longer than the time after which a silent driver on another
/// machine counts as dead.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// The time to wait for a driver before its state is checked again.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Cancels a run in any process.
pub(crate) async fn cancel_run(arguments: &CancelRun, stderr: Stderr) -> Result<Exit, Error> {
    let opened = arguments.run.kept.database()?.open_existing().await?;
    let runs = opened.runs(arguments.run.user.as_ref())?;
    let run = &arguments.run.find(&runs).await?;
    let row = runs.row(run).await.map_err(run_error)?;
    if row.status == RunStatus::Cancelled {
        stderr.note(&format!("run `{run}` was cancelled before"));
        return Ok(Exit::Completed);
    }
    if row.status.is_terminal() {
        let what = format!("run `{run}` has ended already: {}", how_ended(row.status));
        return Err(Error::usage(what).with_id(ErrorId::RUN_ENDED));
    }
    // A run without a driver is ended by this process, which needs no definition for that. The
    // workflow's id matches no run, so it resumes no other run.
    let nothing = async |_: StepInput| ();
    let ender = Workflow::builder("stepwright cancel").step(nothing);
    let ender = opened.beneath(ender).build()?;
    let left_out = match &row.driver {
        // Its driver has the definition.
        Some(_) => Vec::new(),
        None => steps_after(runs.plan(run).await?.as_ref()),
    };
    let world = real_world();
    let began = world.now();
    // Repeated until the run has ended, it stays one request: a second one would cut its `finally`
    // short.
    let request = world.run_id();
    loop {
        let changed = runs.changed(run);
        ender.cancel_run_once(run, request.as_str()).await?;
        let row = runs.row(run).await.map_err(run_error)?;
        if row.status.is_terminal() {
            write(&format!("run {run} {}", status_word(row.status)));
            if row.status == RunStatus::Cancelled && !left_out.is_empty() {
                let keys: Vec<_> = left_out.iter().map(|key| format!("`{key}`")).collect();
                stderr.note(&format!(
                    "{} did not run: no process drove the run, and only its workflow file has the \
                     steps",
                    keys.join(" and ")
                ));
            }
            return Ok(match row.status {
                RunStatus::Cancelled => Exit::Completed,
                // The run ended by itself first.
                _ => Exit::Failed,
            });
        }
        if world.now().since(began) > WAIT_MAX {
            let driver = row
                .driver
                .as_deref()
                .map_or_else(|| "an unknown process".to_owned(), drivers::shown);
            let what =
                format!("run `{run}` is still driven by {driver}, which was asked to end it");
            let hint = "it ends when its driver hears of it: `stepwright show` tells";
            let error = Error::new(ErrorKind::Store, what).with_id(ErrorId::CANCEL_UNHEARD);
            return Err(error.with_hint(hint));
        }
        let _ = tokio::time::timeout(LOOK_AGAIN, changed).await;
    }
}

/// Returns the keys of the steps that run after a cancelled run.
fn steps_after(plan: Option<&Plan>) -> Vec<&'static str> {
    fn find(nodes: &[Node], found: &mut Vec<&'static str>) {
        for node in nodes {
            if let NodeKind::After { on: on @ (After::Always | After::Undo), .. } = &node.kind
                && !found.contains(&on.key())
            {
                found.push(on.key());
            }
            for inside in children(node) {
                find(inside, found);
            }
        }
    }
    let mut found = Vec::new();
    if let Some(plan) = plan {
        find(&plan.body, &mut found);
        find(&plan.after, &mut found);
    }
    found
}
