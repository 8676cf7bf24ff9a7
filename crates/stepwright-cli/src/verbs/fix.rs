//! `stepwright fix`.

use crate::args::Fix;
use crate::exit::Exit;
use crate::ui::print::Stdout;
use crate::ui::terminal::{Stderr, write};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use stepwright::file::{Fixed, Options};
use stepwright::{Error, ErrorId};

/// Corrects files, and shows what has changed.
pub(crate) fn fix(arguments: &Fix, stderr: Stderr) -> Exit {
    let options = Options {
        only_checks: true,
        allow_path: arguments.allow_path.clone(),
        ..Options::default()
    };
    let mut stdout = Stdout::new();
    let mut exit = Exit::Completed;
    for file in &arguments.files {
        let name = file.display().to_string();
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => {
                let error = Error::usage(format!("`{name}` cannot be read")).with_source(error);
                stderr.error(&error.with_id(ErrorId::FILE_UNREADABLE));
                exit = Exit::Usage;
                continue;
            }
        };
        let Fixed { text: fixed, count, left, .. } = stepwright::file::fix(&text, &name, &options);
        if count > 0 {
            stdout.write(&difference(&name, &text, &fixed));
            let verb = if arguments.check { "would change" } else { "changed" };
            let places = if count == 1 { "place" } else { "places" };
            write(&format!("{name}: {verb} {count} {places}"));
            if arguments.check {
                exit = if matches!(exit, Exit::Completed) { Exit::Failed } else { exit };
            } else if let Err(error) = replace(file, &fixed) {
                stderr.error(&error);
                exit = Exit::Usage;
            }
        }
        if let Some(mistakes) = left {
            stderr.mistakes(&mistakes);
            exit = Exit::Usage;
        }
    }
    stdout.end(stderr, exit)
}

/// Replaces a file at once, so that it is never half written.
fn replace(file: &Path, text: &str) -> Result<(), Error> {
    let failed = |error| {
        let what = format!("`{}` cannot be written", file.display());
        Error::usage(what).with_id(ErrorId::TERMINAL_FAILED).with_source(error)
    };
    // A link leads to the file that is meant.
    let file = file.canonicalize().map_err(failed)?;
    let mut beside = file.clone().into_os_string();
    beside.push(".fixed");
    fs::write(&beside, text).map_err(failed)?;
    let kept = fs::metadata(&file).and_then(|of| fs::set_permissions(&beside, of.permissions()));
    kept.and_then(|()| fs::rename(&beside, &file)).map_err(|error| {
        drop(fs::remove_file(&beside));
        failed(error)
    })
}

/// Returns the lines that differ. A correction never adds or removes lines.
fn difference(name: &str, before: &str, after: &str) -> String {
    let mut shown = format!("--- {name}\n+++ {name}\n");
    for (at, (old, new)) in before.lines().zip(after.lines()).enumerate() {
        if old != new {
            let _ = write!(shown, "@@ -{0} +{0} @@\n-{old}\n+{new}\n", at + 1);
        }
    }
    shown
}
