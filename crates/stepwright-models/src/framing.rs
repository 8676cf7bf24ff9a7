//! Cuts the body of an answer into its events: server-sent events, or lines of JSON.
//!
//! Each byte is looked at once, however the body comes in pieces. The library that reads the wires
//! looks for the end of an event from its beginning again with every piece, so it is handed whole
//! events only.

use crate::long::LONG_BYTES;

/// The longest event of an answer, in bytes. An image in base64 is the largest that providers send.
pub(crate) const EVENT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// One event of an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The name in its `event:` field.
    pub(crate) name: String,
    /// Its `data:` fields, joined.
    pub(crate) data: String,
    /// A line that is no field of an event.
    pub(crate) stray: Option<Stray>,
    /// `true` if the body ended before the empty line that ends an event.
    pub(crate) is_cut: bool,
}

/// A line of a stream that belongs to no event. Readers are told to skip such lines, but servers
/// that fail write their error there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stray {
    /// It says that it is an error.
    Error(String),
    /// Another line.
    Line(String),
}

/// Cuts a body into frames.
#[derive(Debug)]
pub(crate) struct Framer {
    /// `true` if each line is a document of its own.
    is_lines: bool,
    /// The beginning of a line whose end has not come yet. It may have room for more than the line:
    /// that of a long line before it.
    line: Vec<u8>,
    /// `true` if a first line has come: a byte order mark may stand before it.
    begun: bool,
    /// The byte that the last line ended in. A LF behind a CR belongs to that end.
    last_end: u8,
    frame: Frame,
    has_data: bool,
    /// The length that a long line may have, in bytes: room for it is made at once, because memory
    /// that grows is copied.
    expected: usize,
}

impl Framer {
    pub(crate) fn new(is_lines: bool) -> Self {
        let (line, frame) = (Vec::new(), Frame::default());
        let (begun, last_end, has_data) = (false, 0, false);
        Self { is_lines, line, begun, last_end, frame, has_data, expected: 0 }
    }

    /// Reads on, and adds the frames that end here. The error says what is wrong with the body;
    /// frames before it are whole.
    pub(crate) fn push(
        &mut self,
        bytes: &[u8],
        frames: &mut impl Extend<Frame>,
    ) -> Result<(), String> {
        let mut rest = bytes;
        while !rest.is_empty() {
            // The second half of CR LF.
            if std::mem::take(&mut self.last_end) == b'\r' && rest[0] == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let is_end = |byte: &u8| *byte == b'\n' || (*byte == b'\r' && !self.is_lines);
            let end = rest.iter().position(is_end);
            let (piece, behind) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
            rest = behind;
            if self.line.len() + self.frame.data.len() + piece.len() > EVENT_BYTES_MAX {
                return Err(format!("an event is longer than {EVENT_BYTES_MAX} bytes"));
            }
            if self.line.len() + piece.len() > LONG_BYTES && self.line.capacity() < self.expected {
                self.line.reserve_exact(self.expected - self.line.len());
            }
            self.line.extend_from_slice(piece);
            if end.is_some() {
                self.last_end = *piece.last().unwrap_or(&0);
                let line = self.take_line();
                frames.extend(self.end_of_line(line)?);
            }
        }
        Ok(())
    }

    /// Makes room for lines of this length when a long one comes.
    pub(crate) fn expect(&mut self, length: usize) {
        self.expected = self.expected.max(length.min(EVENT_BYTES_MAX));
    }

    /// Uses this memory for the lines to come.
    pub(crate) fn reuse(&mut self, memory: Vec<u8>) {
        if self.line.is_empty() {
            self.line = memory;
        }
    }

    fn take_line(&mut self) -> Vec<u8> {
        self.expect(self.line.len() + LONG_BYTES);
        if self.line.capacity() <= LONG_BYTES || self.line.len() > LONG_BYTES {
            return std::mem::take(&mut self.line);
        }
        let line = self.line.clone();
        self.line.clear();
        line
    }

    /// The body has ended. An event that no empty line ends may be cut off.
    pub(crate) fn end(&mut self) -> Result<Option<Frame>, String> {
        let line = std::mem::take(&mut self.line);
        if self.is_lines {
            return self.end_of_line(line);
        }
        // Half a letter is the end of a connection, and no mistake.
        let stray = if std::str::from_utf8(&line).is_ok() { self.end_of_line(line)? } else { None };
        let has_data = std::mem::take(&mut self.has_data);
        let frame = Frame { is_cut: true, ..std::mem::take(&mut self.frame) };
        Ok(stray.or_else(|| has_data.then_some(frame)).filter(|frame| {
            frame.stray.as_ref().is_none_or(|stray| matches!(stray, Stray::Error(_)))
        }))
    }

    fn end_of_line(&mut self, line: Vec<u8>) -> Result<Option<Frame>, String> {
        let mut line = String::from_utf8(line).map_err(|_| "an event is not UTF-8".to_owned())?;
        if !std::mem::replace(&mut self.begun, true) && line.starts_with('\u{feff}') {
            line.drain(..'\u{feff}'.len_utf8());
        }
        line.truncate(line.trim_end_matches(['\n', '\r']).len());
        if self.is_lines {
            let frame = Frame { data: line, ..Frame::default() };
            return Ok((!frame.data.trim().is_empty()).then_some(frame));
        }
        if line.is_empty() {
            let has_data = std::mem::take(&mut self.has_data);
            let frame = std::mem::take(&mut self.frame);
            return Ok(has_data.then_some(frame));
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" if self.has_data => {
                self.frame.data.push('\n');
                self.frame.data.push_str(value);
            }
            "data" => {
                self.has_data = true;
                // Most events are one line, which may be long: it is kept as it is.
                let begin = line.len() - value.len();
                line.drain(..begin);
                self.frame.data = line;
            }
            "event" => value.clone_into(&mut self.frame.name),
            // A comment.
            "" | "id" | "retry" => {}
            _ => return Ok(stray(&line, field, value)),
        }
        Ok(None)
    }
}

/// The event in a line that is no field of one: a document that stands there without `data:`, an
/// error, or something that is not known. A field with a name of its own says nothing.
fn stray(line: &str, field: &str, value: &str) -> Option<Frame> {
    const ERRORS: [&str; 6] = ["error", "errors", "detail", "exception", "fault", "message"];
    const CONTENT: [&str; 5] = ["content", "delta", "output", "response", "text"];
    if line.starts_with(['{', '[']) {
        return Some(Frame { data: line.to_owned(), ..Frame::default() });
    }
    let name = field.trim().to_ascii_lowercase();
    let is_name = |name: &str| {
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let is_field = line.contains(':') && is_name(&name);
    let stray = if ERRORS.contains(&&*name) {
        Stray::Error(if value.is_empty() { line } else { value }.to_owned())
    } else if is_field && !CONTENT.contains(&&*name) {
        return None;
    } else {
        Stray::Line(line.to_owned())
    };
    let data = line.to_owned();
    Some(Frame { data, stray: Some(stray), ..Frame::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_wherever_the_body_is_cut() {
        let body = "\u{feff}event: x\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\n: a comment\n\n\
                    data:2\nid: 7\n\ndata";
        let frame = |name: &str, data: &str| Frame {
            name: name.into(),
            data: data.into(),
            ..Frame::default()
        };
        for size in 1..=body.len() {
            let (mut framer, mut frames) = (Framer::new(false), Vec::new());
            for piece in body.as_bytes().chunks(size) {
                framer.push(piece, &mut frames).unwrap();
            }
            assert_eq!(framer.end().unwrap(), Some(Frame { is_cut: true, ..frame("", "") }));
            assert_eq!(frames, [frame("x", "{\"a\":\n1}"), frame("", "2")], "in {size} bytes");
        }
        let mixed = body.replace("\r\n", "\n").replace('\n', "\r");
        for size in 1..=mixed.len() {
            let (mut framer, mut frames) = (Framer::new(false), Vec::new());
            for piece in mixed.as_bytes().chunks(size) {
                framer.push(piece, &mut frames).unwrap();
            }
            assert_eq!(frames, [frame("x", "{\"a\":\n1}"), frame("", "2")], "CR, {size} bytes");
        }
    }

    #[test]
    fn the_last_line_of_lines_needs_no_end() {
        let (mut framer, mut frames) = (Framer::new(true), Vec::new());
        framer.push(b"{}\r\n\n[]", &mut frames).unwrap();
        frames.extend(framer.end().unwrap());
        let data: Vec<_> = frames.iter().map(|frame| frame.data.as_str()).collect();
        assert_eq!(data, ["{}", "[]"]);
    }

    #[test]
    fn what_is_no_event_is_an_error() {
        let read = |bytes: &[u8]| Framer::new(false).push(bytes, &mut Vec::new()).unwrap_err();
        assert_eq!(read(b"data: \xff\n"), "an event is not UTF-8");
        let line = vec![b'x'; EVENT_BYTES_MAX];
        let mut framer = Framer { line, ..Framer::new(false) };
        let error = framer.push(b"x", &mut Vec::new()).unwrap_err();
        assert!(error.starts_with("an event is longer than"), "{error}");
    }
}
