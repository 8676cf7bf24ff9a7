//! HTTP to providers: one client for all of them, and answers that are read as they come.

use crate::catalogue::Wire;
use crate::failure::Speaker;
use crate::framing::EVENT_BYTES_MAX;
use crate::long::LongTexts;
use crate::quota::quota;
use crate::reader::{Notes, Read, Reader, Wrong};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};
use std::task::Poll;
use std::time::Duration;
use stepwright_core::BoxFuture;
use stepwright_core::model::{ModelError, ModelErrorKind, Quota};
use stepwright_http::{causes, reqwest};

/// The longest time for a provider to accept a connection. The guard limits the silence after
/// that.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// The longest part that is read of an answer that is not a stream, in bytes.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

/// The longest answer, in bytes. The longest text of any model is far below this, and
/// an answer takes up to three times its length in memory while it is put together.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The number of times that a whole answer may be repeated. OpenAI's Responses repeat each text
/// up to four times.
const REPEATS_MAX: usize = 4;

/// The time for which a stream may stay open after the finish reason. Only
/// token counts and the end marker may arrive then.
const FINISH_GRACE: Duration = Duration::from_secs(3);

/// The time for which a stream may stay open after its end marker. A failure may arrive then.
const OVER_GRACE: Duration = Duration::from_millis(500);

/// The headers for keys. Without a key, none of them is sent.
const KEY_HEADERS: [&str; 4] = ["authorization", "x-api-key", "api-key", "x-goog-api-key"];

// One client in a process, because connections are kept open between requests.
static CLIENT: LazyLock<Result<reqwest::Client, String>> = LazyLock::new(|| build(builder()?));

/// The pieces of an answer, as they come.
pub(crate) type Pieces = BoxStream<'static, Result<Bytes, ModelError>>;

/// Returns the settings of every client in this crate. A redirect would send the key to another
/// server, so none is followed.
pub(crate) fn builder() -> Result<reqwest::ClientBuilder, String> {
    let builder = stepwright_http::builder().map_err(|error| error.to_string())?;
    Ok(builder.connect_timeout(CONNECT_TIMEOUT))
}

// Connections are kept open between requests, so there is one client for each proxy too.
static PROXIED: LazyLock<Mutex<HashMap<Arc<str>, reqwest::Client>>> = LazyLock::new(Mutex::default);

/// Returns `true` for an address that a proxy can have.
pub(crate) fn is_proxy(url: &str) -> bool {
    let uri: Option<http::Uri> = url.trim().parse().ok();
    uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| !host.is_empty())
    })
}

/// Returns the client for requests through this proxy, or through those of the environment.
fn client(proxy: Option<&Arc<str>>) -> Result<reqwest::Client, String> {
    let Some(proxy) = proxy else { return CLIENT.clone() };
    let mut clients = PROXIED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(client) = clients.get(proxy) {
        return Ok(client.clone());
    }
    let through = reqwest::Proxy::all(&**proxy).map_err(|error| causes(&error.without_url()))?;
    let client = build(builder()?.proxy(through))?;
    clients.insert(proxy.clone(), client.clone());
    Ok(client)
}

pub(crate) fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, String> {
    builder.build().map_err(|error| causes(&error.without_url()))
}

/// Sends a request, and gives the headers of the answer and its events. What is neither a stream of
/// events nor a whole answer is an error.
pub(crate) async fn send(
    request: http::Request<Bytes>,
    speaker: Arc<Speaker>,
    wire: Wire,
    heard: Arc<Heard>,
    proxy: Option<&Arc<str>>,
) -> Result<http::Response<Pieces>, ModelError> {
    let client = client(proxy).map_err(|reason| {
        speaker.error(ModelErrorKind::Transport, format!("no HTTPS on this machine: {reason}"))
    })?;
    let request = prepared(request, &speaker)?;
    let place = place(request.url());
    let sent = client.execute(request).await;
    let response = sent.map_err(|error| not_reached(error, &place, &speaker))?;
    let (status, headers) = (response.status(), response.headers().clone());
    if status != http::StatusCode::OK {
        let body = stream::unfold(response, |mut response| async move {
            let piece = response.chunk().await.ok().flatten()?;
            Some((Ok(piece), response))
        });
        let body = beginning(body.boxed()).await;
        return Err(speaker.refused(status, &headers, &body));
    }
    let body = stream::unfold(response, |mut response| async move {
        let piece = response.chunk().await.transpose()?;
        Some((piece, response))
    });
    let from = speaker.clone();
    let body = body.map(move |piece| piece.map_err(|error| broken(error, &from))).boxed();
    answer(headers, body, speaker, wire, heard).await
}

/// The events of an answer with these headers and this body.
pub(crate) async fn answer(
    mut headers: HeaderMap,
    body: Pieces,
    speaker: Arc<Speaker>,
    wire: Wire,
    heard: Arc<Heard>,
) -> Result<http::Response<Pieces>, ModelError> {
    heard.headers(&headers);
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_owned();
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    // Servers do not agree on what to call a stream. A page is none, whatever is in it.
    let may_be = matches!(
        kind.as_str(),
        "" | "text/event-stream"
            | "text/plain"
            | "application/json"
            | "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/octet-stream"
    );
    let mut body = body.fuse().boxed();
    let begun = if may_be { Some(beginning_of(&mut body).await?) } else { None };
    let events = match begun {
        Some((first, Some(b'{' | b'['))) if wire != Wire::Ollama => {
            let document = whole(first, body, &speaker).await?;
            let document = String::from_utf8(document)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
            let mut reader = Reader::new(wire, speaker.clone(), heard.texts.clone());
            let read = reader.read_document(document);
            heard.note(reader.notes());
            let events = read.map_err(|wrong| failed(wrong, &speaker))?;
            stream::iter([Ok(Bytes::from(events))]).boxed()
        }
        Some((first, Some(letter))) if is_stream(wire, &kind, letter) => {
            let body = stream::iter([Ok(first)]).chain(body).boxed();
            pieces(body, speaker, wire, heard)
        }
        // Nothing came at all: the library says so.
        Some((_, None)) if kind == "text/event-stream" || wire == Wire::Ollama => {
            pieces(body, speaker, wire, heard)
        }
        begun => {
            let first = begun.map(|(first, _)| first).unwrap_or_default();
            let body = beginning(stream::iter([Ok(first)]).chain(body).boxed()).await;
            return Err(speaker.wrong_content(&content_type, &body));
        }
    };
    // The library looks at it again.
    let kind = if wire == Wire::Ollama { "application/x-ndjson" } else { "text/event-stream" };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let mut answer = http::Response::new(events);
    *answer.headers_mut() = headers;
    Ok(answer)
}

/// `true` if a body that begins with this letter may be a stream. What says that it is one is taken
/// at its word.
fn is_stream(wire: Wire, kind: &str, letter: u8) -> bool {
    match wire {
        Wire::Ollama => letter == b'{' || kind.contains("ndjson"),
        // `data:`, `event:`, `id:`, `retry:`, a comment, a byte order mark.
        _ => {
            kind == "text/event-stream" || matches!(letter, b'd' | b'e' | b'i' | b'r' | b':' | 0xef)
        }
    }
}

/// Returns the body up to its first character, and that character.
async fn beginning_of(body: &mut Pieces) -> Result<(Bytes, Option<u8>), ModelError> {
    let mut first = Vec::new();
    loop {
        let letter = first.iter().find(|byte: &&u8| !byte.is_ascii_whitespace()).copied();
        if letter.is_some() || first.len() > REFUSAL_BYTES_MAX {
            return Ok((first.into(), letter));
        }
        match body.next().await {
            Some(piece) => first.extend_from_slice(&piece?),
            None => return Ok((first.into(), None)),
        }
    }
}

/// The whole body.
async fn whole(first: Bytes, mut body: Pieces, speaker: &Speaker) -> Result<Vec<u8>, ModelError> {
    let mut document = Vec::from(first);
    while let Some(piece) = body.next().await {
        document.extend_from_slice(&piece?);
        if document.len() > EVENT_BYTES_MAX {
            let mistake = format!("its answer is longer than {EVENT_BYTES_MAX} bytes");
            return Err(misshapen(&mistake, speaker));
        }
    }
    Ok(document)
}

fn prepared(
    request: http::Request<Bytes>,
    speaker: &Speaker,
) -> Result<reqwest::Request, ModelError> {
    let (parts, body) = request.into_parts();
    let wrong =
        |_| speaker.error(ModelErrorKind::BadRequest, "the base URL is not a valid address");
    let mut url: reqwest::Url = parts.uri.to_string().parse().map_err(wrong)?;
    let mut headers = parts.headers;
    // A key in an address ends up in the logs of every proxy on the way.
    if url.query_pairs().any(|(name, _)| name == "key") {
        let others: Vec<(String, String)> = url
            .query_pairs()
            .filter(|(name, _)| name != "key")
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        url.query_pairs_mut().clear().extend_pairs(others);
        if let Some(key) = &speaker.key
            && let Ok(key) = key.expose().parse()
        {
            headers.insert(HeaderName::from_static("x-goog-api-key"), key);
        }
    }
    for name in KEY_HEADERS {
        match (&speaker.key, headers.get_mut(name)) {
            (Some(_), Some(value)) => value.set_sensitive(true),
            (None, Some(_)) => {
                headers.remove(name);
            }
            (_, None) => {}
        }
    }
    let mut request = reqwest::Request::new(parts.method, url);
    *request.headers_mut() = headers;
    *request.body_mut() = Some(body.into());
    Ok(request)
}

/// Returns the address of a request without its secrets.
fn place(url: &reqwest::Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
}

fn not_reached(error: reqwest::Error, place: &str, speaker: &Speaker) -> ModelError {
    let provider = speaker.provider;
    let could_not_connect = error.is_connect();
    let reason = causes(&error.without_url());
    if could_not_connect {
        return speaker
            .error(
                ModelErrorKind::Transport,
                format!("no connection to `{provider}` at {place}: {reason}"),
            )
            .with_hint("check the base URL, and whether the server runs and can be reached");
    }
    speaker.error(
        ModelErrorKind::Transport,
        format!("the connection to `{provider}` at {place} failed: {reason}"),
    )
}

/// The beginning of a body that explains a failure. What cannot be read explains nothing.
async fn beginning(mut pieces: Pieces) -> String {
    let mut body = Vec::new();
    while body.len() < REFUSAL_BYTES_MAX
        && let Some(Ok(piece)) = pieces.next().await
    {
        body.extend_from_slice(&piece);
    }
    body.truncate(REFUSAL_BYTES_MAX);
    String::from_utf8_lossy(&body).into_owned()
}

/// A body that is read as it comes.
struct Reading {
    body: Pieces,
    reader: Reader,
    /// The number of bytes that have come.
    read: usize,
    /// Set when the model has finished, and anew when the answer is over.
    grace: Option<BoxFuture<'static, ()>>,
    is_over: bool,
    /// The error behind the events that were given last.
    broken: Option<ModelError>,
    /// `true` if a text has grown that is told before anything else is read.
    has_grown: bool,
    /// `true` if other tasks run before anything else is read.
    must_yield: bool,
}

impl Reading {
    /// The number of bytes that count for the length of the answer.
    fn counted(&self) -> usize {
        let repeated = self.reader.repeated().min(REPEATS_MAX * ANSWER_BYTES_MAX);
        self.read.saturating_sub(repeated)
    }

    /// The next piece. None comes when the model has finished and the server says nothing more.
    async fn next(&mut self, wire: Wire) -> Option<Result<Bytes, ModelError>> {
        // Google has no sign for the end, and says more after a reason to finish.
        let is_finished = self.reader.is_finished() && wire != Wire::Gemini;
        poll_fn(|cx| {
            if let Poll::Ready(piece) = self.body.poll_next_unpin(cx) {
                return Poll::Ready(piece);
            }
            if !is_finished {
                return Poll::Pending;
            }
            if self.reader.is_over() && !std::mem::replace(&mut self.is_over, true) {
                self.grace = None;
            }
            let time = if self.is_over { OVER_GRACE } else { FINISH_GRACE };
            let sleep = || Box::pin(tokio::time::sleep(time)) as BoxFuture<'static, ()>;
            let grace = self.grace.get_or_insert_with(sleep);
            std::task::ready!(grace.as_mut().poll(cx));
            Poll::Ready(None)
        })
        .await
    }
}

/// The events of a body, piece by piece, each judged. The first error is the end.
fn pieces(body: Pieces, speaker: Arc<Speaker>, wire: Wire, heard: Arc<Heard>) -> Pieces {
    let reader = Reader::new(wire, speaker.clone(), heard.texts.clone());
    let (grace, broken) = (None, None);
    let (is_over, has_grown, must_yield) = (false, false, false);
    let state =
        Some(Reading { body, reader, read: 0, grace, is_over, broken, has_grown, must_yield });
    stream::unfold(state, move |state| {
        let (speaker, heard) = (speaker.clone(), heard.clone());
        async move {
            let mut reading = state?;
            let (events, is_end) = loop {
                let mut events = Vec::new();
                if let Some(error) = reading.broken.take() {
                    return Some((Err(error), None));
                }
                if std::mem::take(&mut reading.has_grown) {
                    heard.texts.pause().await;
                }
                if std::mem::take(&mut reading.must_yield) {
                    tokio::task::yield_now().await;
                }
                match reading.reader.read(&mut events) {
                    Ok(Read::All) => {}
                    Ok(Read::Grown) => reading.has_grown = true,
                    Ok(Read::Some) => reading.must_yield = true,
                    // What was said before counts, whether it came together or not.
                    Err(wrong) => reading.broken = Some(failed(wrong, &speaker)),
                }
                if !events.is_empty() {
                    break (Ok(events), false);
                }
                heard.note(reading.reader.notes());
                if reading.has_grown || reading.must_yield || reading.broken.is_some() {
                    continue;
                }
                break match reading.next(wire).await {
                    Some(Ok(piece)) => {
                        reading.read += piece.len();
                        if reading.counted() > ANSWER_BYTES_MAX {
                            let mistake =
                                format!("its answer is longer than {ANSWER_BYTES_MAX} bytes");
                            return Some((Err(misshapen(&mistake, &speaker)), None));
                        }
                        heard.piece();
                        reading.reader.push(&piece);
                        reading.must_yield = true;
                        continue;
                    }
                    // What the provider said before counts for more than how it went away.
                    Some(Err(error)) => match reading.reader.end() {
                        Err(Wrong::Failed(failure)) => (Err(Wrong::Failed(failure)), true),
                        Ok(events) if reading.reader.is_over() => (Ok(events), true),
                        _ => {
                            let usage = Box::new(reading.reader.notes().usage);
                            return Some((Err(ModelError { usage, ..error }), None));
                        }
                    },
                    None => (reading.reader.end(), true),
                };
            };
            heard.note(reading.reader.notes());
            let rest = (!is_end).then_some(reading);
            match events {
                Ok(events) => Some((Ok(events.into()), rest)),
                Err(wrong) => Some((Err(failed(wrong, &speaker)), None)),
            }
        }
    })
    .boxed()
}

fn failed(wrong: Wrong, speaker: &Speaker) -> ModelError {
    match wrong {
        Wrong::Shape(mistake) => misshapen(&mistake, speaker),
        Wrong::Failed(error) => *error,
    }
}

fn misshapen(mistake: &str, speaker: &Speaker) -> ModelError {
    let provider = speaker.provider;
    let message = format!("`{provider}` sent an invalid answer: {mistake}");
    speaker.error(ModelErrorKind::Malformed, message)
}

fn broken(error: reqwest::Error, speaker: &Speaker) -> ModelError {
    let reason = causes(&error.without_url());
    let provider = speaker.provider;
    speaker.error(
        ModelErrorKind::Transport,
        format!("the connection to `{provider}` broke within the answer: {reason}"),
    )
}

/// The state that a request and its answer share.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pieces: AtomicU64,
    request_id: OnceLock<String>,
    quota: OnceLock<Box<Quota>>,
    notes: Mutex<Notes>,
    /// The texts of the answer that do not go through the library.
    pub(crate) texts: Arc<LongTexts>,
}

impl Heard {
    /// Keeps what the answer has told beside its text.
    fn note(&self, notes: &Notes) {
        notes.clone_into(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Returns the facts about the answer beside its text.
    pub(crate) fn notes(&self) -> Notes {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The answer has begun.
    fn headers(&self, headers: &HeaderMap) {
        let names = ["x-request-id", "request-id", "mistral-correlation-id", "apim-request-id"];
        let mut ids = names.iter().filter_map(|name| headers.get(*name)?.to_str().ok());
        if let Some(id) = ids.find(|id| !id.is_empty()) {
            let _ = self.request_id.set(id.to_owned());
        }
        if let Some(quota) = quota(headers) {
            let _ = self.quota.set(quota);
        }
    }

    /// A piece of it has come.
    fn piece(&self) {
        self.pieces.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the number of pieces that have arrived.
    pub(crate) fn pieces(&self) -> u64 {
        self.pieces.load(Ordering::Relaxed)
    }

    /// Returns the rest of the provider's limits, if it told it.
    pub(crate) fn quota(&self) -> Option<Box<Quota>> {
        self.quota.get().cloned()
    }

    /// Returns the provider's id of the request, if it sent one.
    pub(crate) fn request_id(&self) -> Option<String> {
        self.request_id.get().cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[test]
    fn events_that_say_nothing_are_not_read_all_at_once() {
        const COUNT: usize = 640;
        let speaker = Speaker {
            provider: "openai-chat",
            model: "m".to_owned(),
            key_variables: &[],
            key: None,
        };
        let body = Bytes::from("data: {}\n\n".repeat(COUNT));
        let body = stream::iter([Ok(body)]).boxed();
        let mut events = pieces(body, Arc::new(speaker), Wire::OpenAiChat, Arc::default());
        let mut breaks = 0;
        while events.next().now_or_never().is_none() {
            breaks += 1;
        }
        assert!(breaks >= COUNT / 64, "{breaks} breaks");
    }
}
