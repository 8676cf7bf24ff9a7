//! Stdout: the output of a run and nothing else.

use crate::exit::Exit;
use crate::ui::terminal::Stderr;
use std::io::{ErrorKind, Write as _};
use stepwright::term::{Speech, Terminal, harmless_lines, rendered};
use stepwright::{Error, ErrorId, Event, RunOutput};

/// Stdout. If its reader closes it, the rest is discarded without an error. Other write errors are
/// reported at the end.
#[derive(Debug)]
pub(crate) struct Stdout {
    /// The properties of the terminal.
    terminal: Terminal,
    closed: bool,
    failure: Option<std::io::Error>,
}

impl Stdout {
    pub(crate) fn new() -> Self {
        Self { terminal: Terminal::of_stdout(), closed: false, failure: None }
    }

    /// Escapes control characters for a terminal. Files and programs get the text unchanged.
    pub(crate) fn readable(&self, text: String) -> String {
        if self.terminal.attended { harmless_lines(&text) } else { text }
    }

    /// Writes the rows of a table. A terminal gets as much of each as fits.
    pub(crate) fn write_rows(&mut self, text: &str) {
        let rows = self.terminal.cut(text);
        self.write(&rows);
    }

    /// Writes a text for people. On a terminal, long lines are wrapped between words.
    pub(crate) fn write_wrapped(&mut self, text: &str) {
        let lines = self.terminal.wrap(text);
        self.write(&lines);
    }

    /// Returns `true` if a person reads stdout at a terminal.
    pub(crate) fn is_read_by_people(&self) -> bool {
        self.terminal.attended
    }

    /// Returns `true` if lines can be redrawn.
    pub(crate) fn redraws(&self) -> bool {
        self.terminal.redraws
    }

    /// Returns the columns and rows.
    pub(crate) fn size(&self) -> (usize, usize) {
        self.terminal.size()
    }

    /// Applies a style if colours are wanted.
    pub(crate) fn paint(&self, style: anstyle::Style, text: &str) -> String {
        self.terminal.paint(style, text)
    }

    pub(crate) fn terminal(&self) -> Terminal {
        self.terminal
    }

    pub(crate) fn write(&mut self, text: &str) {
        self.write_bytes(text.as_bytes());
    }

    /// Writes a JSON value on one line.
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

    /// Returns `true` if the reader has closed stdout.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Returns the exit code, which is a failure if the output could not be written.
    pub(crate) fn end(self, stderr: Stderr, exit: Exit) -> Exit {
        let Some(failure) = self.failure else { return exit };
        let error = Error::usage("the output could not be written");
        let error = error.with_id(ErrorId::TERMINAL_FAILED).with_source(failure);
        stderr.error(&error);
        if exit == Exit::Completed { Exit::Failed } else { exit }
    }
}

/// The format of a run on stdout.
#[derive(Debug)]
pub(crate) enum Form {
    /// The output at the end, as Markdown on a terminal.
    Output { markdown: bool },
    /// The text of agents as it arrives.
    Stream(Speech),
    /// Nothing, because panels on the terminal show the text of agents.
    Shown,
    /// Events as JSON, one per line.
    Json {
        /// `true` for all events, not only the start, the end and the text.
        all: bool,
    },
}

/// Writes a run to stdout.
#[derive(Debug)]
pub(crate) struct Printer {
    pub(crate) form: Form,
    pub(crate) stdout: Stdout,
}

impl Printer {
    /// Returns the text to write for an event, if there is any.
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

    /// Returns the last text to write. Empty for a run that has not completed, except that an open
    /// line is ended.
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

/// Returns the text with a line break at its end.
pub(crate) fn ended(text: &str) -> String {
    if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}
