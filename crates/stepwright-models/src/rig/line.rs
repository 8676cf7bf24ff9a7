//! The HTTP of one request, as the wire library calls for it.

use crate::catalogue::Wire;
use crate::failure::{Failure, Speaker};
use crate::strict;
use crate::transport::{self, Heard};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use rig_core::http_client::{self, HttpClientExt, LazyBody, MultipartForm, StreamingResponse};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stepwright_core::model::{ModelError, ModelErrorKind};

/// The headers that belong to the key, the body or the connection.
const OWN_HEADERS: [&str; 8] = [
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
];

/// Returns the headers of the options.
pub(super) fn headers(
    written: &BTreeMap<String, String>,
    speaker: &Speaker,
) -> Result<http::HeaderMap, ModelError> {
    let mut headers = http::HeaderMap::with_capacity(written.len());
    for (name, value) in written {
        let bad = |what: &str| {
            speaker.error(ModelErrorKind::BadRequest, format!("the header `{name}` {what}"))
        };
        let known = http::HeaderName::from_bytes(name.as_bytes());
        let known = known.map_err(|_| bad("has a name that is not valid"))?;
        if OWN_HEADERS.contains(&known.as_str()) {
            return Err(bad("is set by the request itself").with_hint("leave it out"));
        }
        let mut value =
            http::HeaderValue::from_str(value).map_err(|_| bad("has a value that is not valid"))?;
        value.set_sensitive(true);
        headers.insert(known, value);
    }
    Ok(headers)
}

/// The HTTP of one request.
#[derive(Clone, Debug)]
pub(super) struct Line {
    speaker: Arc<Speaker>,
    wire: Wire,
    pub(super) heard: Arc<Heard>,
    /// The proxy of the request.
    pub(super) proxy: Option<Arc<str>>,
    /// Headers of the request, besides those of the wire.
    pub(super) headers: http::HeaderMap,
    /// A recorded answer that is read instead of a server's.
    pub(super) recorded: Option<Recorded>,
    /// The tools that the provider holds to their schemas.
    pub(super) strict: BTreeSet<String>,
}

/// An answer that was recorded: its content type, and its body as it came.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) content_type: String,
    pub(crate) pieces: Vec<Vec<u8>>,
}

impl Recorded {
    async fn answer(self, line: Line) -> Result<http::Response<transport::Pieces>, ModelError> {
        let mut headers = http::HeaderMap::new();
        if let Ok(content_type) = self.content_type.parse() {
            headers.insert(http::header::CONTENT_TYPE, content_type);
        }
        let body = self.pieces.into_iter().map(|piece| Ok(Bytes::from(piece)));
        let body = stream::iter(body).boxed();
        transport::answer(headers, body, line.speaker, line.wire, line.heard).await
    }
}

impl Line {
    pub(super) fn new(speaker: &Arc<Speaker>, wire: Wire) -> Self {
        let (heard, headers, strict) = (Arc::default(), http::HeaderMap::new(), BTreeSet::new());
        Self { speaker: speaker.clone(), wire, heard, proxy: None, headers, recorded: None, strict }
    }
}

impl HttpClientExt for Line {
    fn send<T, U>(
        &self,
        _: http::Request<T>,
    ) -> impl Future<Output = http_client::Result<http::Response<LazyBody<U>>>> + Send + 'static
    where
        T: Into<Bytes> + Send,
        U: From<Bytes> + Send + 'static,
    {
        std::future::ready(Err(unused()))
    }

    fn send_multipart<U>(
        &self,
        _: http::Request<MultipartForm>,
    ) -> impl Future<Output = http_client::Result<http::Response<LazyBody<U>>>> + Send + 'static
    where
        U: From<Bytes> + Send + 'static,
    {
        std::future::ready(Err(unused()))
    }

    fn send_streaming<T>(
        &self,
        request: http::Request<T>,
    ) -> impl Future<Output = http_client::Result<StreamingResponse>> + Send
    where
        T: Into<Bytes> + Send,
    {
        let line = self.clone();
        let mut request = request.map(|body| strict::marked(body.into(), line.wire, &line.strict));
        for (name, value) in &line.headers {
            request.headers_mut().insert(name, value.clone());
        }
        #[expect(clippy::result_large_err, reason = "the library's own error")]
        async move {
            let answer = if let Some(recorded) = line.recorded.clone() {
                recorded.answer(line).await
            } else {
                let proxy = line.proxy.as_ref();
                transport::send(request, line.speaker, line.wire, line.heard, proxy).await
            };
            let answer = answer.map_err(carried)?;
            Ok(answer.map(|pieces| -> http_client::BoxedStream {
                Box::pin(pieces.map(|piece| piece.map_err(carried)))
            }))
        }
    }
}

fn carried(error: ModelError) -> http_client::Error {
    http_client::Error::instance(Failure(error))
}

fn unused() -> http_client::Error {
    http_client::Error::instance(Failure(ModelError::new(
        ModelErrorKind::Provider,
        "answers are always streamed",
    )))
}
