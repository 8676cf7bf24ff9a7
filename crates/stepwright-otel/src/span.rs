//! A finished span.

use serde_json::Value;
use stepwright_core::Timestamp;
use stepwright_core::trace::{SpanId, TraceId};

/// A finished span: work with a beginning and an end.
///
/// ```
/// use stepwright_otel::{Span, Spans};
/// // The spans of a run come from its events: see `Spans`.
/// fn seconds(span: &Span) -> f64 {
///     (span.end.0 - span.start.0) as f64 / 1e3
/// }
/// # let _ = (seconds, Spans::new(false));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The trace that it belongs to.
    pub trace: TraceId,
    /// Its id. The same work of a run always has the same one.
    pub id: SpanId,
    /// The span in which it lies. `None` for the beginning of a trace.
    pub parent: Option<SpanId>,
    /// `true` if the parent is a span of the caller.
    pub parent_is_remote: bool,
    /// `true` if the caller asked for the trace, or nothing was said about that.
    pub is_sampled: bool,
    /// The kind of work.
    pub kind: SpanKind,
    /// The name, such as `chat gpt-5-mini`.
    pub name: String,
    /// The beginning.
    pub start: Timestamp,
    /// The end.
    pub end: Timestamp,
    /// Its attributes, by name.
    pub attributes: Vec<(&'static str, Value)>,
    /// Things that happened meanwhile, such as a retry.
    pub moments: Vec<Moment>,
    /// Other spans that it goes on from.
    pub links: Vec<(TraceId, SpanId)>,
    /// The outcome.
    pub status: SpanStatus,
}

impl Span {
    /// Returns an attribute.
    pub fn attribute(&self, name: &str) -> Option<&Value> {
        self.attributes.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        self.attributes.push((name, value.into()));
    }
}

/// Something that happened during a span.
///
/// ```
/// use stepwright_core::Timestamp;
/// use stepwright_otel::Moment;
/// let retry = Moment { time: Timestamp(1_000), name: "retry", attributes: Vec::new() };
/// assert_eq!(retry.name, "retry");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// The time.
    pub time: Timestamp,
    /// A name, such as `retry`.
    pub name: &'static str,
    /// Its attributes, by name.
    pub attributes: Vec<(&'static str, Value)>,
}

/// The kind of work of a span.
///
/// ```
/// assert_ne!(stepwright_otel::SpanKind::Internal, stepwright_otel::SpanKind::Client);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// Work of this process.
    Internal,
    /// A request to another one.
    Client,
}

/// The outcome of a span.
///
/// ```
/// use stepwright_otel::SpanStatus;
/// let failed = SpanStatus::Error("the line is busy".into());
/// assert_ne!(failed, SpanStatus::Unset);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpanStatus {
    /// It ended well, or waits.
    Unset,
    /// It failed, for this reason.
    Error(String),
}
