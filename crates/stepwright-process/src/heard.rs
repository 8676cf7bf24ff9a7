//! Streams that report each piece of data as a sign of life.

use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, ReadBuf};

/// A stream that calls `alive` for each piece of data.
pub(super) struct Heard<R, F> {
    stream: R,
    alive: F,
}

impl<R, F: Fn()> Heard<R, F> {
    pub(super) fn new(stream: R, alive: F) -> Self {
        Self { stream, alive }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn each_piece_is_a_sign_of_life_and_the_end_is_none() {
        let signs = AtomicU32::new(0);
        let count = || {
            signs.fetch_add(1, Ordering::Relaxed);
        };
        let mut buffer = [0; 4];
        let mut stream = Heard::new(&b"abcdef"[..], &count);
        while AsyncReadExt::read(&mut stream, &mut buffer).await.unwrap() > 0 {}
        assert_eq!(signs.load(Ordering::Relaxed), 2);
    }
}
