//! Lines of JSON from the output of a process, with limits.

use std::io;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

/// The longest line that a coding agent may write, in bytes. Lines hold whole files.
pub const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The number of lines that are not JSON after which an agent is taken for another program.
pub const NOISE_LINES_MAX: usize = 1000;

/// The longest part of such a line in a message, in bytes.
const NOISE_SHOWN: usize = 200;

/// Reads lines that are JSON objects. Some programs write other lines in between, which are left
/// out.
#[derive(Debug)]
pub(crate) struct JsonLines<R> {
    from: R,
    noise: usize,
}

impl<R: AsyncBufRead + Unpin> JsonLines<R> {
    pub(crate) fn new(from: R) -> Self {
        Self { from, noise: 0 }
    }

    /// Returns the next line. `None` at the end.
    pub(crate) async fn next(&mut self) -> io::Result<Option<String>> {
        loop {
            let Some(line) = self.line().await? else { return Ok(None) };
            let text = String::from_utf8_lossy(&line);
            let text = text.trim();
            if text.starts_with('{') && text.ends_with('}') {
                return Ok(Some(text.to_owned()));
            }
            if text.is_empty() {
                continue;
            }
            let shown = &text[..text.floor_char_boundary(NOISE_SHOWN)];
            tracing::debug!(target: "stepwright", "not JSON: {shown}");
            self.noise += 1;
            if self.noise >= NOISE_LINES_MAX {
                let message = format!(
                    "it wrote {NOISE_LINES_MAX} lines that are not JSON; the last begins with \
                     `{shown}`"
                );
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
        }
    }

    /// Reads one line of limited length.
    async fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        loop {
            let buffer = self.from.fill_buf().await?;
            if buffer.is_empty() {
                return Ok((!line.is_empty()).then_some(line));
            }
            let (part, ends) = match buffer.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (buffer.len(), false),
            };
            if line.len() + part > LINE_BYTES_MAX {
                let message = format!("it wrote a line of more than {LINE_BYTES_MAX} bytes");
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            line.extend_from_slice(&buffer[..part]);
            self.from.consume(part);
            if ends {
                return Ok(Some(line));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_that_are_no_objects_are_left_out_up_to_a_limit() {
        let mut lines = JsonLines::new(&b"hello\n\n{\"a\": 1}\n[1]\n  {\"b\":2}  "[..]);
        assert_eq!(lines.next().await.unwrap().unwrap(), "{\"a\": 1}");
        assert_eq!(lines.next().await.unwrap().unwrap(), "{\"b\":2}");
        assert_eq!(lines.next().await.unwrap(), None);
        let noise = "ready\n".repeat(NOISE_LINES_MAX);
        let error = JsonLines::new(noise.as_bytes()).next().await.unwrap_err();
        assert!(error.to_string().contains("that are not JSON"), "{error}");
    }
}
