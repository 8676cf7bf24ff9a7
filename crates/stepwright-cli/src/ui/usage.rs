//! Mistakes on the command line.

use crate::exit::Exit;
use anstream::ColorChoice;
use anstream::adapter::strip_str;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use std::io::Write as _;
use stepwright::ErrorId;
use stepwright_core::report::label;

/// The label of the parser of the command line.
const LABEL: &str = "error:";

/// The label that the parser writes before its advice, with the indentation.
const TIP: &str = "  tip:";

/// The label of advice.
const HELP: &str = "help:";

/// Writes a mistake on the command line in the form of all errors, or the help or version that was
/// asked for.
pub(crate) fn report(error: &Error) -> Exit {
    if !error.use_stderr() {
        // This fails if the reader has closed stdout, which is no mistake.
        let _ = error.print();
        return Exit::Completed;
    }
    let mut text = reported(&error.render().ansi().to_string(), id(error.kind()));
    if let Some(help) = elsewhere(error) {
        // The parser may have made a guess, which this replaces.
        let is_help = |line: &str| strip_str(line).to_string().starts_with(HELP);
        let lines = text.split_inclusive('\n').filter(|line| !is_help(line));
        text = lines.collect();
        let at = text.find("\n\n").map_or(text.len(), |at| at + 2);
        text.insert_str(at, &format!("{HELP} {help}\n\n"));
    }
    let mut stderr = anstream::AutoStream::new(std::io::stderr().lock(), choice());
    // A closed stderr is no reason to fail in another way.
    let _ = stderr.write_all(text.as_bytes());
    Exit::Usage
}

fn choice() -> ColorChoice {
    anstream::AutoStream::choice(&std::io::stderr())
}

fn id(kind: ErrorKind) -> ErrorId {
    match kind {
        ErrorKind::InvalidValue
        | ErrorKind::ValueValidation
        | ErrorKind::InvalidUtf8
        | ErrorKind::NoEquals
        | ErrorKind::TooManyValues
        | ErrorKind::TooFewValues
        | ErrorKind::WrongNumberOfValues => ErrorId::VALUE_INVALID,
        ErrorKind::MissingRequiredArgument
        | ErrorKind::MissingSubcommand
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => ErrorId::ARGUMENT_MISSING,
        ErrorKind::ArgumentConflict => ErrorId::ARGUMENTS_CONFLICT,
        _ => ErrorId::ARGUMENT_UNKNOWN,
    }
}

/// Returns advice about a word of another tool.
fn elsewhere(error: &Error) -> Option<&'static str> {
    let said = |kind| match error.get(kind) {
        Some(ContextValue::String(word)) => Some(word.as_str()),
        _ => None,
    };
    match (said(ContextKind::InvalidSubcommand), said(ContextKind::InvalidArg)) {
        (Some("logs" | "log" | "tail"), _) => Some(
            "`stepwright events RUN_ID` shows the events of a run, and `stepwright show RUN_ID` \
             its steps",
        ),
        (Some("list" | "ls" | "ps"), _) => Some("`stepwright runs` lists the runs"),
        (_, Some("--offline")) => Some("write `--model offline`"),
        _ => None,
    }
}

/// Replaces the labels of the parser by those of all errors.
fn reported(text: &str, id: ErrorId) -> String {
    let text = text.replacen(LABEL, &label(id), 1);
    let plain = |line: &str| strip_str(line).to_string();
    let lines = text.split_inclusive('\n').map(|line| {
        if plain(line).starts_with(TIP) {
            line.trim_start().replacen("tip:", "help:", 1)
        } else {
            line.to_owned()
        }
    });
    lines.collect()
}
