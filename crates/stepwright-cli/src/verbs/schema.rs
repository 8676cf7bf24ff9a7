//! `stepwright schema`.

use crate::args::Schema;
use crate::exit::Exit;
use crate::ui::print::Stdout;
use crate::ui::terminal::{Stderr, write};
use std::fs;
use stepwright::file::json_schema;
use stepwright::{Error, ErrorId};

/// Writes the JSON Schema of workflow files.
pub(crate) fn schema(arguments: &Schema, stderr: Stderr) -> Exit {
    let Some(file) = &arguments.file else {
        let mut stdout = Stdout::new();
        stdout.write(&text());
        return stdout.end(stderr, Exit::Completed);
    };
    if let Err(error) = fs::write(file, text()) {
        let what = format!("the schema cannot be written to `{}`", file.display());
        let error = Error::usage(what).with_id(ErrorId::TERMINAL_FAILED).with_source(error);
        stderr.error(&error);
        return Exit::Usage;
    }
    write(&format!("wrote {}", file.display()));
    Exit::Completed
}

/// Returns the schema as the text of a file.
pub(crate) fn text() -> String {
    format!("{:#}\n", json_schema())
}
