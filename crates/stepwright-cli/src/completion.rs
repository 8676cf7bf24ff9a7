//! Completions for shells: with the ids of runs, and the requests and steps of a run.

use crate::database::Database;
use crate::run_reference::{RunReference, short};
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::{CompleteEnv, Shells};
use std::ffi::OsString;
use std::time::Duration;
use stepwright::store::RunFilter;
use stepwright::{RunId, StepResult};
use stepwright_engine::Runs;
use stepwright_term::status_word;

/// The variable with which a shell asks for completions.
const VARIABLE: &str = "COMPLETE";

/// The largest number of runs that are offered, the newest first.
const OFFERED_MAX: usize = 50;

/// The longest time for an answer: a shell waits for it at each press of the key.
const PATIENCE: Duration = Duration::from_secs(2);

/// Answers a shell that asks for completions of this command, and exits. Returns if no shell asks.
#[expect(clippy::exit, reason = "nothing has begun yet, and the shell has its answer")]
pub(crate) fn answer(program: &str, command: impl Fn() -> clap::Command, given: &[OsString]) {
    let completing = CompleteEnv::with_factory(command).var(VARIABLE).bin(program);
    let directory = std::env::current_dir().ok();
    let answered = completing.try_complete(given.iter().cloned(), directory.as_deref());
    if answered.unwrap_or_else(|error| error.exit()) {
        std::process::exit(0);
    }
}

/// Returns the script with which a shell asks this command for completions.
pub(crate) fn script(program: &str, shell: &str) -> String {
    let mut script = Vec::new();
    if let Some(completer) = Shells::builtins().completer(shell) {
        // Writing into memory does not fail.
        let _ = completer.write_registration(VARIABLE, program, program, program, &mut script);
    }
    String::from_utf8_lossy(&script).into_owned()
}

/// Returns the ids of the newest runs.
pub(crate) fn runs() -> Vec<CompletionCandidate> {
    let found = ask(async |runs, _| {
        let rows = runs.list(RunFilter { limit: OFFERED_MAX, ..RunFilter::default() }).await;
        rows.unwrap_or_default()
    });
    let rows = found.unwrap_or_default().into_iter().enumerate().map(|(nth, row)| {
        let about = format!("{} {}", status_word(row.status), row.workflow_id);
        let candidate = CompletionCandidate::new(short(&row.run_id));
        candidate.help(Some(about.into())).display_order(Some(nth))
    });
    rows.chain([CompletionCandidate::new("last").help(Some("the newest run".into()))]).collect()
}

/// Returns the ids of the pending requests of the run on the command line, and the paths of their
/// steps.
pub(crate) fn requests() -> Vec<CompletionCandidate> {
    of_run(|snapshot| {
        let output = snapshot.output();
        let asked = output.requirements.iter().filter(|asked| asked.needs_person());
        let ids = asked.flat_map(|asked| {
            [&*asked.id, asked.path.as_str()].map(|id| (id.to_owned(), asked.message.to_string()))
        });
        ids.collect()
    })
}

/// Returns the paths of the steps of the run on the command line, in the order of the tree.
pub(crate) fn steps() -> Vec<CompletionCandidate> {
    let paths = of_run(|snapshot| {
        let mut paths = Vec::new();
        add_paths(&snapshot.output().step_results, &mut paths);
        paths
    });
    let in_order = paths.into_iter().enumerate();
    in_order.map(|(nth, path)| path.display_order(Some(nth))).collect()
}

fn add_paths(steps: &[StepResult], paths: &mut Vec<(String, String)>) {
    for step in steps {
        paths.push((step.path.to_string(), step.status.to_string()));
        add_paths(&step.steps, paths);
    }
}

fn of_run(
    candidates: impl Fn(&stepwright_engine::Snapshot) -> Vec<(String, String)>,
) -> Vec<CompletionCandidate> {
    let found = ask(async |runs, words| {
        for word in words {
            let Ok(reference) = word.parse::<RunReference>() else { continue };
            let Ok(run) = reference.find(runs).await else { continue };
            return loaded(runs, &run).await.map(|snapshot| candidates(&snapshot));
        }
        None
    });
    let found = found.flatten().unwrap_or_default().into_iter();
    found.map(|(id, about)| CompletionCandidate::new(id).help(Some(about.into()))).collect()
}

async fn loaded(runs: &Runs, run: &RunId) -> Option<stepwright_engine::Snapshot> {
    runs.load(run).await.ok()
}

/// Asks the database of the command line. `None` if it cannot be asked in time: a shell shows no
/// errors.
fn ask<T>(question: impl AsyncFnOnce(&Runs, Vec<String>) -> T) -> Option<T> {
    let (db, words) = of_command_line(std::env::args_os());
    let db = db.or_else(Database::of_environment).or_else(|| Database::usual(None))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let answer = runtime.block_on(async {
        let work = async {
            let runs = db.open_existing().await.ok()?.runs(None).ok()?;
            Some(question(&runs, words).await)
        };
        tokio::time::timeout(PATIENCE, work).await.ok().flatten()
    });
    runtime.shutdown_background();
    answer
}

/// Returns the database of the line that a shell completes, and the words that may name a run.
fn of_command_line(arguments: impl Iterator<Item = OsString>) -> (Option<Database>, Vec<String>) {
    // The shell passes the line behind `--`, with the name of the command as its first word.
    let mut line = arguments.skip_while(|word| word != "--").skip(2);
    let (mut db, mut words) = (None, Vec::new());
    while let Some(word) = line.next() {
        match word.to_str() {
            Some("--db") => db = line.next().map(Database::named),
            Some(word) if word.starts_with("--db=") => {
                db = Some(Database::named(word["--db=".len()..].into()));
            }
            Some(word) if !word.starts_with('-') => words.push(word.to_owned()),
            _ => {}
        }
    }
    // The first word is the verb.
    (db, words.into_iter().skip(1).collect())
}
