//! Stdout: what a run gives, and nothing else.

use crate::exit::Exit;
use crate::ui::terminal::Stderr;
use std::io::{ErrorKind, Write as _};
use stepwright::term::{Speech, Terminal, harmless_lines, rendered};
use stepwright::{Error, Event, RunOutput};

/// Stdout, whose reader may go away: then nothing is written any more, and nothing fails. Only data
/// that could not be written although somebody wants it is an error.
#[derive(Debug)]
pub(crate) struct Stdout {
    /// What it is.
    terminal: Terminal,
    closed: bool,
    failure: Option<std::io::Error>,
}

impl Stdout {
    pub(crate) fn new() -> Self {
        Self { terminal: Terminal::of_stdout(), closed: false, failure: None }
    }

    /// A terminal would obey what is in a text; files and programs get it as it is.
    pub(crate) fn readable(&self, text: String) -> String {
        if self.terminal.attended { harmless_lines(&text) } else { text }
    }

    pub(crate) fn write(&mut self, text: &str) {
        self.write_bytes(text.as_bytes());
    }

    /// A JSON value, on one line.
    pub(crate) fn write_json(&mut self, value: &impl serde::Serialize) {
        let line = serde_json::to_string(value).expect("texts and numbers can be written");
        self.write(&(line + "\n"));
    }

    pub(crate) fn write_json_pretty(&mut self, value: &impl serde::Serialize) {
        let mut bytes = serde_json::to_vec_pretty(value).expect("texts and numbers can be written");
        bytes.push(b'\n');
        self.write_bytes(&bytes);
    }

    fn write_bytes(&mut self, bytes: &[u8]) {
        if self.closed || bytes.is_empty() {
            return;
        }
        let mut stdout = std::io::stdout().lock();
        if let Err(error) = stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            self.closed = true;
            self.failure = (error.kind() != ErrorKind::BrokenPipe).then_some(error);
        }
    }

    /// Whether whoever reads has gone away.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// How the command ends: as it would, unless what it had to give could not be written.
    pub(crate) fn end(self, stderr: Stderr, exit: Exit) -> Exit {
        let Some(failure) = self.failure else { return exit };
        let error = Error::usage("the output could not be written").with_source(failure);
        stderr.error(&error);
        if exit == Exit::Completed { Exit::Failed } else { exit }
    }
}

/// What of a run goes to stdout.
#[derive(Debug)]
pub(crate) enum Form {
    /// Its output, at the end; as Markdown, where somebody reads it.
    Output { markdown: bool },
    /// What agents say, as they say it.
    Stream(Speech),
    /// Nothing: what agents say is shown as it is said.
    Shown,
    /// Events as JSON, one a line.
    Json {
        /// Not only how it begins and ends, and what there is to read.
        all: bool,
    },
}

/// Writes of a run what is wanted.
#[derive(Debug)]
pub(crate) struct Printer {
    pub(crate) form: Form,
    pub(crate) stdout: Stdout,
}

impl Printer {
    /// What an event brings, if anything.
    pub(crate) fn text_of(&mut self, event: &Event) -> Option<String> {
        match &mut self.form {
            Form::Output { .. } | Form::Shown => None,
            Form::Stream(speech) => {
                Some(self.stdout.readable(speech.hear(event))).filter(|text| !text.is_empty())
            }
            Form::Json { all } if *all || event.is_content() => {
                let mut line = serde_json::to_string(event).expect("events can be written");
                line.push('\n');
                Some(line)
            }
            Form::Json { .. } => None,
        }
    }

    /// What there is to write at the end. Nothing of a run that has not completed, but a line that
    /// was begun is ended.
    pub(crate) fn last_text(&mut self, output: Option<&RunOutput>) -> String {
        match &mut self.form {
            Form::Output { markdown } => {
                let Some(output) = output else { return String::new() };
                let terminal = self.stdout.terminal;
                if *markdown && terminal.attended {
                    rendered(&output.content, terminal)
                } else {
                    ended(&self.stdout.readable(output.content.pretty().into_owned()))
                }
            }
            Form::Stream(speech) => {
                let last = output.map(|output| output.content.pretty());
                self.stdout.readable(speech.end(&last.unwrap_or_default()))
            }
            Form::Shown => String::new(),
            Form::Json { .. } => String::new(),
        }
    }
}

/// The text, with a line break at its end.
pub(crate) fn ended(text: &str) -> String {
    if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}
