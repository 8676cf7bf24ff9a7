//! Streams whose pieces are signs of life.

use std::io::Read;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, ReadBuf};

/// A stream that says `alive` for each piece that it gives.
pub(super) struct Heard<R, F> {
    stream: R,
    alive: F,
}

impl<R, F: Fn()> Heard<R, F> {
    pub(super) fn new(stream: R, alive: F) -> Self {
        Self { stream, alive }
    }
}

impl<R: Read, F: Fn()> Read for Heard<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.stream.read(buffer)?;
        if read > 0 {
            (self.alive)();
        }
        Ok(read)
    }
}

impl<R: AsyncRead + Unpin, F: Fn() + Unpin> AsyncRead for Heard<R, F> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            (self.alive)();
        }
        polled
    }
}
