//! `stepwright check`.

use crate::args::Check;
use crate::exit::Exit;
use crate::ui::print::Stdout;
use crate::ui::terminal::Stderr;
use serde::Serialize;
use stepwright::file::{Definition, Diagnostics, Options, Outline};

/// The steps of a file without mistakes, and the warnings about it.
#[derive(Serialize)]
struct Checked<'a> {
    #[serde(flatten)]
    outline: &'a Outline,
    #[serde(skip_serializing_if = "Diagnostics::is_empty")]
    warnings: &'a Diagnostics,
}

/// Checks a file, and shows its steps or its mistakes.
pub(crate) fn check(arguments: &Check, stderr: Stderr) -> Exit {
    let mut stdout = Stdout::new();
    let file = &arguments.definition.file;
    // Nothing runs, so a check needs no permission.
    let options = Options { allow_shell: true, ..arguments.definition.options() };
    let exit = match Definition::read(file, &options) {
        Ok(definition) => {
            let (outline, warnings) = (definition.explain(), definition.warnings());
            if arguments.json {
                stdout.write_json_pretty(&Checked { outline: &outline, warnings });
            } else {
                stdout.write(&format!("{}: ok\n{outline}", file.display()));
                stderr.warnings(warnings);
            }
            Exit::Completed
        }
        Err(mistakes) if arguments.json => {
            stdout.write_json_pretty(&mistakes);
            if mistakes.left_out() > 0 {
                stderr.help(&format!("there are {} more mistakes", mistakes.left_out()));
            }
            Exit::Usage
        }
        Err(mistakes) => {
            stderr.mistakes(&mistakes);
            Exit::Usage
        }
    };
    stdout.end(stderr, exit)
}
