//! The output: permanent lines, and below them lines that are redrawn.

use crate::terminal::Terminal;
use std::fmt;
use std::io::{ErrorKind, Write};

/// Writes permanent lines, and below them a frame of lines that are redrawn. Permanent lines are
/// never touched again; the frame is erased before anything else is written.
///
/// A reader that goes away, as in `| head`, is no failure: the screen then stops writing.
pub(crate) struct Screen {
    out: Box<dyn Write + Send>,
    terminal: Terminal,
    /// Overrides the terminal's width.
    width: Option<usize>,
    /// The widths of the frame's lines as they were drawn.
    drawn: Vec<usize>,
    /// Permanent lines that are not written yet.
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

    /// Adds a permanent line. It is written with the next frame.
    pub(crate) fn keep(&mut self, line: &str) {
        self.kept.push_str(line);
        self.kept.push('\n');
    }

    /// Takes the permanent lines that are not written yet.
    pub(crate) fn take_kept(&mut self) -> String {
        std::mem::take(&mut self.kept)
    }

    pub(crate) fn has_kept(&self) -> bool {
        !self.kept.is_empty()
    }

    /// Returns `true` if a frame is on the screen.
    pub(crate) fn is_drawn(&self) -> bool {
        !self.drawn.is_empty()
    }

    /// Writes the permanent lines, and below them a frame of lines with their widths.
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

    /// Returns the sequence that erases the frame. A terminal that became narrower has wrapped the
    /// lines drawn before, so they take more rows now.
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

    /// Takes the error of a write that failed.
    pub(crate) fn failure(&mut self) -> Option<std::io::Error> {
        self.failure.take()
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen").field("drawn", &self.drawn).finish_non_exhaustive()
    }
}
