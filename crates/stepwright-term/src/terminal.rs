//! The streams of this process: a terminal or a pipe.

use crate::styled::{Paint, wrapped_lines};
use crate::text::beginning;
use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use std::fmt::Display;
use std::io::IsTerminal;

/// The size assumed for a terminal that does not report one.
const SIZE: (usize, usize) = (80, 24);

/// The capabilities of stdout or stderr. Respects `NO_COLOR`, `CLICOLOR`, `CLICOLOR_FORCE` and
/// `TERM=dumb`.
///
/// ```
/// use stepwright_core::Content;
/// use stepwright_term::{Terminal, rendered};
/// // Render answers for a pipe, and for a terminal at the other end of a connection.
/// let answer = Content::from("a **bold** word");
/// assert_eq!(rendered(&answer, Terminal::none()), "a bold word\n");
/// let far_away = Terminal::of_size(60, 20);
/// assert!(far_away.attended && far_away.size() == (60, 20));
/// assert!(rendered(&answer, far_away).contains("\u{1b}[1mbold"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    /// `true` if the stream is a terminal, read by a person.
    pub attended: bool,
    /// `true` if lines can be redrawn.
    pub redraws: bool,
    /// `true` if colors are supported and wanted.
    pub color: bool,
    of: Stream,
}

#[derive(Clone, Copy, Debug)]
enum Stream {
    Stdout,
    Stderr,
    Nothing,
    /// A terminal of this many columns and rows.
    Size(usize, usize),
}

impl Terminal {
    /// Describes stdout.
    pub fn of_stdout() -> Self {
        let stdout = std::io::stdout();
        Self::of(Stream::Stdout, &stdout, AutoStream::choice(&stdout))
    }

    /// Describes stderr.
    pub fn of_stderr() -> Self {
        let stderr = std::io::stderr();
        Self::of(Stream::Stderr, &stderr, AutoStream::choice(&stderr))
    }

    /// Describes a stream that is not a terminal, such as a file or a pipe.
    pub fn none() -> Self {
        Self { attended: false, redraws: false, color: false, of: Stream::Nothing }
    }

    /// Describes a terminal of this many columns and rows that does not belong to this process: at
    /// the other end of a connection, or in a test. It supports colors and redrawing.
    pub fn of_size(columns: usize, rows: usize) -> Self {
        Self { attended: true, redraws: true, color: true, of: Stream::Size(columns, rows) }
    }

    fn of(of: Stream, stream: &impl IsTerminal, color: ColorChoice) -> Self {
        let attended = stream.is_terminal();
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let redraws = attended && (cfg!(windows) || !dumb);
        Self { attended, redraws, color: color != ColorChoice::Never, of }
    }

    /// Returns the current number of columns and rows.
    pub fn size(self) -> (usize, usize) {
        let size = match self.of {
            Stream::Stdout => terminal_size::terminal_size_of(std::io::stdout()),
            Stream::Stderr => terminal_size::terminal_size_of(std::io::stderr()),
            Stream::Nothing => None,
            Stream::Size(columns, rows) => return (columns, rows),
        };
        let size = size.map(|(width, height)| (usize::from(width.0), usize::from(height.0)));
        size.filter(|(width, height)| *width > 0 && *height > 0).unwrap_or(SIZE)
    }

    /// Applies a style to `text` if colors are enabled.
    pub fn paint(self, style: Style, text: impl Display) -> String {
        Paint { color: self.color, links: false }.paint(style, text)
    }

    /// Wraps lines that are longer than the terminal between words, and keeps their indentation.
    /// Leaves command lines of `stepwright` whole, and all lines of a stream that is no terminal.
    ///
    /// ```
    /// use stepwright_term::Terminal;
    /// let text = "note: the run is left so that it can be resumed";
    /// let wrapped = "note: the run is left so that\nit can be resumed";
    /// assert_eq!(Terminal::of_size(30, 20).wrap(text), wrapped);
    /// assert_eq!(Terminal::none().wrap(text), text);
    /// ```
    pub fn wrap(self, text: &str) -> String {
        match self.text_width() {
            Some(width) => wrapped_lines(text, width).join("\n"),
            None => text.to_owned(),
        }
    }

    /// Cuts lines that are longer than the terminal, such as the rows of a table. Leaves the lines
    /// of a stream that is no terminal whole.
    ///
    /// ```
    /// use stepwright_term::Terminal;
    /// let rows = "r-7  paused     bridge\nr-8  completed  talk\n";
    /// assert_eq!(Terminal::of_size(15, 20).cut(rows), "r-7  paused  …\nr-8  complete…\n");
    /// assert_eq!(Terminal::none().cut(rows), rows);
    /// ```
    pub fn cut(self, text: &str) -> String {
        match self.text_width() {
            Some(width) => {
                text.split('\n').map(|line| beginning(line, width)).collect::<Vec<_>>().join("\n")
            }
            None => text.to_owned(),
        }
    }

    /// Returns the width of a line. One column stays free: terminals break a line that fills the
    /// last one.
    fn text_width(self) -> Option<usize> {
        self.attended.then(|| self.size().0.saturating_sub(1))
    }

    /// Formats an error report, help or a note: the labels at the start of its lines stand out, and
    /// long lines are wrapped.
    pub fn report(self, report: &str) -> String {
        let report = self.wrap(report);
        report.split('\n').map(|line| self.report_line(line)).collect::<Vec<_>>().join("\n")
    }

    fn report_line(self, line: &str) -> String {
        match word_of(line) {
            Some((word, style)) => self.paint(style, word) + &line[word.len()..],
            None => line.to_owned(),
        }
    }

    /// Returns `true` if the terminal supports links. Others show garbage or nothing, so only known
    /// terminals count.
    pub(crate) fn links(self) -> bool {
        let has = |name: &str| std::env::var_os(name).is_some();
        let is = |name: &str, known: &[&str]| {
            std::env::var(name).is_ok_and(|value| known.iter().any(|known| value.contains(known)))
        };
        let vte = std::env::var("VTE_VERSION").ok().and_then(|version| version.parse().ok());
        let is_ours = matches!(self.of, Stream::Stdout | Stream::Stderr);
        is_ours
            && self.redraws
            && self.color
            && (["KITTY_WINDOW_ID", "WT_SESSION", "KONSOLE_VERSION"].iter().any(|name| has(name))
                || vte.is_some_and(|version: u32| version >= 5000)
                || is("TERM_PROGRAM", &["iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper"])
                || is("TERM", &["kitty", "alacritty", "foot", "ghostty", "contour"]))
    }
}

/// Returns the label at the start of a report line, with its style.
pub(crate) fn word_of(line: &str) -> Option<(&str, Style)> {
    let style = |color: AnsiColor| Style::new().bold().fg_color(Some(color.into()));
    // The label of an error contains its id: `error[SW0707]:`.
    if line.starts_with("error[") {
        let end = line.find("]:")? + "]:".len();
        return Some((&line[..end], style(AnsiColor::Red)));
    }
    let words = [("help:", AnsiColor::Cyan), ("note:", AnsiColor::Yellow)];
    let (word, color) = words.iter().find(|(word, _)| line.starts_with(word))?;
    Some((&line[..word.len()], style(*color)))
}
