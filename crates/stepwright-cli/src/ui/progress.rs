//! How a run goes on, on stderr.

use crate::args::Shown as Wanted;
use crate::ui::terminal::{Stderr, write};
use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stepwright::term::{Display, Style, Ticks, line};
use stepwright::{Event, EventKind};

/// How a run goes on, as this stderr can show it.
#[derive(Debug)]
pub(crate) struct Progress {
    stderr: Stderr,
    shown: Shown,
    /// What was said about models: once is enough.
    notices: BTreeSet<Arc<str>>,
    /// Whether text that goes to stdout is seen on the same terminal.
    shares: bool,
    /// Where that text stands.
    line: Arc<Mutex<Line>>,
}

#[derive(Debug)]
enum Shown {
    /// Only what people must know: for pipes and logs.
    Notices,
    /// A plain line for each event.
    Lines,
    /// What somebody watches.
    Watched(Box<Display>),
}

/// The line on which text stands that went to stdout.
#[derive(Debug, Default)]
struct Line {
    /// Whether more of it can follow.
    is_open: bool,
    /// Whether it was ended here.
    was_ended: bool,
}

/// Stderr, where text that goes to stdout may stand as well: what is written here begins a line.
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

/// Whether what agents say is shown in panels, on the terminal that stdout and stderr are.
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
            // Lines that are drawn again would be in the way of text that comes word by word, and
            // of what is logged.
            let text_flows = shares && arguments.stream && !panels;
            let mut terminal = stderr.terminal;
            terminal.redraws &= !text_flows && !arguments.debug;
            let style = if panels { Style::Panels } else { Style::Compact };
            Shown::Watched(Box::new(Display::new(Beside(Arc::clone(&line)), terminal, style)))
        } else {
            Shown::Notices
        };
        Self { stderr, shown, notices: BTreeSet::new(), shares, line }
    }

    /// Shows what happened.
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

    /// Says what people must know, although nothing is wrong.
    pub(crate) fn note(&mut self, note: &str) {
        if let Shown::Watched(display) = &mut self.shown {
            display.note(note);
        } else {
            self.begin_line();
            self.stderr.note(note);
        }
    }

    /// When it is time to let time pass.
    pub(crate) fn ticks(&self) -> Ticks {
        match &self.shown {
            Shown::Watched(display) => display.ticks(),
            Shown::Notices | Shown::Lines => Ticks::never(),
        }
    }

    /// Lets time pass.
    pub(crate) fn tick(&mut self) {
        if let Shown::Watched(display) = &mut self.shown {
            display.tick();
        }
    }

    /// Makes room for text that goes to stdout, and gives as much of it as is still to be written:
    /// a line that was ended here is not ended twice.
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

    /// Takes everything away that moves.
    pub(crate) fn clear(&mut self) {
        if let Shown::Watched(display) = &mut self.shown {
            display.clear();
        }
    }

    /// Whether somebody watches.
    pub(crate) fn is_watched(&self) -> bool {
        matches!(self.shown, Shown::Watched(_))
    }

    /// Whether what goes to stdout is seen among all this.
    pub(crate) fn is_beside_output(&self) -> bool {
        self.is_watched() && self.shares
    }

    /// Ends a line on which text stands that went to stdout.
    fn begin_line(&self) {
        let mut line = locked(&self.line);
        if std::mem::take(&mut line.is_open) {
            write("");
            line.was_ended = true;
        }
    }
}
