//! `stepwright worker`.

use crate::args::Worker;
use crate::exit::Exit;
use crate::program::Program;
use crate::ui::cancel::Cancel;
use crate::ui::debug;
use crate::ui::terminal::Stderr;
use crate::{dispatcher, open};
use std::path::{Path, PathBuf};
use std::time::Duration;
use stepwright::{Error, Workflow, dispatch};
use tokio_util::sync::CancellationToken;

/// The time that runs have to end when this command ends. After that, other workers go on with
/// them.
const PATIENCE: Duration = Duration::from_secs(5);

/// Drives the background runs of workflow files that other processes submit.
pub(crate) fn worker(arguments: &Worker, program: &Program, stderr: Stderr) -> Exit {
    started(arguments, program, stderr).unwrap_or_else(|exit| exit)
}

fn started(arguments: &Worker, program: &Program, stderr: Stderr) -> Result<Exit, Exit> {
    let reported = |error: Error| {
        stderr.error(&error);
        Exit::of(&error)
    };
    let (address, kept) = (&arguments.dispatcher, arguments.kept());
    let first = arguments.files.first().map_or(Path::new("-"), PathBuf::as_path);
    let chosen = dispatcher::choose(program, address, 0, &kept, first);
    let (storage, chosen) = chosen.map_err(reported)?;
    let sources = arguments.files.iter().map(|file| arguments.reading.definition(file));
    let definitions = open::definitions(sources, stderr)?;
    debug::show_warnings(stderr.terminal);
    let runtime = open::runtime(stderr)?;
    let (cancel, _signals) = Cancel::on_signals(stderr);
    let served = runtime.block_on(async {
        let opened = storage.db.open().await?;
        let queue = chosen.open(&opened).await?;
        let mut workflows: Vec<Workflow> = Vec::new();
        for (source, definition) in &definitions {
            let builder = open::builder(definition)?.concurrent_runs(arguments.concurrency.into());
            let workflow = dispatcher::beneath(&opened, Some(&queue), builder).build()?;
            match &source.agent {
                Some(agent) if workflows.iter().any(|other| other.id() == workflow.id()) => {
                    let id = workflow.id();
                    stderr.note(&format!("agent `{agent}` is left out: `{id}` is taken"));
                }
                _ => workflows.push(workflow),
            }
        }
        let add = |worker: dispatch::Worker, workflow| worker.workflow(workflow);
        let mut worker = workflows.iter().fold(dispatch::Worker::new(), add);
        if !arguments.queues.is_empty() {
            worker = worker.queues(arguments.queues.iter().map(String::as_str));
        }
        let stop = CancellationToken::new();
        let mut serving = Box::pin(worker.serve(stop.clone()));
        // Programs wait for this line.
        let names: Vec<String> = workflows.iter().map(|it| format!("`{}`", it.id())).collect();
        stderr.note(&format!("driving runs of {} from {address}", names.join(", ")));
        if !arguments.queues.is_empty() {
            stderr.note(&format!("serving the queues {}", arguments.queues.join(", ")));
        }
        tokio::select! {
            ended = &mut serving => return ended,
            _ = cancel.requested() => stop.cancel(),
        }
        stderr.note("stopping: runs under way are left to other workers");
        let leaving = async {
            let left = workflows.iter().map(|workflow| workflow.shutdown(PATIENCE));
            futures_util::future::try_join_all(left).await
        };
        let (served, left) = tokio::join!(serving, leaving);
        served.and(left.map(drop))
    });
    open::end(runtime, stderr);
    served.map_err(reported)?;
    Ok(Exit::Completed)
}
