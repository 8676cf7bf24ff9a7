//! What a stream of this process is: somebody's terminal, or a pipe.

use crate::styled::Paint;
use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use std::fmt::Display;
use std::io::IsTerminal;

/// How wide and high a terminal is that does not say it.
const SIZE: (usize, usize) = (80, 24);

/// What stdout or stderr is. `NO_COLOR`, `CLICOLOR`, `CLICOLOR_FORCE` and `TERM=dumb` count.
///
/// ```
/// use stepwright_core::Content;
/// use stepwright_term::{Terminal, rendered};
/// // Answers for a pipe, and for somebody at the other end of a connection.
/// let answer = Content::from("a **bold** word");
/// assert_eq!(rendered(&answer, Terminal::none()), "a bold word\n");
/// let far_away = Terminal::of_size(60, 20);
/// assert!(far_away.attended && far_away.size() == (60, 20));
/// assert!(rendered(&answer, far_away).contains("\u{1b}[1mbold"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    /// Whether somebody looks at it.
    pub attended: bool,
    /// Whether lines can be drawn again.
    pub redraws: bool,
    /// Whether it has colours, and they are wanted.
    pub color: bool,
    of: Of,
}

#[derive(Clone, Copy, Debug)]
enum Of {
    Stdout,
    Stderr,
    Nothing,
    /// So many columns and rows.
    Size(usize, usize),
}

impl Terminal {
    /// What stdout is.
    pub fn of_stdout() -> Self {
        let stdout = std::io::stdout();
        Self::of(Of::Stdout, &stdout, AutoStream::choice(&stdout))
    }

    /// What stderr is.
    pub fn of_stderr() -> Self {
        let stderr = std::io::stderr();
        Self::of(Of::Stderr, &stderr, AutoStream::choice(&stderr))
    }

    /// No terminal: a file, or what a program reads.
    pub fn none() -> Self {
        Self { attended: false, redraws: false, color: false, of: Of::Nothing }
    }

    /// A terminal that is not the one of this process, of so many columns and rows: at the other
    /// end of a connection, or in a test. It has colours, and lines can be drawn again.
    pub fn of_size(columns: usize, rows: usize) -> Self {
        Self { attended: true, redraws: true, color: true, of: Of::Size(columns, rows) }
    }

    fn of(of: Of, stream: &impl IsTerminal, color: ColorChoice) -> Self {
        let attended = stream.is_terminal();
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let redraws = attended && (cfg!(windows) || !dumb);
        Self { attended, redraws, color: color != ColorChoice::Never, of }
    }

    /// How many columns and rows it has now.
    pub fn size(self) -> (usize, usize) {
        let size = match self.of {
            Of::Stdout => terminal_size::terminal_size_of(std::io::stdout()),
            Of::Stderr => terminal_size::terminal_size_of(std::io::stderr()),
            Of::Nothing => None,
            Of::Size(columns, rows) => return (columns, rows),
        };
        let size = size.map(|(width, height)| (usize::from(width.0), usize::from(height.0)));
        size.filter(|(width, height)| *width > 0 && *height > 0).unwrap_or(SIZE)
    }

    /// `text` in this style, if colours are wanted.
    pub fn paint(self, style: Style, text: impl Display) -> String {
        Paint { color: self.color, links: false }.paint(style, text)
    }

    /// A report of an error, a hint or a note: the words at the beginning of its lines stand out.
    pub fn report(self, report: &str) -> String {
        report.split('\n').map(|line| self.report_line(line)).collect::<Vec<_>>().join("\n")
    }

    fn report_line(self, line: &str) -> String {
        match word_of(line) {
            Some((word, style)) => self.paint(style, word) + &line[word.len()..],
            None => line.to_owned(),
        }
    }

    /// Whether words can be links here: terminals that cannot do it show garbage, or nothing, so
    /// only those that are known to can.
    pub(crate) fn links(self) -> bool {
        let has = |name: &str| std::env::var_os(name).is_some();
        let is = |name: &str, known: &[&str]| {
            std::env::var(name).is_ok_and(|value| known.iter().any(|known| value.contains(known)))
        };
        let vte = std::env::var("VTE_VERSION").ok().and_then(|version| version.parse().ok());
        let is_ours = matches!(self.of, Of::Stdout | Of::Stderr);
        is_ours
            && self.redraws
            && self.color
            && (["KITTY_WINDOW_ID", "WT_SESSION", "KONSOLE_VERSION"].iter().any(|name| has(name))
                || vte.is_some_and(|version: u32| version >= 5000)
                || is("TERM_PROGRAM", &["iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper"])
                || is("TERM", &["kitty", "alacritty", "foot", "ghostty", "contour"]))
    }
}

/// The word at the beginning of a line of a report that stands out, and how.
pub(crate) fn word_of(line: &str) -> Option<(&str, Style)> {
    let words =
        [("error:", AnsiColor::Red), ("hint:", AnsiColor::Cyan), ("note:", AnsiColor::Yellow)];
    words.iter().find_map(|(word, color)| {
        let style = Style::new().bold().fg_color(Some((*color).into()));
        line.starts_with(word).then(|| (&line[..word.len()], style))
    })
}
