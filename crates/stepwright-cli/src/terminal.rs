//! Stderr: what it is, and everything that is said there in sentences.

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};
use stepwright::Error;
use stepwright::file::{Diagnostics, ReportStyle};

/// How wide a terminal is that does not say it.
const WIDTH: usize = 80;

/// How wide reports are where there is no terminal, and how wide at the most.
const REPORT_WIDTH: usize = 100;

/// What stderr is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terminal {
    /// Whether somebody looks at it.
    pub(crate) attended: bool,
    /// Whether lines can be drawn again.
    pub(crate) redraws: bool,
    /// Whether it has colours, and they are wanted.
    pub(crate) color: bool,
}

impl Terminal {
    pub(crate) fn of_stderr() -> Self {
        let stderr = std::io::stderr();
        let attended = stderr.is_terminal();
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self {
            attended,
            redraws: attended && (cfg!(windows) || !dumb),
            color: AutoStream::choice(&stderr) != ColorChoice::Never,
        }
    }

    /// How many columns and rows it has now.
    pub(crate) fn size() -> (usize, usize) {
        match terminal_size::terminal_size_of(std::io::stderr()) {
            Some((width, height)) => (width.0.into(), height.0.into()),
            None => (WIDTH, 24),
        }
    }

    fn report_style(self) -> ReportStyle {
        let width = if self.attended { Self::size().0.min(REPORT_WIDTH) } else { REPORT_WIDTH };
        ReportStyle { color: self.color, unicode: true, width }
    }

    /// `text` in this style, if colours are wanted.
    pub(crate) fn paint(self, style: Style, text: impl Display) -> String {
        if self.color { format!("{style}{text}{style:#}") } else { text.to_string() }
    }

    /// Says what went wrong.
    pub(crate) fn error(self, error: &Error) {
        write(&self.colored(&error.report()));
    }

    /// Says what is wrong with the command line.
    pub(crate) fn usage_error(self, message: &str, hint: &str) {
        write(&self.colored(&format!("error: {message}\nhint: {hint}")));
    }

    /// Gives advice, or what else there is to know.
    pub(crate) fn hint(self, hint: &str) {
        write(&self.colored(&format!("hint: {hint}")));
    }

    /// Says what people must know, although nothing is wrong.
    pub(crate) fn note(self, note: &str) -> String {
        self.colored(&format!("note: {note}"))
    }

    /// Says what is wrong with a file.
    pub(crate) fn mistakes(self, mistakes: &Diagnostics) {
        // Where there is nothing to show, there is nothing to draw either.
        if let [mistake] = mistakes.iter().as_slice()
            && mistake.line == 0
        {
            let help = mistake.help.as_ref().map(|help| format!("\nhint: {help}"));
            write(&self.colored(&format!("error: {mistake}{}", help.unwrap_or_default())));
            return;
        }
        write(mistakes.report(self.report_style()).trim_end());
        let all = mistakes.len() + mistakes.left_out();
        let all = if all == 1 { "1 mistake".to_owned() } else { format!("{all} mistakes") };
        let files: Vec<&str> = mistakes.iter().map(|mistake| mistake.file.as_str()).collect();
        let one = files.iter().all(|file| Some(file) == files.first());
        let place = if one { files.first().map(|f| format!(" in `{f}`")) } else { None };
        write(&self.colored(&format!("\nerror: {all}{}", place.unwrap_or_default())));
    }

    /// The words at the beginning of lines stand out.
    fn colored(self, report: &str) -> String {
        let words =
            [("error:", AnsiColor::Red), ("hint:", AnsiColor::Cyan), ("note:", AnsiColor::Yellow)];
        let lines = report.split('\n').map(|line| {
            for (word, color) in words {
                if let Some(rest) = line.strip_prefix(word) {
                    let style = Style::new().bold().fg_color(Some(color.into()));
                    return self.paint(style, word) + rest;
                }
            }
            line.to_owned()
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Writes lines to stderr. If nobody can read them any more, that is no reason to stop.
pub(crate) fn write(text: &str) {
    write_raw(&format!("{text}\n"));
}

/// Writes to stderr, in one piece.
pub(crate) fn write_raw(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// The text without line breaks and without anything that a terminal would obey: what models and
/// tools say must not move the cursor.
pub(crate) fn harmless(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_control() || c.is_whitespace() => {
                if !harmless.ends_with(' ') {
                    harmless.push(' ');
                }
            }
            // They turn the direction of everything behind them.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            c => harmless.push(c),
        }
    }
    harmless
}
