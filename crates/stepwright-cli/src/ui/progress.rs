//! Shows the progress of a run on stderr.

use crate::args::Shown as Wanted;
use crate::ui::terminal::{Stderr, write};
use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stepwright::term::{Display, Style, Ticks, line};
use stepwright::{Event, EventKind};

/// The progress of a run, in the form that stderr supports.
#[derive(Debug)]
pub(crate) struct Progress {
    stderr: Stderr,
    shown: Shown,
    /// The notices about models that were shown, so that each is shown only once.
    notices: BTreeSet<Arc<str>>,
    /// `true` if stdout and stderr are the same terminal.
    shares: bool,
    /// The state of the line that stdout wrote last.
    line: Arc<Mutex<Line>>,
}

#[derive(Debug)]
enum Shown {
    /// Only notices, for pipes and logs.
    Notices,
    /// A plain line for each event.
    Lines,
    /// A live display.
    Watched(Box<Display>),
}

/// The last line of text that went to stdout.
#[derive(Debug, Default)]
struct Line {
    /// `true` if the line can still continue.
    is_open: bool,
    /// `true` if stderr has ended the line.
    was_ended: bool,
}

/// Stderr next to the text of stdout. Always starts on a new line.
struct Beside(Arc<Mutex<Line>>);

fn locked(line: &Mutex<Line>) -> MutexGuard<'_, Line> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Write for Beside {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut line = locked(&self.0);
        let mut stderr = std::io::stderr().lock();
        if std::mem::take(&mut line.is_open) {
            stderr.write_all(b"\n")?;
            line.was_ended = true;
        }
        stderr.write_all(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

/// Returns `true` if panels show the text of agents: stdout and stderr are a terminal.
pub(crate) fn has_panels(stderr: Stderr, arguments: &Wanted) -> bool {
    arguments.stream
        && !arguments.no_markdown
        && !arguments.events
        && !arguments.debug
        && stderr.terminal.attended
        && std::io::stdout().is_terminal()
}

impl Progress {
    pub(crate) fn new(stderr: Stderr, arguments: &Wanted) -> Self {
        let shares = stderr.terminal.attended && std::io::stdout().is_terminal();
        let line = Arc::default();
        let shown = if arguments.events && !arguments.json {
            Shown::Lines
        } else if stderr.terminal.attended {
            let panels = has_panels(stderr, arguments);
            // Redrawn lines would disturb text that arrives word by word, and log lines.
            let text_flows = shares && arguments.stream && !panels;
            let mut terminal = stderr.terminal;
            terminal.redraws &= !text_flows && !arguments.debug;
            let style = if panels { Style::Panels } else { Style::Tree };
            Shown::Watched(Box::new(Display::new(Beside(Arc::clone(&line)), terminal, style)))
        } else {
            Shown::Notices
        };
        Self { stderr, shown, notices: BTreeSet::new(), shares, line }
    }

    /// Shows an event.
    pub(crate) fn event(&mut self, event: &Event) {
        if let Shown::Watched(display) = &mut self.shown {
            display.event(event);
            return;
        }
        if let EventKind::RunStarted { notice: Some(notice), .. } = &event.kind
            && self.notices.insert(notice.clone())
        {
            self.note(notice);
        }
        if matches!(self.shown, Shown::Lines)
            && let Some(line) = line(event)
        {
            self.begin_line();
            write(&line);
        }
    }

    /// Takes in an event from before the run was resumed.
    pub(crate) fn past(&mut self, event: &Event) {
        if let Shown::Watched(display) = &mut self.shown {
            display.past(event);
        }
    }

    /// Makes the display of the run permanent.
    pub(crate) fn settle(&mut self) {
        if let Shown::Watched(display) = &mut self.shown {
            display.settle();
        }
    }

    /// Shows a notice that is not an error.
    pub(crate) fn note(&mut self, note: &str) {
        if let Shown::Watched(display) = &mut self.shown {
            display.note(note);
        } else {
            self.begin_line();
            self.stderr.note(note);
        }
    }

    /// Returns the times at which to call [`Progress::tick`].
    pub(crate) fn ticks(&self) -> Ticks {
        match &self.shown {
            Shown::Watched(display) => display.ticks(),
            Shown::Notices | Shown::Lines => Ticks::never(),
        }
    }

    /// Updates the times on the display.
    pub(crate) fn tick(&mut self) {
        if let Shown::Watched(display) = &mut self.shown {
            display.tick();
        }
    }

    /// Clears the display for text that goes to stdout, and returns the rest of it to write. A line
    /// that was already ended is not ended twice.
    pub(crate) fn before_text<'a>(&mut self, text: &'a str) -> &'a str {
        if !self.shares {
            return text;
        }
        self.clear();
        let mut line = locked(&self.line);
        line.is_open = !text.ends_with('\n');
        match (std::mem::take(&mut line.was_ended), text.strip_prefix('\n')) {
            (true, Some(rest)) => rest,
            _ => text,
        }
    }

    /// Removes the moving parts of the display.
    pub(crate) fn clear(&mut self) {
        if let Shown::Watched(display) = &mut self.shown {
            display.clear();
        }
    }

    /// Returns `true` if there is a live display.
    pub(crate) fn is_watched(&self) -> bool {
        matches!(self.shown, Shown::Watched(_))
    }

    /// Returns `true` if stdout is on the same terminal as the live display.
    pub(crate) fn is_beside_output(&self) -> bool {
        self.is_watched() && self.shares
    }

    /// Ends the open line of text that went to stdout.
    fn begin_line(&self) {
        let mut line = locked(&self.line);
        if std::mem::take(&mut line.is_open) {
            write("");
            line.was_ended = true;
        }
    }
}
