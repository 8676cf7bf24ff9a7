//! `stepwright check`.

use crate::args::Check;
use crate::exit::Exit;
use crate::ui::print::Stdout;
use crate::ui::terminal::Stderr;
use stepwright::file::Definition;

/// Checks a file, and shows its steps or its mistakes.
pub(crate) fn check(arguments: &Check, stderr: Stderr) -> Exit {
    let mut stdout = Stdout::new();
    let file = &arguments.definition.file;
    let exit =
        match arguments.definition.options().and_then(|options| Definition::read(file, &options)) {
            Ok(definition) => {
                for warning in &definition.warnings() {
                    stderr.note(&format!("warning: {warning}"));
                    if let Some(help) = &warning.help {
                        stderr.help(help);
                    }
                }
                let outline = definition.explain();
                if arguments.json {
                    stdout.write_json_pretty(&outline);
                } else {
                    stdout.write(&format!("{}: ok\n{outline}", file.display()));
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
