//! Texts of an answer that do not go through the library that reads the wires.
//!
//! The library copies each text several times while it puts an answer together, and reads each
//! piece of it into a tree. So a token of a few letters stands in the place of a long text and of a
//! text that comes in plain pieces, and the text is put back where the library gives the token out
//! again. A piece that only adds to the text before it does not go through the library at all.

use serde_json::Value;
use std::collections::HashMap;
use std::future::poll_fn;
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

/// A text of more bytes than this is long, and so is an answer that has said more. Shorter ones
/// cost little, and nearly all answers are shorter.
pub(crate) const LONG_BYTES: usize = 64 * 1024;

/// Stands at both ends of a token: the last letter of the last private plane.
pub(crate) const MARK: char = '\u{10fffd}';

/// Members whose text is what a model says or thinks.
const TEXTS: [&str; 7] =
    ["content", "delta", "reasoning", "reasoning_content", "refusal", "text", "thinking"];

/// Members that stay as they are: what the library reads itself, and what says what went wrong.
const READ: [&str; 21] = [
    "args",
    "arguments",
    "call_id",
    "error",
    "finish_reason",
    "id",
    "incomplete_details",
    "input",
    "item_id",
    "mimeType",
    "mime_type",
    "model",
    "name",
    "object",
    "partial_json",
    "role",
    "stop_details",
    "stop_reason",
    "type",
    "url",
    "usage",
];

/// The long texts of one answer.
#[derive(Debug, Default)]
pub(crate) struct LongTexts(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    texts: Vec<LongText>,
    /// The text that the next piece may add to.
    growing: Option<usize>,
    /// `true` if the reader waits for nothing but that the text that has grown is told.
    is_paused: bool,
}

#[derive(Debug)]
struct LongText {
    text: String,
    /// The number of bytes that have been told.
    told: usize,
    /// The number of places where it is still to be put back.
    uses: usize,
}

impl LongTexts {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a text, and returns its token.
    fn keep(&self, text: String) -> String {
        let mut state = self.lock();
        state.texts.push(LongText { text, told: 0, uses: 0 });
        let number = state.texts.len() - 1;
        state.growing = Some(number);
        token(number)
    }

    /// Adds to the text that was kept last.
    fn grow(&self, piece: &str) {
        let mut state = self.lock();
        if let Some(number) = state.growing
            && let Some(long) = state.texts.get_mut(number)
        {
            long.text.push_str(piece);
        }
    }

    /// Lets the text that has grown be told before the reader reads on.
    pub(crate) async fn pause(&self) {
        let mut has_paused = false;
        poll_fn(|_| {
            if has_paused {
                return Poll::Ready(());
            }
            has_paused = true;
            self.lock().is_paused = true;
            Poll::Pending
        })
        .await;
    }

    /// Returns the number of the text that has grown, if the reader has paused for it.
    pub(crate) fn resume(&self) -> Option<usize> {
        let mut state = self.lock();
        std::mem::take(&mut state.is_paused).then_some(state.growing).flatten()
    }

    /// The next piece of a long text that has not been told, of at most [`LONG_BYTES`].
    pub(crate) fn untold(&self, number: usize) -> Option<String> {
        self.lock().texts.get_mut(number).and_then(LongText::untold)
    }

    /// The length of `text` with what its tokens stand for, in bytes.
    pub(crate) fn length(&self, text: &str) -> usize {
        if !text.contains(MARK) {
            return text.len();
        }
        let state = self.lock();
        let length = |piece| match piece {
            Piece::Text(text) => text.len(),
            Piece::Token(number, token) => {
                state.texts.get(number).map_or(token.len(), |long| long.text.len())
            }
        };
        tokens(text).map(length).sum()
    }

    /// Counts the tokens in `text`: [`LongTexts::taken`] is called with it later.
    pub(crate) fn count(&self, text: &str) {
        if !text.contains(MARK) {
            return;
        }
        let mut state = self.lock();
        for piece in tokens(text) {
            if let Piece::Token(number, _) = piece
                && let Some(long) = state.texts.get_mut(number)
            {
                long.uses += 1;
            }
        }
    }

    /// `text` with what its tokens stand for, which is gone from here when it has been put into all
    /// places that were counted.
    pub(crate) fn taken(&self, text: String) -> String {
        self.restored(text, &mut |long| {
            long.uses = long.uses.saturating_sub(1);
            if long.uses == 0 { std::mem::take(&mut long.text) } else { long.text.clone() }
        })
    }

    /// `text` with copies of what its tokens stand for.
    pub(crate) fn copied(&self, text: String) -> String {
        self.restored(text, &mut |long| long.text.clone())
    }

    fn restored(&self, text: String, take: &mut dyn FnMut(&mut LongText) -> String) -> String {
        if !text.contains(MARK) {
            return text;
        }
        let mut state = self.lock();
        let (mut before, mut whole) = (String::new(), None::<String>);
        for piece in tokens(&text) {
            let piece = match piece {
                Piece::Text(text) => text,
                Piece::Token(number, token) => match state.texts.get_mut(number) {
                    Some(long) if whole.is_none() => {
                        whole = Some(take(long));
                        continue;
                    }
                    Some(long) => {
                        let text = take(long);
                        whole.get_or_insert_default().push_str(&text);
                        continue;
                    }
                    None => token,
                },
            };
            whole.as_mut().unwrap_or(&mut before).push_str(piece);
        }
        match whole {
            // The long text is not copied for what little stands before it.
            Some(mut whole) if !before.is_empty() => {
                whole.insert_str(0, &before);
                whole
            }
            Some(whole) => whole,
            None => before,
        }
    }
}

/// Calls `change` with each text in `value` that has a token.
pub(crate) fn each_token(value: &mut Value, change: &mut dyn FnMut(&mut String)) {
    match value {
        Value::String(text) if text.contains(MARK) => change(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_token(item, change)),
        Value::Object(members) => {
            let members = members.iter_mut().filter(|(name, _)| !READ.contains(&name.as_str()));
            members.for_each(|(_, member)| each_token(member, change));
        }
        _ => {}
    }
}

/// The token of this number.
pub(crate) fn token(number: usize) -> String {
    format!("{MARK}{number}{MARK}")
}

/// The number of the token that is all of `text`.
pub(crate) fn token_number(text: &str) -> Option<usize> {
    text.strip_prefix(MARK)?.strip_suffix(MARK)?.parse().ok()
}

impl LongText {
    fn untold(&mut self) -> Option<String> {
        let rest = self.text.get(self.told..).filter(|rest| !rest.is_empty())?;
        let piece = rest[..rest.floor_char_boundary(LONG_BYTES)].to_owned();
        self.told += piece.len();
        Some(piece)
    }
}

/// A piece of a text that has tokens.
pub(crate) enum Piece<'a> {
    Text(&'a str),
    /// A token, by its number and as it stands.
    Token(usize, &'a str),
}

/// The texts and the tokens of a text.
pub(crate) fn tokens(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some(inside) = rest.strip_prefix(MARK) else {
            let (text, behind) = rest.split_at(rest.find(MARK).unwrap_or(rest.len()));
            rest = behind;
            return Some(Piece::Text(text));
        };
        let token = inside.find(MARK).and_then(|end| {
            let number = inside[..end].parse().ok()?;
            Some((number, end + 2 * MARK.len_utf8()))
        });
        let Some((number, length)) = token else {
            let (text, behind) = rest.split_at(MARK.len_utf8());
            rest = behind;
            return Some(Piece::Text(text));
        };
        let (token, behind) = rest.split_at(length);
        rest = behind;
        Some(Piece::Token(number, token))
    })
}

/// The result of taking the long texts out of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It has none.
    None,
    /// Tokens stand in their place.
    Replaced,
    /// It has only added to the text before it, which has grown.
    Grown,
}

/// An event without its text.
#[derive(Debug, PartialEq, Eq)]
enum Form {
    /// A piece of text and nothing else.
    Plain(u64),
    /// Another one, as a text.
    Other(String),
}

/// Takes the long texts out of the events of an answer.
#[derive(Debug, Default)]
pub(crate) struct Cutter {
    texts: Arc<LongTexts>,
    /// The number of bytes of text that have come.
    said: usize,
    /// The form of the event that the text that may grow came with.
    frame: Option<Form>,
    streamed: Streamed,
}

impl Cutter {
    pub(crate) fn new(texts: Arc<LongTexts>) -> Self {
        Self { texts, ..Self::default() }
    }

    /// `true` if every text is taken out from now on.
    pub(crate) fn is_long(&self) -> bool {
        self.said > LONG_BYTES
    }

    /// The number of bytes of text that have come.
    pub(crate) fn said(&self) -> usize {
        self.said
    }

    /// Takes notice of an event that goes on as it is, and of the text in it.
    pub(crate) fn pass(&mut self, text: &str) {
        self.said += text.len();
        self.frame = None;
    }

    /// Adds a plain piece to the text before it, if that came in pieces of the same form.
    pub(crate) fn grow(&mut self, text: &str, form: u64) -> bool {
        let may_grow = self.frame == Some(Form::Plain(form));
        if may_grow {
            self.said += text.len();
            self.texts.grow(text);
        }
        may_grow
    }

    /// Keeps a text that plain pieces of the same form add to, and returns its token.
    pub(crate) fn begin(&mut self, text: &str, form: u64) -> String {
        self.pass(text);
        self.frame = Some(Form::Plain(form));
        self.texts.keep(text.to_owned())
    }

    /// Texts that have come in pieces and come once more as a whole.
    pub(crate) fn streamed(&mut self) -> &mut Streamed {
        &mut self.streamed
    }

    /// Takes the long texts out of `event`. `may_grow` says whether the event may be left out if it
    /// only adds to the text before it.
    pub(crate) fn cut(&mut self, event: &mut Value, may_grow: bool) -> Cut {
        let mut taken = Vec::new();
        self.walk(event, "", &mut taken);
        if let [text] = &taken[..]
            && may_grow
        {
            // With no more than one text in it the event is small now.
            let frame = frame(event);
            // A signature belongs to the piece that it came with.
            let frame = (!frame.contains("ignature")).then_some(Form::Other(frame));
            if frame.is_some() && self.frame == frame {
                self.texts.grow(text);
                return Cut::Grown;
            }
            self.frame = frame;
        } else {
            self.frame = None;
        }
        if taken.is_empty() {
            return Cut::None;
        }
        let tokens: Vec<String> = taken.into_iter().map(|text| self.texts.keep(text)).collect();
        number(event, &tokens);
        Cut::Replaced
    }

    /// Moves the long texts of `value` into `taken`. A placeholder with their place there stands
    /// for each.
    fn walk(&mut self, value: &mut Value, name: &str, taken: &mut Vec<String>) {
        match value {
            Value::String(text) => {
                let is_text = TEXTS.contains(&name);
                if is_text {
                    self.said += text.len();
                }
                let is_long = text.len() > LONG_BYTES || (is_text && self.said > LONG_BYTES);
                let is_cut = (is_long && !text.trim_start().is_empty()) || text.contains(MARK);
                if !is_cut || self.streamed.is_given(text) {
                    return;
                }
                // A piece may be the same as a text before it; a whole text is that text.
                if name != "delta"
                    && let Some(given) = self.streamed.given(text)
                {
                    given.clone_into(text);
                    return;
                }
                let place = taken.iter().position(|known| known == text).unwrap_or(taken.len());
                let text = std::mem::replace(text, format!("{MARK}{MARK}{place}"));
                if place == taken.len() {
                    taken.push(text);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.walk(item, name, taken)),
            Value::Object(members) => {
                let is_call = members
                    .get("type")
                    .and_then(Value::as_str)
                    .is_some_and(|kind| kind.contains("arguments") || kind.contains("input"));
                for (name, member) in members {
                    let is_read = READ.contains(&name.as_str()) || (is_call && name == "delta");
                    if !is_read {
                        self.walk(member, name, taken);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Writes tokens where placeholders stand.
fn number(value: &mut Value, tokens: &[String]) {
    match value {
        Value::String(text) => {
            let place = text.strip_prefix(MARK).and_then(|text| text.strip_prefix(MARK));
            let place = place.and_then(|place| place.parse::<usize>().ok());
            if let Some(token) = place.and_then(|place| tokens.get(place)) {
                token.clone_into(text);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| number(item, tokens)),
        Value::Object(members) => members.values_mut().for_each(|member| number(member, tokens)),
        _ => {}
    }
}

/// An event without its text, and without what is another in each event.
fn frame(event: &Value) -> String {
    const CHANGING: [&str; 4] = ["created_at", "obfuscation", "sequence_number", "p"];
    let Value::Object(members) = event else { return event.to_string() };
    let mut frame = String::new();
    for (name, member) in members.iter().filter(|(name, _)| !CHANGING.contains(&name.as_str())) {
        frame.push_str(name);
        frame.push('=');
        frame.push_str(&member.to_string());
        frame.push('\n');
    }
    frame
}

/// Texts that come in pieces and later once more as a whole, as those of the Responses wire do. A
/// whole that is the same as its pieces is not kept a second time.
#[derive(Debug, Default)]
pub(crate) struct Streamed(HashMap<(u64, u64), Whole>);

#[derive(Debug, Default)]
struct Whole {
    length: usize,
    hash: DefaultHasher,
    /// The text as the library was given it.
    given: String,
}

/// A text that has come in pieces.
pub(crate) struct Statement<'a>(&'a Whole);

impl Statement<'_> {
    /// `true` if these texts together are the same, as they came or as the library was given them.
    pub(crate) fn is(&self, texts: &[&str]) -> bool {
        let length: usize = texts.iter().map(|text| text.len()).sum();
        if let [text] = texts
            && *text == self.0.given
        {
            return true;
        }
        if length != self.0.length {
            return false;
        }
        let mut hash = DefaultHasher::new();
        for text in texts {
            hash.write(text.as_bytes());
        }
        hash.finish() == self.0.hash.finish()
    }
}

impl Streamed {
    /// Takes notice of a piece, which the library was given as `given`.
    pub(crate) fn piece(&mut self, item: u64, part: u64, text: &str) {
        let whole = self.0.entry((item, part)).or_default();
        whole.length += text.len();
        whole.hash.write(text.as_bytes());
    }

    /// Takes notice of the form in which the library was given the piece before.
    pub(crate) fn give(&mut self, item: u64, part: u64, given: &str) {
        let whole = self.0.entry((item, part)).or_default();
        whole.given.push_str(given);
    }

    /// The form in which the library was given this text, if it has come in pieces.
    pub(crate) fn given(&self, text: &str) -> Option<&str> {
        let mut same = self.0.values().filter(|whole| whole.length == text.len()).peekable();
        same.peek()?;
        let mut hash = DefaultHasher::new();
        hash.write(text.as_bytes());
        let hash = hash.finish();
        same.find(|whole| whole.hash.finish() == hash).map(|whole| whole.given.as_str())
    }

    /// The texts of messages that have come in pieces, by their items.
    pub(crate) fn messages(&self) -> impl Iterator<Item = (u64, Statement<'_>)> {
        let texts = self.0.iter().filter(|((_, part), whole)| part % 3 == 0 && whole.length > 0);
        texts.map(|((item, _), whole)| (*item, Statement(whole)))
    }

    /// `true` if this is the form in which the library was given a text.
    fn is_given(&self, text: &str) -> bool {
        self.0.values().any(|whole| whole.given == text)
    }
}
