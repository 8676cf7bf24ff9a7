//! Checks an answer before the library that decodes the wires reads it.
//!
//! The library takes what it knows out of an event and leaves the rest, and it takes the word of a
//! server for the end of an answer. So each event is judged here first: an error is found wherever
//! it stands, what stands in an unusual place is put where the library looks for it, what says
//! nothing is passed over, and what would be lost is an error. Only events that are whole and right
//! go on.

mod arguments;
mod chat;
mod gemini;
mod judge;
mod members;
mod messages;
mod ollama;
mod plain;
mod responses;
mod usage;

pub(crate) use self::judge::Notes;

use self::judge::Judge;
use crate::catalogue::Wire;
use crate::failure::Speaker;
use crate::faults::find_error;
use crate::framing::{Frame, Framer, Stray};
use crate::halves::Halves;
use crate::literals;
use crate::long::{Cut, Cutter, LONG_BYTES, LongTexts};
use crate::shape::mistake;
use serde_json::{Map, Value};
use std::collections::VecDeque;
use std::sync::Arc;
use stepwright_core::json::{self, JsonError};
use stepwright_core::model::ModelError;
use stepwright_core::number;

/// Names and words of events that say only that the server is there.
const PINGS: [&str; 5] = ["ping", "keep-alive", "keepalive", "heartbeat", "processing"];

/// Names of events that say that the answer has failed.
const FAILURES: [&str; 8] =
    ["error", "exception", "fault", "fail", "failed", "failure", "abort", "aborted"];

/// The kinds of events that may tell a text once more that has come in pieces.
const WHOLES: [&str; 3] = [".done\"", "response.completed\"", "response.incomplete\""];

/// The longest part of a stray line in an error, in bytes.
const STRAY_BYTES_MAX: usize = 100;

/// The number of events that are read at once. Each can cost much, and the other tasks of the
/// thread, which may be to end this one, run between them.
const EVENTS_AT_ONCE: usize = 64;

/// The length of the beginning of an event in which its kind is looked for, in bytes.
const HEAD_BYTES: usize = 256;

/// Tells how far a body has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// All that has come has been read.
    All,
    /// A text has grown.
    Grown,
    /// As much as is read at once.
    Some,
}

/// The reason why an answer is no answer.
#[derive(Debug)]
pub(crate) enum Wrong {
    /// It is not what the wire says.
    Shape(String),
    /// The provider says so.
    Failed(Box<ModelError>),
}

impl From<String> for Wrong {
    fn from(mistake: String) -> Self {
        Self::Shape(mistake)
    }
}

impl From<ModelError> for Wrong {
    fn from(error: ModelError) -> Self {
        Self::Failed(Box::new(error))
    }
}

/// The verdict on an event.
enum Verdict {
    /// It goes on as it came.
    Same,
    /// It goes on as it is now.
    Changed,
    /// It says nothing.
    Dropped,
}

/// Reads along with an answer.
#[derive(Debug)]
pub(crate) struct Reader {
    wire: Wire,
    speaker: Arc<Speaker>,
    framer: Framer,
    /// The frames that have come and are not read.
    frames: VecDeque<Frame>,
    /// The reason why nothing is read behind those frames.
    broken: Option<String>,
    halves: Halves,
    cutter: Cutter,
    /// `true` if the last frame began a text that pieces behind it add to. It is handed on alone,
    /// so that each piece is told as it came.
    has_begun: bool,
    /// The number of bytes of events that have told once more what had come.
    repeated: usize,
    notes: Notes,
    dialect: Dialect,
    /// The failure of an answer whose last counts are still to come.
    failure: Option<ModelError>,
    /// `true` if the model has said that it has finished.
    is_finished: bool,
    /// `true` if the server has said that nothing more comes.
    is_over: bool,
    /// The events since the model has finished. The library takes the first of them for the end of
    /// the answer, so they wait until nothing behind them contradicts it.
    held: Vec<u8>,
}

#[derive(Debug)]
enum Dialect {
    Chat(chat::Chat),
    Responses(responses::Responses),
    Messages(messages::Messages),
    Gemini(gemini::Gemini),
    Ollama(ollama::Tags),
}

impl Reader {
    pub(crate) fn new(wire: Wire, speaker: Arc<Speaker>, texts: Arc<LongTexts>) -> Self {
        let dialect = match wire {
            Wire::OpenAi | Wire::Xai => Dialect::Responses(responses::Responses::default()),
            Wire::Anthropic => Dialect::Messages(messages::Messages::default()),
            Wire::Gemini => Dialect::Gemini(gemini::Gemini),
            Wire::Ollama => Dialect::Ollama(ollama::Tags::default()),
            Wire::OpenAiChat
            | Wire::Azure
            | Wire::DeepSeek
            | Wire::Groq
            | Wire::Mistral
            | Wire::OpenRouter
            | Wire::Gateway(_) => Dialect::Chat(chat::Chat::default()),
        };
        Self {
            wire,
            speaker,
            framer: Framer::new(wire == Wire::Ollama),
            frames: VecDeque::new(),
            broken: None,
            halves: Halves::default(),
            cutter: Cutter::new(texts),
            has_begun: false,
            repeated: 0,
            notes: Notes::default(),
            dialect,
            failure: None,
            is_finished: false,
            is_over: false,
            held: Vec::new(),
        }
    }

    /// Returns the facts about the answer so far, beside its text.
    pub(crate) fn notes(&self) -> &Notes {
        &self.notes
    }

    /// The number of bytes of events that have told once more what had come.
    pub(crate) fn repeated(&self) -> usize {
        self.repeated
    }

    /// `true` if the model has finished, and only the end of the stream is missing.
    pub(crate) fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// `true` if the server has said that nothing more comes.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Takes the next bytes of the body.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if matches!(self.dialect, Dialect::Responses(_)) {
            // The whole text comes once more, with escapes.
            let said = self.cutter.said();
            self.framer.expect(said + said / 2);
        }
        self.broken = self.framer.push(bytes, &mut self.frames).err();
    }

    /// Reads what has come, up to where a text has grown that does not go through the library, and
    /// adds the events that the library may read to `out`. An error stands behind those.
    pub(crate) fn read(&mut self, out: &mut Vec<u8>) -> Result<Read, Wrong> {
        for _ in 0..EVENTS_AT_ONCE {
            let Some(frame) = self.frames.pop_front() else { break };
            if self.held_frame(frame, out)? {
                return Ok(Read::Grown);
            }
            if std::mem::take(&mut self.has_begun) {
                return Ok(Read::Some);
            }
        }
        if !self.frames.is_empty() {
            return Ok(Read::Some);
        }
        match self.broken.take() {
            Some(mistake) => Err(mistake.into()),
            None => Ok(Read::All),
        }
    }

    /// Reads one frame, and keeps its events back if the model has finished.
    fn held_frame(&mut self, frame: Frame, out: &mut Vec<u8>) -> Result<bool, Wrong> {
        let begin = out.len();
        let has_grown = self.frame(frame, out)?;
        if self.is_finished {
            if begin == 0 && self.held.is_empty() {
                self.held = std::mem::take(out);
            } else {
                self.held.extend_from_slice(&out[begin..]);
                out.truncate(begin);
            }
        }
        Ok(has_grown)
    }

    /// Reads a whole answer that came as one document in place of a stream.
    pub(crate) fn read_document(&mut self, document: String) -> Result<Vec<u8>, Wrong> {
        let value = self.parse(document)?;
        let mut out = Vec::new();
        // Google gives the pieces of its streams as a list where a request does not ask for events.
        let pieces = match value {
            Value::Array(pieces) if self.wire == Wire::Gemini => pieces,
            value => vec![value],
        };
        for piece in pieces {
            let piece = match &self.dialect {
                Dialect::Chat(_) => chat::from_document(piece),
                Dialect::Responses(_) => responses::from_document(piece),
                _ => piece,
            };
            self.value(piece, None, &mut out)?;
        }
        if matches!(self.dialect, Dialect::Chat(_)) {
            self.done(&mut out)?;
        }
        Ok(out)
    }

    /// The body has ended.
    pub(crate) fn end(&mut self) -> Result<Vec<u8>, Wrong> {
        let mut out = Vec::new();
        if let Some(frame) = self.framer.end()? {
            // Half an event at the end of the connection is none.
            let is_whole = !frame.is_cut
                || is_failure(&frame.name)
                || frame.data.trim() == "[DONE]"
                || json::parse_frame(&frame.data).is_ok();
            if is_whole {
                self.frame(frame, &mut out)?;
            }
        }
        self.failed()?;
        if self.held.is_empty() {
            return Ok(out);
        }
        let mut held = std::mem::take(&mut self.held);
        held.append(&mut out);
        Ok(held)
    }

    fn failed(&mut self) -> Result<(), Wrong> {
        match self.failure.take() {
            Some(error) => Err(self.spent(error)),
            None => Ok(()),
        }
    }

    /// `error`, which knows what the answer has consumed.
    fn spent(&self, error: ModelError) -> Wrong {
        ModelError { usage: Box::new(self.notes.usage), ..error }.into()
    }

    /// Reads one frame. Returns whether it did no more than let a text grow.
    fn frame(&mut self, frame: Frame, out: &mut Vec<u8>) -> Result<bool, Wrong> {
        let data = frame.data.trim();
        if data.is_empty() || is_ping(&frame.name) || is_ping(data.trim_matches('"')) {
            return Ok(false);
        }
        if self.is_over {
            return self.behind(frame);
        }
        if data == "[DONE]" {
            self.done(out)?;
            return Ok(false);
        }
        if is_failure(&frame.name) {
            return Err(self.spent(self.speaker.in_band(data)));
        }
        if let Some(error) = frame.stray {
            return Err(self.stray(&error));
        }
        if data.len() > LONG_BYTES {
            let value = self.parse(frame.data)?;
            return self.value(value, None, out);
        }
        if let Some(has_grown) = self.plain(data, out) {
            return Ok(has_grown);
        }
        let value = self.parse(data.to_owned())?;
        self.value(value, Some(data), out)
    }

    /// Reads what comes behind the end of an answer: only counts and signs of life may stand there.
    fn behind(&mut self, frame: Frame) -> Result<bool, Wrong> {
        if frame.data.trim() == "[DONE]" {
            return Ok(false);
        }
        if is_failure(&frame.name) {
            return Err(self.spent(self.speaker.in_band(frame.data.trim())));
        }
        if let Some(stray) = frame.stray {
            return Err(self.stray(&stray));
        }
        let said = self.cutter.said();
        let value = self.parse(frame.data)?;
        self.value(value, None, &mut Vec::new())?;
        if self.cutter.said() > said {
            return Err(Wrong::Shape("text comes behind the end of the answer".to_owned()));
        }
        Ok(false)
    }

    /// The error for a line of the body that is no event.
    fn stray(&self, line: &Stray) -> Wrong {
        match line {
            Stray::Error(text) => self.spent(self.speaker.in_band(text)),
            Stray::Line(text) => {
                let begin = &text[..text.floor_char_boundary(STRAY_BYTES_MAX)];
                Wrong::Shape(format!("a line of its stream is no event: `{}`", begin.trim()))
            }
        }
    }

    fn parse(&mut self, data: String) -> Result<Value, Wrong> {
        let no_json = |error: JsonError| {
            Wrong::Shape(match error {
                JsonError::Syntax(_) => format!("an event is not JSON: {error}"),
                error => format!("the JSON of an event cannot be used: {error}"),
            })
        };
        // Calls come whole within an event on these wires, and with their arguments as JSON.
        let calls: &[&str] = match self.wire {
            Wire::Gemini => &["\"functionCall\""],
            Wire::Ollama => &["\"tool_calls\""],
            Wire::Anthropic => &["\"tool_use\""],
            _ => &["\"arguments\":{", "\"arguments\": {"],
        };
        if calls.iter().any(|call| data.contains(call))
            && let Some(key) = arguments::twice(&data)
        {
            return Err(arguments::repeated(&key).into());
        }
        let is_waiting = self.halves.is_waiting();
        // Texts that have come in pieces are told once more at the end.
        let head = &data[..data.floor_char_boundary(HEAD_BYTES)];
        let is_whole = WHOLES.iter().any(|kind| head.contains(kind));
        let streamed = self.cutter.streamed();
        let given = |text: &str| streamed.given(text).filter(|_| is_whole).map(str::to_owned);
        let (length, mut spare) = (data.len(), None);
        let parsed = literals::parse(data, given, &mut spare);
        if let Some(spare) = spare {
            // The next event is as long as this one was.
            self.framer.reuse(spare);
            self.repeated += length;
        }
        let mut value = match parsed {
            Ok(value) if !is_waiting => return Ok(value),
            Ok(value) => value,
            // All else has been checked before the numbers.
            Err((data, error @ JsonError::Number { .. })) => match rounded(&data) {
                Some(value) if !is_waiting => return Ok(value),
                Some(value) => value,
                None => return Err(no_json(error)),
            },
            Err((data, error @ JsonError::Syntax(_))) => match Halves::readable(&data) {
                Some(readable) => {
                    drop(data);
                    json::parse_frame(&readable).map_err(no_json)?
                }
                None => return Err(no_json(error)),
            },
            Err((_, error)) => return Err(no_json(error)),
        };
        self.halves.mend(&mut value);
        Ok(value)
    }

    /// Judges one event, which stands in the body as `data` if it does so unchanged. Returns
    /// whether it did no more than let a text grow.
    fn value(
        &mut self,
        mut value: Value,
        data: Option<&str>,
        out: &mut Vec<u8>,
    ) -> Result<bool, Wrong> {
        let is_mended = data.is_none_or(|data| data.contains("\\u"));
        let Value::Object(event) = &mut value else {
            return Err(Wrong::Shape("an event is not an object".to_owned()));
        };
        if event.is_empty() || said(event, "type").is_some_and(is_ping) {
            return Ok(false);
        }
        let is_cleaned = usage::clean(event, self.wire);
        usage::note(event, self.wire, &mut self.notes.usage);
        if let Some(error) = find_error(event, self.wire) {
            return Err(self.spent(self.speaker.in_band(&error.to_string())));
        }
        if self.failure.is_some() {
            return Ok(false);
        }
        if let Some(mistake) = mistake(self.wire, event) {
            return Err(Wrong::Shape(mistake));
        }
        let mut judge = Judge {
            speaker: &self.speaker,
            wire: self.wire,
            notes: &mut self.notes,
            is_finished: &mut self.is_finished,
            failure: &mut self.failure,
            is_over: &mut self.is_over,
            streamed: self.cutter.streamed(),
            before: Vec::new(),
        };
        let judged = match &mut self.dialect {
            Dialect::Chat(chat) => chat.event(event, &mut judge),
            Dialect::Responses(responses) => responses.event(event, &mut judge),
            Dialect::Messages(messages) => messages.event(event, &mut judge),
            Dialect::Gemini(gemini) => gemini.event(event, &mut judge),
            Dialect::Ollama(_) => ollama::event(event, &mut judge),
        };
        let before = judge.before;
        let verdict = match judged {
            Err(Wrong::Failed(error)) => return Err(self.spent(*error)),
            judged => judged?,
        };
        if self.is_finished && self.halves.forget() {
            let what = "the answer ends in the middle of a character, which is left out";
            self.notes.warn(what.to_owned());
        }
        let may_grow = before.is_empty() && !self.is_finished;
        for event in before {
            self.emit(&event.to_string(), out);
        }
        if matches!(verdict, Verdict::Dropped) {
            return Ok(false);
        }
        match (self.cut(&mut value, may_grow), verdict, data) {
            (Cut::Grown, ..) => return Ok(true),
            (Cut::None, Verdict::Same, Some(data)) if !is_cleaned && !is_mended => {
                self.emit(data, out);
            }
            _ => self.emit(&value.to_string(), out),
        }
        Ok(false)
    }

    /// Takes the long texts out of an event.
    fn cut(&mut self, event: &mut Value, may_grow: bool) -> Cut {
        let place = match &mut self.dialect {
            Dialect::Responses(_) => responses::place_of_text(event),
            Dialect::Ollama(tags) => {
                if tags.may_be_in(event) {
                    return Cut::None;
                }
                None
            }
            _ => None,
        };
        if let (Some((item, part)), Some(text)) = (place, event["delta"].as_str()) {
            self.cutter.streamed().piece(item, part, text);
        }
        let cut = self.cutter.cut(event, may_grow);
        if let (Some((item, part)), Some(given)) = (place, event["delta"].as_str())
            && cut != Cut::Grown
        {
            self.cutter.streamed().give(item, part, given);
        }
        cut
    }

    /// The server says that nothing more comes.
    fn done(&mut self, out: &mut Vec<u8>) -> Result<(), Wrong> {
        self.failed()?;
        if let (Dialect::Chat(chat), false) = (&self.dialect, self.is_finished)
            && let Some(end) = chat.unannounced_end()
        {
            let provider = self.speaker.provider;
            self.notes.warn(format!(
                "`{provider}` ended the answer with [DONE] and gave no finish reason"
            ));
            self.emit(&end.to_string(), out);
        }
        (self.is_finished, self.is_over) = (true, true);
        self.emit("[DONE]", out);
        Ok(())
    }

    fn emit(&self, data: &str, out: &mut Vec<u8>) {
        if self.wire == Wire::Ollama {
            out.extend_from_slice(data.as_bytes());
            out.push(b'\n');
            return;
        }
        for line in data.split('\n') {
            out.extend_from_slice(b"data: ");
            out.extend_from_slice(line.as_bytes());
            out.push(b'\n');
        }
        out.push(b'\n');
    }
}

type Object = Map<String, Value>;

/// An event whose numbers may be rounded: those in facts beside the answer. `None` if a number
/// that counts may be one of them, in the arguments of a call or as the place of a piece.
fn rounded(data: &str) -> Option<Value> {
    const EXACT: [&str; 5] = ["args", "arguments", "input", "index", "partialargs"];
    // Integers of 64 bits are exact, and below 2^53 at most a fraction is rounded.
    fn is_exact(value: &Value, counts: bool, vanish: bool) -> bool {
        match value {
            Value::Number(number) if counts && number.is_f64() => number
                .as_f64()
                .is_some_and(|n| n.abs() < number::EXACT_BELOW && !(vanish && n == 0.0)),
            Value::Array(items) => items.iter().all(|item| is_exact(item, counts, vanish)),
            Value::Object(members) => members.iter().all(|(name, member)| {
                let name = name.to_ascii_lowercase().replace('_', "");
                let counts = counts || EXACT.iter().any(|exact| name.ends_with(exact));
                is_exact(member, counts, vanish)
            }),
            _ => true,
        }
    }
    let value: Value = serde_json::from_str(data).ok()?;
    // A number that is too small has become zero.
    let vanish = data.contains("e-") || data.contains("E-") || data.contains("0.000");
    is_exact(&value, false, vanish).then_some(value)
}

/// `true` if an event has the name of a failure.
fn is_failure(name: &str) -> bool {
    FAILURES.iter().any(|failure| failure.eq_ignore_ascii_case(name))
}

fn is_ping(word: &str) -> bool {
    PINGS.iter().any(|ping| ping.eq_ignore_ascii_case(word))
}

/// A word in an event that says how the answer has ended. One of another type than text would be
/// taken for none.
fn reason<'a>(object: &'a Object, name: &str) -> Result<Option<&'a str>, Wrong> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.trim().is_empty())),
        Some(other) => Err(format!("`{name}` is not a string: {other}").into()),
    }
}

/// A text in an event that says something.
fn said<'a>(object: &'a Object, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn list_mut<'a>(object: &'a mut Object, name: &str) -> impl Iterator<Item = &'a mut Object> {
    let list = object.get_mut(name).and_then(Value::as_array_mut);
    list.into_iter().flatten().filter_map(Value::as_object_mut)
}

fn list<'a>(object: &'a Object, name: &str) -> impl Iterator<Item = &'a Object> {
    let list = object.get(name).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_object)
}
