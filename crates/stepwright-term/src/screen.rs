//! Where things are written: what stays, and below it lines that are drawn again and again.

use crate::terminal::Terminal;
use std::fmt;
use std::io::{ErrorKind, Write};

/// Writes what stays, and below it what moves. What has been written is never touched again; what
/// moves is taken away before anything else is written.
///
/// A reader that goes away, as `| head` does, is no failure: nothing more is written then.
pub(crate) struct Screen {
    out: Box<dyn Write + Send>,
    terminal: Terminal,
    /// Instead of what the terminal says.
    width: Option<usize>,
    /// How wide the lines are that move, as they were drawn.
    drawn: Vec<usize>,
    /// What stays and was not written yet.
    kept: String,
    closed: bool,
    failure: Option<std::io::Error>,
}

impl Screen {
    pub(crate) fn new(
        out: Box<dyn Write + Send>,
        terminal: Terminal,
        width: Option<usize>,
    ) -> Self {
        Self {
            out,
            terminal,
            width,
            drawn: Vec::new(),
            kept: String::new(),
            closed: false,
            failure: None,
        }
    }

    pub(crate) fn terminal(&self) -> Terminal {
        self.terminal
    }

    pub(crate) fn resize(&mut self, terminal: Terminal) {
        self.terminal = terminal;
    }

    pub(crate) fn size(&self) -> (usize, usize) {
        let (width, height) = self.terminal.size();
        (self.width.unwrap_or(width), height)
    }

    /// A line that stays. It is written with the next frame.
    pub(crate) fn keep(&mut self, line: &str) {
        self.kept.push_str(line);
        self.kept.push('\n');
    }

    /// What stays, to be written by somebody else.
    pub(crate) fn take_kept(&mut self) -> String {
        std::mem::take(&mut self.kept)
    }

    pub(crate) fn has_kept(&self) -> bool {
        !self.kept.is_empty()
    }

    /// Whether something is there that moves.
    pub(crate) fn is_drawn(&self) -> bool {
        !self.drawn.is_empty()
    }

    /// Writes what stays, and below it these lines, with how wide each is.
    pub(crate) fn frame(&mut self, lines: &[(String, usize)]) {
        let mut frame = self.erasure();
        frame.push_str(&std::mem::take(&mut self.kept));
        self.drawn.clear();
        for (line, width) in lines {
            frame.push_str(line);
            frame.push('\n');
            self.drawn.push(*width);
        }
        self.write(&frame);
    }

    /// Whatever moves is taken away. If the terminal has become narrower meanwhile, it has broken
    /// lines that were drawn before, and they take more rows now.
    fn erasure(&self) -> String {
        if self.drawn.is_empty() {
            return String::new();
        }
        let width = self.size().0.max(1);
        let rows: usize = self.drawn.iter().map(|drawn| drawn.div_ceil(width).max(1)).sum();
        format!("\x1b[{rows}A\r\x1b[J")
    }

    fn write(&mut self, text: &str) {
        if self.closed || text.is_empty() {
            return;
        }
        if let Err(error) = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()) {
            self.closed = true;
            self.failure = (error.kind() != ErrorKind::BrokenPipe).then_some(error);
        }
    }

    /// Why something could not be written although somebody wants it.
    pub(crate) fn failure(&mut self) -> Option<std::io::Error> {
        self.failure.take()
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen").field("drawn", &self.drawn).finish_non_exhaustive()
    }
}
