//! A terminal for tests, and a clock that does not wait for real time.

use futures_util::future::BoxFuture;
use std::io::Write;
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stepwright_core::world::Clock;
use stepwright_core::{Timestamp, World};
use tokio::time::Instant;

/// The written bytes.
#[derive(Clone, Default)]
pub(crate) struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Tokio's time, which tests let stand still.
struct PausedClock(Instant);

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_780_000_000_000).plus(self.0.elapsed())
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// A world whose time advances when every task waits.
pub(crate) fn world() -> World {
    World::new(PausedClock(Instant::now()), 7)
}

pub(crate) fn size(size: usize) -> NonZeroU16 {
    NonZeroU16::try_from(u16::try_from(size).unwrap()).unwrap()
}

/// Returns the screen of a terminal of so many columns, including the lines that scrolled away.
pub(crate) fn seen(written: &str, columns: usize) -> String {
    let mut terminal = vt100::Parser::new(size(500), size(columns), 0);
    // Programs write to a terminal that turns line breaks into what printers do.
    terminal.process(written.replace('\n', "\r\n").as_bytes());
    let lines: Vec<String> = terminal.screen().rows(0, size(columns).get()).collect();
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    lines.join("\n").trim_end().to_owned() + "\n"
}

/// The same, on a terminal that is only so high: rows that have scrolled away cannot be changed.
pub(crate) fn seen_on(written: &str, columns: usize, rows: usize) -> String {
    let mut terminal = vt100::Parser::new(size(rows), size(columns), 10_000);
    terminal.process(written.replace('\n', "\r\n").as_bytes());
    let mut lines: Vec<String> = Vec::new();
    terminal.screen_mut().set_scrollback(usize::MAX);
    let hidden = terminal.screen().scrollback();
    for back in (1..=hidden).rev() {
        terminal.screen_mut().set_scrollback(back);
        lines.extend(terminal.screen().rows(0, size(columns).get()).next());
    }
    terminal.screen_mut().set_scrollback(0);
    lines.extend(terminal.screen().rows(0, size(columns).get()));
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    lines.join("\n").trim_end().to_owned() + "\n"
}
