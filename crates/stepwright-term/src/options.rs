//! Styles and options of the output.

use crate::styled::Paint;
use crate::terminal::Terminal;

/// The widest line of text, in columns: longer lines are hard to read.
const TEXT_WIDTH_MAX: usize = 100;

/// The narrowest width assumed for a terminal, in columns.
const WIDTH_MIN: usize = 20;

/// The width used where lines are not broken.
const ENDLESS: usize = 1 << 24;

/// A layout for the output of a run.
///
/// In every style a streamed run and a run shown at the end produce the same final text.
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
    /// A panel for each step with everything that it says. The default on terminals.
    Panels,
    /// A line for each step, and the output at the end.
    Compact,
    /// A tree of all steps that is redrawn while the run goes on, and the output at the end. On a
    /// terminal that cannot redraw, the same as [`Style::Compact`].
    Tree,
    /// Undecorated lines to search and compare: without times, and with texts as they were
    /// produced. The default for files and pipes.
    Plain,
}

/// The options as requested. Unset ones follow from the terminal.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RequestedOptions {
    pub(crate) style: Option<Style>,
    pub(crate) markdown: Option<bool>,
    pub(crate) stream: Option<bool>,
    pub(crate) show_time: Option<bool>,
    pub(crate) show_step_details: Option<bool>,
    pub(crate) color: Option<bool>,
    pub(crate) width: Option<usize>,
    /// Prints a line for each event.
    pub(crate) events: bool,
    /// Prints the workflow and its input at the start.
    pub(crate) info: Option<bool>,
    /// Prints the status and the metrics at the end.
    pub(crate) summary: Option<bool>,
    /// Prints notices about models.
    pub(crate) notes: Option<bool>,
}

/// The resolved options of the output.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(crate) struct RenderOptions {
    pub(crate) style: Style,
    pub(crate) markdown: bool,
    pub(crate) stream: bool,
    pub(crate) time: bool,
    pub(crate) details: bool,
    pub(crate) events: bool,
    pub(crate) info: bool,
    pub(crate) summary: bool,
    pub(crate) notes: bool,
    /// `true` if running steps have lines that are redrawn.
    pub(crate) redraws: bool,
    /// `true` if long lines are wrapped at the terminal's width.
    pub(crate) breaks: bool,
    pub(crate) paint: Paint,
}

impl RequestedOptions {
    pub(crate) fn resolve(self, terminal: Terminal) -> RenderOptions {
        let usual = if terminal.attended { Style::Panels } else { Style::Plain };
        let style = match self.style.unwrap_or(usual) {
            Style::Tree if !terminal.redraws => Style::Compact,
            style => style,
        };
        let is_plain = style == Style::Plain;
        let color = self.color.unwrap_or(terminal.color);
        let markdown = self.markdown.unwrap_or(!is_plain);
        RenderOptions {
            style,
            markdown,
            stream: self.stream.unwrap_or(true),
            time: self.show_time.unwrap_or(!is_plain),
            details: self.show_step_details.unwrap_or(true),
            events: self.events,
            info: self.info.unwrap_or(!matches!(style, Style::Compact | Style::Tree)),
            summary: self.summary.unwrap_or(true),
            notes: self.notes.unwrap_or(true),
            redraws: terminal.redraws && !is_plain,
            breaks: !is_plain || markdown || terminal.attended || self.width.is_some(),
            paint: Paint { color, links: color && terminal.links() },
        }
    }
}

impl RenderOptions {
    /// Returns the width of a text line. One column stays free: terminals break a line that fills
    /// the last one.
    pub(crate) fn width(&self, columns: usize) -> usize {
        if self.breaks {
            columns.saturating_sub(1).clamp(WIDTH_MIN - 1, TEXT_WIDTH_MAX)
        } else {
            ENDLESS
        }
    }

    /// Returns `true` if what steps say is shown step by step, not only at the end.
    pub(crate) fn shows_steps(&self) -> bool {
        self.details && !matches!(self.style, Style::Compact | Style::Tree)
    }
}
