//! `stepwright prune`, `vacuum`, `export`, `import` and `erase`.

use crate::args::{Erase, Export, Import, Prune, Told, Vacuum};
use crate::database::{Opened, run_error, session_error};
use crate::exit::Exit;
use crate::open;
use crate::ui::print::Stdout;
use crate::ui::terminal::Stderr;
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write as _};
use std::path::Path;
use stepwright::tools::SweptFiles;
use stepwright::{Error, ErrorId, Timestamp, real_world};
use stepwright_engine::{Archived, IMPORT_LINE_BYTES_MAX, Removed, Runs};

/// Deletes old runs.
pub(crate) async fn prune(arguments: &Prune, stderr: Stderr) -> Result<Exit, Error> {
    let opened = arguments.kept.database()?.open_to_read().await?;
    let runs = opened.runs(None)?;
    let age = u64::try_from(arguments.older_than.as_millis()).unwrap_or(u64::MAX);
    let prune = stepwright_engine::Prune {
        ended_before: Timestamp(real_world().wall().0.saturating_sub(age)),
        keep: arguments.keep,
        workflow: arguments.workflow.clone(),
        dry_run: arguments.told.dry_run,
    };
    let removed = All::of(&opened, runs.prune(&prune).await?, stderr).await?;
    let told = if removed.runs.dry_run { "would be deleted" } else { "deleted" };
    let count = many(removed.runs.runs.len(), "run");
    let text = format!("{count} {told}, {}\n", content(&removed));
    Ok(tell(&removed, &text, arguments.told.json, stderr))
}

/// Gives the space of deleted data back.
pub(crate) async fn vacuum(arguments: &Vacuum, stderr: Stderr) -> Result<Exit, Error> {
    let database = arguments.kept.database()?;
    let runs = open::runs(&arguments.kept, None).await?;
    if arguments.dry_run {
        let text = format!("the database `{database}` would be compacted\n");
        let told = serde_json::json!({ "database": database.to_string(), "dry_run": true });
        return Ok(tell(&told, &text, arguments.json, stderr));
    }
    let compacted = runs.compact().await?;
    let (before, after) = (size(compacted.before), size(compacted.after));
    let text = format!("compacted from {before} to {after}\n");
    Ok(tell(&compacted, &text, arguments.json, stderr))
}

/// Writes runs as JSON lines.
pub(crate) async fn export(arguments: &Export, stderr: Stderr) -> Result<Exit, Error> {
    let Told { dry_run, json } = arguments.told;
    if json && arguments.output.is_none() && !dry_run {
        let error = Error::usage("`--json` writes the summary to stdout, and so go the lines");
        let error = error.with_id(ErrorId::ARGUMENTS_CONFLICT);
        return Err(error.with_hint("name a file for the lines with `--output FILE`"));
    }
    let runs = open::runs(&arguments.kept, None).await?;
    let which = stepwright_engine::Export {
        runs: arguments.runs.clone(),
        session: arguments.session.clone(),
        user: arguments.user.clone(),
    };
    if dry_run {
        let archived = runs.export(&which, |_| Ok(())).await.map_err(run_error)?;
        let text = format!("{} would be exported\n", archive(&archived));
        return Ok(tell(&archived, &text, json, stderr));
    }
    let Some(path) = &arguments.output else {
        let mut stdout = Stdout::new();
        let archived = runs.export(&which, |line| {
            stdout.write(line);
            stdout.write("\n");
            Ok(())
        });
        let archived = archived.await.map_err(run_error)?;
        stderr.note(&format!("{} exported", archive(&archived)));
        return Ok(stdout.end(stderr, Exit::Completed));
    };
    let file = File::create_new(path).map_err(|error| unwritable(path, error))?;
    let mut file = BufWriter::new(file);
    let exported = runs
        .export(&which, |line| {
            file.write_all(line.as_bytes())?;
            file.write_all(b"\n")
        })
        .await;
    let synced = |file: BufWriter<File>| file.into_inner()?.sync_all();
    let written = match exported {
        Ok(archived) => synced(file).map(|()| archived).map_err(|error| unwritable(path, error)),
        Err(error) => Err(run_error(error)),
    };
    if written.is_err() {
        // A part of an export would look like one.
        let _ = std::fs::remove_file(path);
    }
    let archived = written?;
    let text = format!("{} exported to {}\n", archive(&archived), path.display());
    Ok(tell(&archived, &text, json, stderr))
}

fn unwritable(path: &Path, error: impl Into<io::Error>) -> Error {
    let error = error.into();
    let what = format!("`{}` cannot be written", path.display());
    let failed = Error::usage(what).with_id(ErrorId::EXPORT_UNWRITABLE);
    match error.kind() {
        io::ErrorKind::AlreadyExists => {
            failed.with_source(error).with_hint("choose another file, or remove this one")
        }
        _ => failed.with_source(error),
    }
}

/// Reads runs from JSON lines.
pub(crate) async fn import(arguments: &Import, stderr: Stderr) -> Result<Exit, Error> {
    let database = arguments.kept.database()?;
    let Told { dry_run, json } = arguments.told;
    let lines = lines(&arguments.file)?;
    // Everything is checked before a database is made.
    let checked = Runs::of(stepwright::AnyStore::new(stepwright::Memory::default()));
    checked.import(&lines, true).await?;
    let opened = if dry_run { database.open_existing().await } else { database.open().await };
    let runs = opened?.runs(None)?;
    let mut archived = runs.import(&lines, true).await?;
    if !dry_run {
        archived = runs.import(&lines, false).await?;
    }
    let told = if dry_run { "would be imported" } else { "imported" };
    let known = match archived.known {
        0 => String::new(),
        known => format!("; {} there already", many(known, "run")),
    };
    let text = format!("{} {told}{known}\n", archive(&archived));
    Ok(tell(&archived, &text, json, stderr))
}

/// Reads the lines of a file, or of stdin.
fn lines(path: &Path) -> Result<Vec<String>, Error> {
    let unreadable = |error: io::Error| {
        Error::usage(format!("`{}` cannot be read", path.display()))
            .with_id(ErrorId::INPUT_UNREADABLE)
            .with_source(error)
    };
    let mut read: Box<dyn io::BufRead> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(path).map_err(unreadable)?))
    };
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        // A byte more than a line may have: the import tells that it is too long.
        let most = IMPORT_LINE_BYTES_MAX as u64 + 2;
        let length = read.by_ref().take(most).read_line(&mut line).map_err(unreadable)?;
        if length == 0 {
            return Ok(lines);
        }
        let is_whole = line.ends_with('\n');
        lines.push(line.trim_end_matches(['\n', '\r']).to_owned());
        if !is_whole {
            return Ok(lines);
        }
    }
}

/// Erases a run, a session or a user.
pub(crate) async fn erase(arguments: &Erase, stderr: Stderr) -> Result<Exit, Error> {
    use stepwright_engine::Erase as Subject;
    let what = match (&arguments.run, &arguments.session, &arguments.user) {
        (Some(run), ..) => Subject::Run(run.clone()),
        (_, Some(session), _) => Subject::Session(session.clone()),
        (.., Some(user)) => Subject::User(user.clone()),
        _ => unreachable!("one of them is required"),
    };
    let not_found = |error| match what {
        Subject::Run(_) => run_error(error),
        _ => session_error(error),
    };
    let opened = arguments.kept.database()?.open_to_read().await?;
    let runs = opened.runs(None)?;
    let Told { dry_run, json } = arguments.told;
    if !dry_run && !arguments.yes {
        let removed = runs.erase(&what, true).await.map_err(not_found)?;
        let removed = All::of(&opened, removed, stderr).await?;
        return Err(Error::usage(format!("{what} is not erased without `--yes`"))
            .with_id(ErrorId::DELETE_UNCONFIRMED)
            .with_hint(format!("it has {}", erased(&removed))));
    }
    let removed = runs.erase(&what, dry_run).await.map_err(not_found)?;
    let removed = All::of(&opened, removed, stderr).await?;
    let told = if dry_run { "would be erased" } else { "erased" };
    let text = format!("{what} {told}: {}\n", erased(&removed));
    Ok(tell(&removed, &text, json, stderr))
}

/// Everything that a command has removed.
#[derive(Serialize)]
struct All {
    #[serde(flatten)]
    runs: Removed,
    kept_files: SweptFiles,
}

impl All {
    /// Removes the kept files that only these runs had.
    async fn of(opened: &Opened, runs: Removed, stderr: Stderr) -> Result<Self, Error> {
        let Some(kept) = opened.kept_files().filter(|_| !runs.runs.is_empty()) else {
            return Ok(Self { runs, kept_files: SweptFiles::default() });
        };
        let swept = kept.sweep(&opened.runs(None)?, &runs.runs, runs.dry_run).await;
        // The runs are gone, so that this is not a failure of the whole.
        let kept_files = swept.unwrap_or_else(|error| {
            stderr.note(&format!("the kept files of workspaces stay: {}", error.report()));
            SweptFiles::default()
        });
        Ok(Self { runs, kept_files })
    }
}

fn erased(removed: &All) -> String {
    let (runs, sessions) = (&removed.runs.runs, &removed.runs.sessions);
    let (runs, sessions) = (many(runs.len(), "run"), many(sessions.len(), "session"));
    let text = format!("{runs} and {sessions}, {}", content(removed));
    match removed.runs.memories {
        0 => text,
        count => {
            let memories =
                if count == 1 { "1 memory".to_owned() } else { format!("{count} memories") };
            format!("{text}; {memories}")
        }
    }
}

fn is_are(count: u64) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

fn content(removed: &All) -> String {
    let content = &removed.runs.content;
    let (facts, signals) = (many(content.facts, "fact"), many(content.signals, "signal"));
    let shared = match content.shared {
        0 => String::new(),
        shared => format!("; {} that forks share {} kept", many(shared, "fact"), is_are(shared)),
    };
    let files = match removed.kept_files {
        SweptFiles { files: 0, .. } => String::new(),
        SweptFiles { files, bytes } => {
            format!(", and {} of workspaces ({})", many(files, "kept file"), size(bytes))
        }
    };
    format!("with {facts} ({}) and {signals}{files}{shared}", size(content.bytes))
}

fn archive(archived: &Archived) -> String {
    let (runs, facts) = (many(archived.runs, "run"), many(archived.facts, "fact"));
    let sessions = many(archived.sessions, "session");
    let memories = match archived.memories {
        0 => String::new(),
        1 => ", and 1 memory".to_owned(),
        count => format!(", and {count} memories"),
    };
    format!("{runs} with {facts} and {sessions}{memories}")
}

fn tell(summary: &impl serde::Serialize, text: &str, json: bool, stderr: Stderr) -> Exit {
    let mut stdout = Stdout::new();
    if json {
        stdout.write_json_pretty(summary);
    } else {
        let text = stdout.readable(text.to_owned());
        stdout.write(&text);
    }
    stdout.end(stderr, Exit::Completed)
}

/// Writes a number of things: `1 run`, `2 runs`.
fn many(count: impl TryInto<u64>, thing: &str) -> String {
    match count.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {thing}"),
        count => format!("{count} {thing}s"),
    }
}

/// Writes a number of bytes with a unit.
fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    match UNITS.iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => {
            let tenths = bytes / (unit / 10);
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} bytes"),
    }
}
