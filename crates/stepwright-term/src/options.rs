//! How runs look.

use crate::styled::Paint;
use crate::terminal::Terminal;

/// How wide text is at the most: longer lines are hard to read.
const TEXT_WIDTH_MAX: usize = 100;

/// How narrow a terminal is taken to be at the least.
const WIDTH_MIN: usize = 20;

/// How wide lines are that nobody breaks.
const ENDLESS: usize = 1 << 24;

/// How a run is shown.
///
/// Whatever the style, nothing of it depends on whether the run is streamed, except when it is
/// written.
///
/// ```
/// # use stepwright_engine::Workflow;
/// use stepwright_term::{PrintResponse as _, Style};
/// # async fn greet(name: String) -> String { format!("Hello {name}") }
/// # let file = tempfile::NamedTempFile::new().unwrap();
/// # let log = file.reopen().unwrap();
/// let workflow = Workflow::builder("Greeting").step(greet).build()?;
/// workflow.print_response("Ada").style(Style::Plain).to(log).blocking()?;
/// # let text = std::fs::read_to_string(file.path()).unwrap();
/// assert!(text.lines().any(|line| line == "Hello Ada"));
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Style {
    /// A panel for each step, with all that it says. What terminals get.
    Panels,
    /// A line for each step, and the output at the end.
    Compact,
    /// Lines without decoration, which can be searched and compared: without times, and texts as
    /// they were said. What files and pipes get.
    Plain,
}

/// What was asked for; the rest follows from the terminal.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    pub(crate) style: Option<Style>,
    pub(crate) markdown: Option<bool>,
    pub(crate) stream: Option<bool>,
    pub(crate) show_time: Option<bool>,
    pub(crate) show_step_details: Option<bool>,
    pub(crate) color: Option<bool>,
    pub(crate) width: Option<usize>,
    /// A line for each event.
    pub(crate) events: bool,
    /// What is run, and what for, at the beginning.
    pub(crate) info: Option<bool>,
    /// How it ended, at the end.
    pub(crate) summary: Option<bool>,
    /// What must be known about models.
    pub(crate) notes: Option<bool>,
}

/// How a run is shown, all decided.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(crate) struct Look {
    pub(crate) style: Style,
    pub(crate) markdown: bool,
    pub(crate) stream: bool,
    pub(crate) time: bool,
    pub(crate) details: bool,
    pub(crate) events: bool,
    pub(crate) info: bool,
    pub(crate) summary: bool,
    pub(crate) notes: bool,
    /// Whether lines move.
    pub(crate) redraws: bool,
    /// Whether lines are broken where the terminal would break them.
    pub(crate) breaks: bool,
    pub(crate) paint: Paint,
}

impl Options {
    pub(crate) fn look(self, terminal: Terminal) -> Look {
        let usual = if terminal.attended { Style::Panels } else { Style::Plain };
        let style = self.style.unwrap_or(usual);
        let is_plain = style == Style::Plain;
        let color = self.color.unwrap_or(terminal.color);
        let markdown = self.markdown.unwrap_or(!is_plain);
        Look {
            style,
            markdown,
            stream: self.stream.unwrap_or(true),
            time: self.show_time.unwrap_or(!is_plain),
            details: self.show_step_details.unwrap_or(true),
            events: self.events,
            info: self.info.unwrap_or(style != Style::Compact),
            summary: self.summary.unwrap_or(true),
            notes: self.notes.unwrap_or(true),
            redraws: terminal.redraws && !is_plain,
            breaks: !is_plain || markdown || terminal.attended || self.width.is_some(),
            paint: Paint { color, links: color && terminal.links() },
        }
    }
}

impl Look {
    /// How wide text may be. One column stays free: terminals break a line that fills the last one.
    pub(crate) fn width(&self, columns: usize) -> usize {
        if self.breaks {
            columns.saturating_sub(1).clamp(WIDTH_MIN - 1, TEXT_WIDTH_MAX)
        } else {
            ENDLESS
        }
    }

    /// Whether what steps say is shown in their place, and not only at the end.
    pub(crate) fn shows_steps(&self) -> bool {
        self.details && self.style != Style::Compact
    }
}
