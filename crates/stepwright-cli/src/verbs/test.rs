//! `stepwright test`.

use crate::args::{self, FromRun, Test, TestFrom};
use crate::database::run_error;
use crate::definition_source::DefinitionSource;
use crate::exit::Exit;
use crate::open;
use crate::ui::print::Stdout;
use crate::ui::terminal::Stderr;
use crate::verbs::resume::of_program;
use serde_json::json;
use std::path::{Path, PathBuf};
use stepwright::{Error, ErrorId};
use stepwright_cassette::{CASSETTE, Journal, Replay, Report, Source, record};

/// The largest depth of folders in which cassettes are looked for.
const DEPTH_MAX: usize = 32;

/// Replays cassettes, or makes one.
pub(crate) fn test(arguments: &Test, stderr: Stderr) -> Exit {
    let done = match &arguments.from {
        Some(TestFrom::FromRun(wanted)) => from_run(wanted, stderr),
        None => replay(arguments, stderr),
    };
    done.unwrap_or_else(|error| {
        stderr.error(&error);
        Exit::of(&error)
    })
}

/// Makes a cassette of a run.
fn from_run(arguments: &FromRun, stderr: Stderr) -> Result<Exit, Error> {
    let runtime = match open::runtime(stderr) {
        Ok(runtime) => runtime,
        Err(exit) => return Ok(exit),
    };
    let loaded = runtime.block_on(async {
        let (runs, run) = open::runs_with(&arguments.run).await?;
        let output = runs.get(&run).await.map_err(run_error)?;
        let journal = Journal::of(&runs, &run).await.map_err(run_error)?;
        Ok::<_, Error>((run, output, journal))
    });
    let (run, output, journal) = loaded?;
    let origin = DefinitionSource::of(&output.metadata);
    let (file, definition) = match (&arguments.file, origin) {
        (None, None) => return Err(of_program(&run)),
        (Some(file), None) => (file.clone(), None),
        (file, Some(origin)) => (file.clone().unwrap_or(origin.file.clone()), Some(origin)),
    };
    if let Some(agent) = definition.as_ref().and_then(|origin| origin.agent.as_ref()) {
        let what = format!("run `{run}` is one of the agent `{agent}` alone");
        let hint = "a test replays a whole workflow file: make it of a run of `stepwright run`";
        return Err(Error::usage(what).with_hint(hint));
    }
    // Nothing is carried out, so the permissions of the run are those of the replay.
    let definition = args::Definition {
        file: file.clone(),
        model: definition.as_ref().and_then(|origin| origin.model.clone()),
        allow_shell: definition.as_ref().is_none_or(|origin| origin.allow_shell),
        doors: definition.as_ref().map(DefinitionSource::doors).unwrap_or_default(),
        base_dir: None,
        prompt: definition.as_ref().and_then(DefinitionSource::prompt),
        agent: None,
    };
    let options = match definition.options() {
        Ok(options) => options,
        Err(mistakes) => {
            stderr.mistakes(&mistakes);
            return Ok(Exit::Usage);
        }
    };
    let cassette = match &arguments.output {
        Some(path) => path.clone(),
        None => PathBuf::from(format!("{}{CASSETTE}", name_of(run.as_str()))),
    };
    check_new(&cassette)?;
    let made = record(&journal, Source::File(&file, &options), &cassette)?;
    let mut stdout = Stdout::new();
    if arguments.json {
        let (cassette, golden) = (&made.cassette, &made.golden);
        stdout.write_json_pretty(
            &json!({"cassette": cassette, "golden": golden, "effects": made.effects}),
        );
    } else {
        let text = format!("{}\n{}\n", made.cassette.display(), made.golden.display());
        stdout.write(&stdout.readable(text));
        let again = format!("stepwright test {}", made.cassette.display());
        let recorded = match made.effects {
            1 => "1 effect was recorded; replay it".to_owned(),
            effects => format!("{effects} effects were recorded; replay them"),
        };
        stderr.note(&format!("{recorded} with `{again}`"));
    }
    Ok(stdout.end(stderr, Exit::Completed))
}

/// Returns a file name for a run.
fn name_of(run: &str) -> String {
    run.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect()
}

fn check_new(cassette: &Path) -> Result<(), Error> {
    let shown = cassette.display();
    if !cassette.to_string_lossy().ends_with(CASSETTE) {
        let error = Error::usage(format!("`{shown}` is no name of a cassette"));
        return Err(error
            .with_id(ErrorId::CASSETTE_INVALID)
            .with_hint(format!("end it in `{CASSETTE}`, so that `stepwright test` finds it")));
    }
    if cassette.exists() {
        let error = Error::usage(format!("`{shown}` exists already"));
        return Err(error
            .with_id(ErrorId::FILE_EXISTS)
            .with_hint("choose another name with `--output`, or remove it"));
    }
    Ok(())
}

/// Replays cassettes.
fn replay(arguments: &Test, stderr: Stderr) -> Result<Exit, Error> {
    let mut files = Vec::new();
    for path in &arguments.files {
        let before = files.len();
        find(path, 0, &mut files)?;
        if files.len() == before {
            let error = Error::usage(format!("there is no cassette in `{}`", path.display()));
            return Err(error
                .with_id(ErrorId::CASSETTE_INVALID)
                .with_hint("`stepwright test from-run RUN_ID` makes one of a run"));
        }
    }
    let mut stdout = Stdout::new();
    let (mut results, mut differing, mut unusable) = (Vec::new(), 0_usize, 0_usize);
    for file in files {
        match Replay::of(&file).update(arguments.update).run() {
            Ok(report) => {
                differing += usize::from(!report.differences.is_empty());
                if arguments.json {
                    results.push(result(&report));
                } else {
                    stdout.write(&stdout.readable(format!("{report}\n")));
                }
            }
            // The other tests are still worth their result.
            Err(error) => {
                unusable += 1;
                if arguments.json {
                    let error = error.to_data();
                    results.push(json!({"file": file, "result": "unusable", "error": error}));
                } else {
                    stderr.error(&error);
                }
            }
        }
    }
    if arguments.json {
        stdout.write_json_pretty(&results);
    }
    if arguments.update && differing > 0 {
        stderr.help(
            "what was never recorded cannot be taken over: run the workflow, and make a new test \
             of the run with `stepwright test from-run`",
        );
    } else if differing > 0 {
        stderr.help("if a change is wanted, take it over with `--update`");
    }
    let exit = match (unusable, differing) {
        (0, 0) => Exit::Completed,
        (0, _) => Exit::Failed,
        _ => Exit::Usage,
    };
    Ok(stdout.end(stderr, exit))
}

fn result(report: &Report) -> serde_json::Value {
    let result = match (report.differences.is_empty(), report.updated) {
        (true, false) => "ok",
        (true, true) => "updated",
        (false, _) => "differs",
    };
    json!({"file": report.file, "result": result, "differences": report.differences})
}

/// Finds the cassettes of a path: the file itself, or those in a folder, by name.
fn find(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    if depth == DEPTH_MAX {
        return Ok(());
    }
    let entries = std::fs::read_dir(path).map_err(|error| {
        let what = format!("the folder `{}` cannot be read: {error}", path.display());
        Error::usage(what).with_id(ErrorId::CASSETTE_INVALID)
    })?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        // A link may lead back up.
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() || path.to_string_lossy().ends_with(CASSETTE) {
            find(&path, depth + 1, files)?;
        }
    }
    Ok(())
}
