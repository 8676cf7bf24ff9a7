//! The answer of a provider, as events and a completion of the core.

use super::{ADAPTER, ADAPTER_WITH_TOKENS, failure};
use crate::failure::Speaker;
use crate::key::{Filter, clean};
use crate::long::{self, LongTexts};
use crate::think::{Piece, Think};
use crate::transport::Heard;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream::Stream;
use futures_util::{FutureExt as _, StreamExt as _};
use rig_core::completion::{CompletionResponse, FinishReason};
use rig_core::error::ProviderError;
use rig_core::message::{
    AssistantContent, DocumentSourceKind, Image, MimeType, ToolCall as RigCall,
};
use rig_core::streaming::{CompletionStream, Item, PartKind, StreamEvent};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use stepwright_core::BoxFuture;
use stepwright_core::media::{Media, MediaKind};
use stepwright_core::message::{Arguments, AssistantTurn, Native, Part, ToolCall, Usage};
use stepwright_core::model::{Completion, ModelError, ModelErrorKind, ModelEvent, StopReason};

/// A text of more bytes than this is kept once.
const LONG_BYTES: usize = 1024 * 1024;

/// The answer to one request.
pub(super) struct Answer {
    id: String,
    speaker: Arc<Speaker>,
    reading: Reading,
    /// The parts that are calls, in the order in which they began.
    calls: Vec<usize>,
    /// The number of parts of text that have begun, and which of them are commentaries.
    texts: usize,
    commentary: HashSet<usize>,
    heard: Arc<Heard>,
    /// The number of pieces that had come when something was last told.
    seen: u64,
    voice: Voice,
    /// The calls that were told, by the part of the answer: their arguments are not copied again.
    told: HashMap<usize, ToolCall>,
    /// The channel of each long text, by its number.
    channels: HashMap<usize, Channel>,
    /// The long texts that are told before anything else, and the short ones among them.
    telling: VecDeque<(Channel, Telling)>,
}

enum Telling {
    Text(String),
    /// A long text, by its number.
    Long(usize),
}

enum Reading {
    Events(Box<CompletionStream>),
    End(BoxFuture<'static, Result<CompletionResponse, ProviderError>>),
    Over,
}

/// The events of an answer while it arrives: reasoning separate from text, and without secrets.
struct Voice {
    think: Think,
    secrets: Arc<Vec<String>>,
    filter: Filter,
    channel: Channel,
    ready: VecDeque<ModelEvent>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Channel {
    Text,
    /// A message in the phase `commentary`: text to the provider, reasoning here.
    Commentary,
    Thought,
    Arguments(usize),
}

impl Voice {
    fn new(secrets: Vec<String>) -> Self {
        let secrets = Arc::new(secrets);
        let filter = Filter::new(secrets.clone());
        let (think, ready) = (Think::default(), VecDeque::new());
        Self { think, secrets, filter, channel: Channel::Text, ready }
    }

    fn text(&mut self, text: String) {
        for piece in self.think.push(text) {
            self.piece(piece);
        }
    }

    fn thought(&mut self, text: String) {
        // Where the provider tells thoughts apart, a tag in the text is text.
        let held = std::mem::replace(&mut self.think, Think::Text).end();
        for piece in held {
            self.piece(piece);
        }
        self.say(Channel::Thought, text);
    }

    fn tell_on(&mut self, channel: Channel, text: String) {
        match channel {
            Channel::Text => self.text(text),
            Channel::Thought => self.thought(text),
            Channel::Commentary | Channel::Arguments(_) => self.say(channel, text),
        }
    }

    fn piece(&mut self, piece: Piece) {
        match piece {
            Piece::Text(text) => self.say(Channel::Text, text),
            Piece::Thought(text) => self.say(Channel::Thought, text),
        }
    }

    fn say(&mut self, channel: Channel, text: String) {
        if channel != self.channel {
            self.rest();
            self.channel = channel;
        }
        let text = self.filter.push(text);
        self.tell(text);
    }

    /// Tells what was held back.
    fn rest(&mut self) {
        let held = self.filter.end();
        self.tell(held);
    }

    fn tell(&mut self, text: String) {
        if !text.is_empty() {
            self.ready.push_back(match self.channel {
                Channel::Text => ModelEvent::TextDelta(text),
                Channel::Thought | Channel::Commentary => ModelEvent::ReasoningDelta(text),
                Channel::Arguments(index) => ModelEvent::ToolArgumentsDelta { index, json: text },
            });
        }
    }

    fn event(&mut self, event: ModelEvent) {
        let held = self.think.end();
        for piece in held {
            self.piece(piece);
        }
        self.rest();
        self.ready.push_back(event);
    }
}

impl Answer {
    pub(super) fn new(
        id: String,
        speaker: Arc<Speaker>,
        events: CompletionStream,
        heard: Arc<Heard>,
    ) -> Self {
        let secrets = speaker.key.as_ref().map(crate::key::Key::secrets).unwrap_or_default();
        Self {
            id,
            speaker,
            reading: Reading::Events(Box::new(events)),
            calls: Vec::new(),
            texts: 0,
            commentary: HashSet::new(),
            heard,
            seen: 0,
            voice: Voice::new(secrets),
            told: HashMap::new(),
            channels: HashMap::new(),
            telling: VecDeque::new(),
        }
    }
}

impl Stream for Answer {
    type Item = Result<ModelEvent, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(event) = this.voice.ready.pop_front() {
                this.seen = this.heard.pieces();
                return Poll::Ready(Some(Ok(event)));
            }
            if this.tell_next() {
                continue;
            }
            let polled = match &mut this.reading {
                Reading::Over => return Poll::Ready(None),
                Reading::End(end) => {
                    let response = std::task::ready!(end.poll_unpin(cx));
                    this.reading = Reading::Over;
                    match response.map_err(|error| failure(error, &this.speaker)) {
                        Ok(response) => match this.completion(response) {
                            Ok(done) => {
                                this.voice.event(done);
                                continue;
                            }
                            Err(error) => return Poll::Ready(Some(Err(this.spent(error)))),
                        },
                        Err(error) => return Poll::Ready(Some(Err(this.spent(error)))),
                    }
                }
                Reading::Events(events) => events.poll_next_unpin(cx),
            };
            match polled {
                Poll::Ready(Some(Ok(Item::Event(event)))) => this.event(event),
                // Events of a kind that is newer than this program; providers say to skip them.
                // Those of a known kind and a wrong shape do not come this far: see `shape`.
                Poll::Ready(Some(Ok(Item::Unknown(_)))) => {}
                Poll::Ready(Some(Err(error))) => {
                    this.reading = Reading::Over;
                    return Poll::Ready(Some(Err(this.spent(failure(error, &this.speaker)))));
                }
                Poll::Ready(None) => {
                    let Reading::Events(events) =
                        std::mem::replace(&mut this.reading, Reading::Over)
                    else {
                        return Poll::Ready(None);
                    };
                    this.reading = Reading::End(events.finish().boxed());
                }
                Poll::Pending => {
                    if let Some(grown) = this.heard.texts.resume() {
                        // Without a channel it grew where the library takes no text.
                        if let Some(channel) = this.channels.get(&grown) {
                            this.telling.push_back((*channel, Telling::Long(grown)));
                        }
                        continue;
                    }
                    let pieces = this.heard.pieces();
                    if pieces == this.seen {
                        return Poll::Pending;
                    }
                    this.seen = pieces;
                    return Poll::Ready(Some(Ok(ModelEvent::Heartbeat)));
                }
            }
        }
    }
}

impl Answer {
    fn event(&mut self, event: StreamEvent) {
        let call = |part: usize| self.calls.iter().position(|known| *known == part);
        match event {
            StreamEvent::Text { part, text } if self.commentary.contains(&part.index()) => {
                self.tell(Channel::Commentary, text);
            }
            StreamEvent::Text { text, .. } => self.tell(Channel::Text, text),
            StreamEvent::Reasoning { text, .. } => self.tell(Channel::Thought, text),
            StreamEvent::Start { part, name: Some(name), .. } => {
                self.calls.push(part.index());
                let index = self.calls.len() - 1;
                self.voice.event(ModelEvent::ToolCallStart { index, name: name.to_string() });
            }
            StreamEvent::Start { part, kind: PartKind::Text, .. } => {
                if self.heard.notes().commentary.get(self.texts) == Some(&true) {
                    self.commentary.insert(part.index());
                }
                self.texts += 1;
            }
            StreamEvent::Arguments { part, json } => {
                if let Some(index) = call(part.index()) {
                    self.voice.say(Channel::Arguments(index), json);
                }
            }
            StreamEvent::End { part, content: AssistantContent::ToolCall(ready) } => {
                if let Some(index) = call(part.index()) {
                    let call = tool_call(&ready, &self.voice.secrets);
                    self.told.insert(part.index(), call.clone());
                    self.voice.event(ModelEvent::ToolCallReady { index, call });
                }
            }
            StreamEvent::Start { .. } | StreamEvent::End { .. } => {}
        }
    }

    /// Tells a text with the long texts whose tokens stand in it.
    fn tell(&mut self, channel: Channel, text: String) {
        if !text.contains(long::MARK) {
            self.voice.tell_on(channel, text);
            return;
        }
        for piece in long::tokens(&text) {
            self.telling.push_back(match piece {
                long::Piece::Text(text) => (channel, Telling::Text(text.to_owned())),
                long::Piece::Token(number, _) => {
                    self.channels.insert(number, channel);
                    (channel, Telling::Long(number))
                }
            });
        }
    }

    /// Tells the next piece of what is told before anything else. Returns whether there was one.
    fn tell_next(&mut self) -> bool {
        let Some((channel, telling)) = self.telling.front_mut() else { return false };
        let (channel, piece) = match telling {
            Telling::Text(text) if text.is_empty() => (*channel, None),
            Telling::Text(text) => (*channel, Some(std::mem::take(text))),
            Telling::Long(number) => (*channel, self.heard.texts.untold(*number)),
        };
        match piece {
            Some(piece) => self.voice.tell_on(channel, piece),
            None => {
                self.telling.pop_front();
            }
        }
        true
    }

    /// The answer as the library wants to have it again, with the tokens of its long texts. A long
    /// text alone is the same without it.
    fn message(&self, response: &CompletionResponse) -> Option<Value> {
        let texts = &self.heard.texts;
        let is_text = |content: &AssistantContent| match content {
            AssistantContent::Text(text) => {
                let item = text.native.as_ref().map(|native| &native.item);
                item.is_none_or(|item| item.get("thoughtSignature").is_none())
            }
            _ => false,
        };
        let bytes: usize = response
            .choice
            .iter()
            .map(|content| match content {
                AssistantContent::Text(text) => texts.length(&text.text),
                _ => 0,
            })
            .sum();
        if bytes > LONG_BYTES && response.choice.iter().all(is_text) {
            return None;
        }
        serde_json::to_value(response.message()?).ok()
    }

    /// The form of a message that is kept for the next request. `places` has the parts of the turn
    /// that hold long texts: those are not kept a second time.
    fn native(&self, mut message: Value, places: &[(String, usize)]) -> Option<Native> {
        let mut adapter = ADAPTER;
        long::each_token(&mut message, &mut |text| {
            adapter = ADAPTER_WITH_TOKENS;
            *text = match places.iter().find(|(given, _)| given == text) {
                Some((_, part)) => long::token(*part),
                None => self.heard.texts.taken(std::mem::take(text)),
            };
        });
        if holds(&message, &self.voice.secrets) {
            return None;
        }
        // `json!` would copy the message.
        let model = ("model".to_owned(), Value::String(self.id.clone()));
        let data = Value::Object(Map::from_iter([model, ("message".to_owned(), message)]));
        Some(Native { adapter: adapter.to_owned(), data: data.into() })
    }

    /// `error`, which knows what the answer has consumed.
    fn spent(&self, mut error: ModelError) -> ModelError {
        if error.usage.is_empty() {
            error.usage = Box::new(self.heard.notes().usage);
        }
        error
    }

    fn completion(&self, mut response: CompletionResponse) -> Result<ModelEvent, ModelError> {
        let notes = self.heard.notes();
        let secrets = &self.voice.secrets;
        let lost = |what: String| {
            let message = format!("`{}` answered with {what}", self.speaker.provider);
            self.speaker.error(ModelErrorKind::Malformed, message)
        };
        let mut message = self.message(&response);
        let finish_reason = response.finish_reason();
        let texts = &*self.heard.texts;
        let choice = std::mem::take(&mut response.choice);
        let given: Vec<String> =
            choice.iter().map(|content| given(content).unwrap_or_default().to_owned()).collect();
        for given in &given {
            texts.count(given);
        }
        if let Some(message) = &mut message {
            long::each_token(message, &mut |text| {
                if !given.contains(text) {
                    texts.count(text);
                }
            });
        }
        let mut parts = Vec::with_capacity(choice.len());
        let mut places = Vec::new();
        let mut is_native = true;
        for ((at, content), given) in choice.into_iter().enumerate().zip(given) {
            let told = self.told.get(&at).filter(|told| is_same(told, &content));
            let part = match told {
                Some(told) => Some(Part::ToolCall(told.clone())),
                None => part(content, secrets, texts, &mut is_native).map_err(lost)?,
            };
            if part.is_some() && !given.is_empty() {
                places.push((given, parts.len()));
            }
            match part {
                Some(Part::Text { text }) if self.commentary.contains(&at) => {
                    parts.push(Part::Reasoning { text });
                }
                // Where the provider tells thoughts apart, a tag in the text is text.
                Some(Part::Text { text }) if parts.is_empty() => match Think::split(&text) {
                    Some((thoughts, text)) => {
                        is_native = false;
                        parts.extend(
                            (!thoughts.is_empty()).then_some(Part::Reasoning { text: thoughts }),
                        );
                        parts.extend((!text.is_empty()).then_some(Part::Text { text }));
                    }
                    None => parts.push(Part::Text { text }),
                },
                part => parts.extend(part),
            }
        }
        let message = message.filter(|_| is_native);
        let native = message.and_then(|message| self.native(message, &places));
        let turn = AssistantTurn { parts, native };
        let calls = turn.tool_calls().next().is_some();
        let stop = match finish_reason {
            Some(FinishReason::ContentFilter) => StopReason::Refused,
            Some(FinishReason::Length) => StopReason::Length,
            _ if notes.is_cut => StopReason::Length,
            Some(FinishReason::ToolCalls) => StopReason::ToolCalls,
            Some(FinishReason::Other(reason)) => {
                let said = response.error.as_deref().unwrap_or(&reason);
                return Err(self.speaker.in_band(said));
            }
            _ if notes.is_refusal => StopReason::Refused,
            _ if notes.is_pause => StopReason::Other("pause_turn".to_owned()),
            _ if calls => StopReason::ToolCalls,
            _ => StopReason::EndTurn,
        };
        let usage = response.usage;
        Ok(ModelEvent::Done(Completion {
            model: None,
            turn,
            stop,
            // Both sides count alike: cached and written tokens are among those read, thoughts
            // among those written.
            usage: Usage {
                input_tokens: usage.input_tokens,
                output_tokens: usage.output_tokens,
                cache_read_tokens: usage.cached_input_tokens,
                cache_write_tokens: usage.cache_creation_input_tokens,
                reasoning_tokens: usage.reasoning_tokens,
                image_tokens: notes.usage.image_tokens,
            },
            response_id: response.response_id().map(|id| clean(id, secrets).into_owned()),
            request_id: self.heard.request_id(),
            hosted_tools: notes.hosted_tools.iter().map(|t| clean(t, secrets).into()).collect(),
            quota: self.heard.quota(),
            warning: notes.warning,
        }))
    }
}

/// The text of a part of an answer that has tokens of long texts.
fn given(content: &AssistantContent) -> Option<&str> {
    let text = match content {
        AssistantContent::Text(text) => &text.text,
        AssistantContent::Reasoning(thought) => &thought.text,
        _ => return None,
    };
    text.contains(long::MARK).then_some(text)
}

/// A part of an answer, or the reason why it cannot be read. `is_native` becomes `false` if the
/// text is not what the provider sent.
fn part(
    content: AssistantContent,
    secrets: &[String],
    texts: &LongTexts,
    is_native: &mut bool,
) -> Result<Option<Part>, String> {
    let mut clean = |text: String| {
        let text = texts.taken(text);
        match clean(&text, secrets) {
            Cow::Owned(clean) => {
                *is_native = false;
                clean
            }
            Cow::Borrowed(_) => text,
        }
    };
    Ok(Some(match content {
        AssistantContent::Text(text) => Part::Text { text: clean(text.text) },
        AssistantContent::Reasoning(thought) if thought.text.is_empty() => return Ok(None),
        AssistantContent::Reasoning(thought) => Part::Reasoning { text: clean(thought.text) },
        AssistantContent::ToolCall(call) => Part::ToolCall(tool_call(&call, secrets)),
        AssistantContent::Image(image) => image_part(image, texts)?,
        AssistantContent::Opaque(mut opaque) => {
            long::each_token(&mut opaque.item, &mut |text| {
                *text = texts.copied(std::mem::take(text));
            });
            return medium(&opaque.item);
        }
        _ => return Err("content of a kind that is not known".to_owned()),
    }))
}

fn image_part(image: Image, texts: &LongTexts) -> Result<Part, String> {
    let media = match image.data {
        DocumentSourceKind::Base64(data) => {
            Media::bytes(MediaKind::Image, decoded(&texts.copied(data))?)
        }
        DocumentSourceKind::Raw(bytes) => Media::bytes(MediaKind::Image, bytes),
        DocumentSourceKind::Url(url) => Media::url(MediaKind::Image, url),
        _ => return Err("an image that is neither there nor at an address".to_owned()),
    };
    let mime = image.media_type.as_ref().map(MimeType::to_mime_type);
    Ok(Part::Media { media: media.with_mime(mime.unwrap_or("image/png")) })
}

/// The medium in an item that the library hands on as it came.
fn medium(item: &Value) -> Result<Option<Part>, String> {
    let text = |place: &str| item.pointer(place).and_then(Value::as_str);
    let kind = |mime: &str| match mime.split('/').next() {
        Some("image") => MediaKind::Image,
        Some("audio") => MediaKind::Audio,
        Some("video") => MediaKind::Video,
        _ => MediaKind::File,
    };
    let (media, mime) = if text("/type") == Some("image_generation_call") {
        let Some(data) = text("/result").filter(|data| !data.is_empty()) else { return Ok(None) };
        let mime = format!("image/{}", text("/output_format").unwrap_or("png"));
        (Media::bytes(MediaKind::Image, decoded(data)?), mime)
    } else if let Some(data) = text("/inlineData/data") {
        let mime = text("/inlineData/mimeType").unwrap_or("application/octet-stream");
        (Media::bytes(kind(mime), decoded(data)?), mime.to_owned())
    } else if let Some(url) = text("/fileData/fileUri") {
        let mime = text("/fileData/mimeType").unwrap_or("application/octet-stream");
        (Media::url(kind(mime), url), mime.to_owned())
    } else {
        return Ok(None);
    };
    Ok(Some(Part::Media { media: media.with_mime(mime) }))
}

fn decoded(data: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(data).map_err(|error| format!("data that is not base64 ({error})"))
}

/// `true` if a text in `value` holds a secret.
fn holds(value: &Value, secrets: &[String]) -> bool {
    match value {
        _ if secrets.is_empty() => false,
        Value::String(text) => secrets.iter().any(|secret| text.contains(secret.as_str())),
        Value::Array(items) => items.iter().any(|item| holds(item, secrets)),
        Value::Object(members) => members.values().any(|member| holds(member, secrets)),
        _ => false,
    }
}

fn without(value: Value, secrets: &[String]) -> Value {
    // What holds none is not put together again.
    match value {
        value if !holds(&value, secrets) => value,
        Value::String(text) => clean(&text, secrets).into(),
        Value::Array(items) => items.into_iter().map(|item| without(item, secrets)).collect(),
        Value::Object(members) => {
            let members = members.into_iter();
            members.map(|(name, member)| (name, without(member, secrets))).collect()
        }
        other => other,
    }
}

/// `true` if this is the call that was told.
fn is_same(told: &ToolCall, content: &AssistantContent) -> bool {
    let AssistantContent::ToolCall(call) = content else { return false };
    told.id == call.id.wire() && told.name == call.function.name
}

fn tool_call(call: &RigCall, secrets: &[String]) -> ToolCall {
    ToolCall {
        id: call.id.wire().into_owned(),
        name: call.function.name.to_string(),
        arguments: match &call.function.invalid_arguments {
            None => Arguments::json(without(call.function.arguments_value(), secrets)),
            Some(raw) => Arguments::Invalid(clean(raw, secrets).into_owned()),
        },
    }
}
