//! `stepwright explain`.

use super::explained_run::explained;
use crate::args::Explain;
use crate::database::run_error;
use crate::definition_source::DefinitionSource;
use crate::exit::Exit;
use crate::open;
use crate::run_reference::RunReference;
use crate::ui::print::Stdout;
use crate::ui::resume_command::ResumeCommand;
use crate::ui::terminal::Stderr;
use std::fmt::Write as _;
use stepwright::codes::{self, Area, Entry};
use stepwright::term::rendered;
use stepwright::{Error, ErrorId, ErrorKind, Report};

/// The number of known codes that the error for an unknown one names.
const NEAR: usize = 3;

/// The length of a word that may be a misspelled code.
const CODE_CHARS_MAX: usize = 8;

/// Prints the page of an error code, the list of all codes, or why a run failed.
pub(crate) fn explain(arguments: &Explain, stderr: Stderr) -> Exit {
    if let Some(name) = &arguments.code
        && let Some(exit) = run(name, arguments, stderr)
    {
        return exit;
    }
    let text = match &arguments.code {
        None => codes::AREAS.iter().map(listed).collect::<Vec<_>>().join("\n"),
        Some(code) => match entry(code) {
            Ok(entry) => page(entry),
            Err(report) => {
                stderr.report(&report);
                return Exit::Usage;
            }
        },
    };
    let mut stdout = Stdout::new();
    // The pages are Markdown, with lines of their own length.
    if arguments.code.is_some() && stdout.is_read_by_people() {
        stdout.write(&rendered(&text.into(), stdout.terminal()));
    } else {
        stdout.write_wrapped(&text);
    }
    stdout.end(stderr, Exit::Completed)
}

/// Explains a run. `None` if the text is an error code. A database on the command line says that a
/// run is meant.
fn run(name: &str, arguments: &Explain, stderr: Stderr) -> Option<Exit> {
    let is_code = name.parse::<ErrorId>().is_ok();
    let said = arguments.kept.said().is_some();
    let wanted = name.parse::<RunReference>().ok().filter(|_| said || !is_code)?;
    let looks_like_code = name.len() <= CODE_CHARS_MAX
        && name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("sw"));
    if !said && (looks_like_code || arguments.kept.database().is_err()) {
        // It may be a misspelled code: its error names the codes.
        return None;
    }
    let work = async {
        let runs = match open::runs(&arguments.kept, arguments.user.as_ref()).await {
            Err(error) if !said && error.id() == ErrorId::DATABASE_MISSING => return Ok(None),
            runs => runs?,
        };
        let id = match wanted.find(&runs).await {
            Err(error) if error.kind() == ErrorKind::NotFound && is_code => return Ok(None),
            found => found.map_err(run_error)?,
        };
        let snapshot = runs.load(&id).await.map_err(run_error)?;
        let origin = DefinitionSource::of(&snapshot.output().metadata);
        let words = ResumeCommand {
            db: arguments.kept.said().cloned(),
            file: None,
            allow_shell: origin.as_ref().is_some_and(|origin| origin.allow_shell),
            doors: origin.as_ref().map(DefinitionSource::doors).unwrap_or_default(),
        };
        Ok(Some(explained(&snapshot, &words)))
    };
    let text: Result<Option<String>, Error> = match open::runtime(stderr) {
        Ok(runtime) => runtime.block_on(work),
        Err(exit) => return Some(exit),
    };
    match text {
        Ok(text) => {
            let mut stdout = Stdout::new();
            stdout.write_wrapped(&text?);
            Some(stdout.end(stderr, Exit::Completed))
        }
        Err(error) => {
            stderr.error(&error);
            Some(Exit::of(&error))
        }
    }
}

fn entry(code: &str) -> Result<&'static Entry, Report> {
    let unknown = |what: String| Error::usage(what).with_id(ErrorId::CODE_UNKNOWN).to_report();
    let id: ErrorId = code.parse().map_err(|wrong: codes::ErrorIdError| {
        unknown(wrong.to_string()).help("`stepwright explain` lists all codes")
    })?;
    codes::find(id).ok_or_else(|| {
        let mut near: Vec<&Entry> = codes::all().collect();
        near.sort_by_key(|entry| entry.id.number().abs_diff(id.number()));
        near.truncate(NEAR);
        near.sort_by_key(|entry| entry.id);
        let near = near.iter().map(|entry| format!("`{}` ({})", entry.id, entry.title));
        let near = near.collect::<Vec<_>>().join(", ");
        unknown(format!("there is no error code `{id}`"))
            .help(format!("the nearest are {near}; `stepwright explain` lists all codes"))
    })
}

/// Formats an area as a list of codes and titles.
fn listed(area: &Area) -> String {
    let mut text = format!("{}\n", area.title);
    for entry in area.entries {
        let _ = writeln!(text, "  {}  {}", entry.id, entry.title);
    }
    text
}

fn page(entry: &Entry) -> String {
    format!("{}: {}\n\n{}", entry.id, entry.title, entry.page())
}
