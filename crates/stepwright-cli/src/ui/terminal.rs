//! Stderr and its messages.

use std::io::Write as _;
use stepwright::file::{Diagnostics, ReportStyle};
use stepwright::term::Terminal;
use stepwright::{Error, ErrorId, Report};

/// The width of reports without a terminal, and the maximum width with one.
const REPORT_WIDTH: usize = 100;

/// Stderr, with its messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stderr {
    /// The properties of the terminal.
    pub(crate) terminal: Terminal,
}

impl Stderr {
    pub(crate) fn new() -> Self {
        Self { terminal: Terminal::of_stderr() }
    }

    fn report_style(self) -> ReportStyle {
        let width = self.terminal.size().0.min(REPORT_WIDTH);
        let width = if self.terminal.attended { width } else { REPORT_WIDTH };
        ReportStyle { color: self.terminal.color, unicode: true, width }
    }

    /// Reports an error.
    pub(crate) fn error(self, error: &Error) {
        self.report(&error.to_report());
    }

    /// Writes the report of an error.
    pub(crate) fn report(self, report: &Report) {
        self.say(&report.to_string());
    }

    /// Says what to do when there is no error.
    pub(crate) fn help(self, help: &str) {
        self.say(&format!("help: {help}"));
    }

    /// Shows a notice that is not an error.
    pub(crate) fn note(self, note: &str) {
        self.say(&format!("note: {note}"));
    }

    /// Shows the warnings about a file.
    pub(crate) fn warnings(self, warnings: &Diagnostics) {
        if !warnings.is_empty() {
            write(warnings.report(self.report_style()).trim_end());
        }
    }

    /// Reports the mistakes in a file.
    pub(crate) fn mistakes(self, mistakes: &Diagnostics) {
        // Without a line of the file, there is no excerpt to draw.
        if let [mistake] = mistakes.iter().as_slice()
            && mistake.line == 0
        {
            let report = Report::new(mistake.code, mistake.to_string());
            self.report(&match &mistake.help {
                Some(help) => report.help(help),
                None => report,
            });
            return;
        }
        write(mistakes.report(self.report_style()).trim_end());
        let all = mistakes.len() + mistakes.left_out();
        let all = if all == 1 { "1 mistake".to_owned() } else { format!("{all} mistakes") };
        let files: Vec<&str> = mistakes.iter().map(|mistake| mistake.file.as_str()).collect();
        let one = files.iter().all(|file| Some(file) == files.first());
        let place = if one { files.first().map(|f| format!(" in `{f}`")) } else { None };
        write("");
        self.report(&Report::new(ErrorId::FILE_INVALID, all + &place.unwrap_or_default()));
    }

    fn say(self, report: &str) {
        write(&self.terminal.report(report));
    }
}

/// Writes lines to stderr. Ignores errors, because a closed stderr is no reason to stop.
pub(crate) fn write(text: &str) {
    let _ = std::io::stderr().lock().write_all(format!("{text}\n").as_bytes());
}
