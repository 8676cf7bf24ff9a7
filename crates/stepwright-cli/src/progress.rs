//! How a run goes on, on stderr.

use crate::args::Run;
use crate::lines::line;
use crate::live::Live;
use crate::terminal::{Terminal, write, write_raw};
use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::sync::Arc;
use stepwright::{Event, EventKind};

/// How a run goes on, as this stderr can show it.
#[derive(Debug)]
pub(crate) struct Progress {
    terminal: Terminal,
    shown: Shown,
    /// What was said about models: once is enough.
    notices: BTreeSet<Arc<str>>,
    /// Whether text that goes to stdout is seen on the same terminal.
    shares: bool,
    /// Whether that text stands in the middle of a line.
    in_line: bool,
    /// Whether that line was ended for it.
    has_ended_line: bool,
}

#[derive(Debug)]
enum Shown {
    /// Only what people must know: for pipes and logs.
    Notices,
    /// A plain line for each event.
    Lines,
    /// Lines that move.
    Live(Live),
}

impl Progress {
    pub(crate) fn new(terminal: Terminal, arguments: &Run) -> Self {
        let shares = terminal.attended && std::io::stdout().is_terminal();
        let shown = if arguments.events && !arguments.json {
            Shown::Lines
        } else if terminal.attended {
            // Lines that are drawn again would be in the way of text that comes word by word, and
            // of what is logged.
            let text_flows = shares && arguments.stream;
            Shown::Live(Live::new(terminal, terminal.redraws && !text_flows && !arguments.debug))
        } else {
            Shown::Notices
        };
        Self {
            terminal,
            shown,
            notices: BTreeSet::new(),
            shares,
            in_line: false,
            has_ended_line: false,
        }
    }

    /// Shows what happened.
    pub(crate) fn event(&mut self, event: &Event) {
        if let EventKind::RunStarted { notice: Some(notice), .. } = &event.kind
            && self.notices.insert(notice.clone())
        {
            self.note(notice);
        }
        let line = match &mut self.shown {
            Shown::Notices => None,
            Shown::Lines => line(event),
            Shown::Live(live) => live.event(event),
        };
        if let Some(line) = line {
            self.write(&line);
        }
    }

    /// Says what people must know, although nothing is wrong.
    pub(crate) fn note(&mut self, note: &str) {
        self.write(&self.terminal.note(note));
    }

    /// Lets time pass.
    pub(crate) fn tick(&mut self) {
        if let Shown::Live(live) = &mut self.shown {
            live.tick();
        }
    }

    /// Makes room for text that goes to stdout, and gives as much of it as is still to be written:
    /// a line that was ended here is not ended twice.
    pub(crate) fn before_text<'a>(&mut self, text: &'a str) -> &'a str {
        if !self.shares {
            return text;
        }
        self.clear();
        self.in_line = !text.ends_with('\n');
        match (std::mem::take(&mut self.has_ended_line), text.strip_prefix('\n')) {
            (true, Some(rest)) => rest,
            _ => text,
        }
    }

    /// Takes everything away that moves.
    pub(crate) fn clear(&mut self) {
        if let Shown::Live(live) = &mut self.shown {
            live.clear();
        }
    }

    /// Whether somebody watches.
    pub(crate) fn is_watched(&self) -> bool {
        matches!(self.shown, Shown::Live(_))
    }

    /// Whether what goes to stdout is seen among all this.
    pub(crate) fn is_beside_output(&self) -> bool {
        self.is_watched() && self.shares
    }

    fn write(&mut self, line: &str) {
        if std::mem::take(&mut self.in_line) {
            write_raw("\n");
            self.has_ended_line = true;
        }
        match &mut self.shown {
            Shown::Live(live) => live.write_above(line),
            Shown::Notices | Shown::Lines => write(line),
        }
    }
}
