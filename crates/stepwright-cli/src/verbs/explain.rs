//! `stepwright explain`.

use crate::args::Explain;
use crate::exit::Exit;
use crate::ui::print::Stdout;
use crate::ui::terminal::Stderr;
use std::fmt::Write as _;
use stepwright::codes::{self, Area, Entry};
use stepwright::{Error, ErrorId, Report};

/// The number of known codes that the error for an unknown one names.
const NEAR: usize = 3;

/// Prints the page of an error code, or the list of all codes.
pub(crate) fn explain(arguments: &Explain, stderr: Stderr) -> Exit {
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
    stdout.write(&text);
    stdout.end(stderr, Exit::Completed)
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
