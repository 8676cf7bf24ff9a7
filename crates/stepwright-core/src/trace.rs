//! Traces that cross processes: the W3C trace context of a run, and the ids of its spans.
//!
//! The ids are computed from the run, so that every process that drives a run, or exports it later,
//! gives the same work the same id, and a step can pass on the id of its span before it has ended.

use crate::id::RunId;
use crate::path::StepPath;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// The trace that a run continues, in the form of the W3C headers `traceparent` and `tracestate`.
///
/// ```
/// use stepwright_core::trace::TraceContext;
/// let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let context = TraceContext::parse(header, Some("vendor=1"))?;
/// assert_eq!(context.traceparent(), header);
/// assert!(TraceContext::parse("00-0-0-01", None).is_err());
/// # Ok::<(), stepwright_core::trace::TraceContextError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceContext {
    traceparent: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tracestate: Option<String>,
}

/// The reason why a text is no `traceparent`.
///
/// ```
/// let wrong = stepwright_core::trace::TraceContext::parse("yes", None).unwrap_err();
/// assert_eq!(wrong.to_string(), "`yes` is not a `traceparent` as the W3C defines it");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContextError(String);

impl fmt::Display for TraceContextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a `traceparent` as the W3C defines it", self.0)
    }
}

impl std::error::Error for TraceContextError {}

/// The longest `tracestate` that is kept, in bytes: the W3C asks for at least this.
pub const TRACESTATE_BYTES_MAX: usize = 512;

impl TraceContext {
    /// Reads the two headers. A `tracestate` that is too long is left out.
    ///
    /// # Errors
    /// If `traceparent` does not have the form that the W3C defines.
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Result<Self, TraceContextError> {
        let traceparent = traceparent.trim();
        let wrong = || TraceContextError(traceparent.chars().take(80).collect());
        let parts: Vec<&str> = traceparent.split('-').collect();
        let is_hex = |text: &str, digits: usize| {
            text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        let is_set = |text: &str| text.bytes().any(|b| b != b'0');
        let fits = parts.len() >= 4
            && is_hex(parts[0], 2)
            && parts[0] != "ff"
            && (parts[0] != "00" || parts.len() == 4)
            && is_hex(parts[1], 32)
            && is_set(parts[1])
            && is_hex(parts[2], 16)
            && is_set(parts[2])
            && is_hex(parts[3], 2);
        if !fits {
            return Err(wrong());
        }
        let tracestate = tracestate
            .map(str::trim)
            .filter(|state| !state.is_empty() && state.len() <= TRACESTATE_BYTES_MAX)
            .map(str::to_owned);
        Ok(Self { traceparent: traceparent.to_owned(), tracestate })
    }

    /// Makes the context of a span.
    pub fn of(trace: TraceId, span: SpanId, sampled: bool) -> Self {
        let traceparent = format!("00-{trace}-{span}-{:02x}", u8::from(sampled));
        Self { traceparent, tracestate: None }
    }

    /// Returns the header `traceparent`.
    pub fn traceparent(&self) -> &str {
        &self.traceparent
    }

    /// Returns the header `tracestate`, if there is one.
    pub fn tracestate(&self) -> Option<&str> {
        self.tracestate.as_deref()
    }

    /// Returns the id of the trace.
    pub fn trace_id(&self) -> TraceId {
        TraceId(u128::from_str_radix(self.part(1), 16).unwrap_or_default())
    }

    /// Returns the id of the span that is the parent of what continues the trace.
    pub fn span_id(&self) -> SpanId {
        SpanId(u64::from_str_radix(self.part(2), 16).unwrap_or_default())
    }

    /// Returns `true` if the caller records the trace.
    pub fn is_sampled(&self) -> bool {
        u8::from_str_radix(self.part(3), 16).unwrap_or_default() & 1 == 1
    }

    fn part(&self, nth: usize) -> &str {
        self.traceparent.split('-').nth(nth).unwrap_or_default()
    }

    /// Returns the context with the `tracestate` of another one.
    #[must_use]
    pub fn with_state_of(mut self, other: &Self) -> Self {
        self.tracestate.clone_from(&other.tracestate);
        self
    }
}

/// The id of a trace.
///
/// ```
/// use stepwright_core::{RunId, trace::TraceId};
/// let run = RunId::new("r-1")?;
/// assert_eq!(TraceId::of(&run, None), TraceId::of(&run, None));
/// assert_eq!(TraceId(7).to_string().len(), 32);
/// # Ok::<(), stepwright_core::IdError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId(pub u128);

impl TraceId {
    /// Returns the id of the trace of a run: that of the trace which it continues, or one computed
    /// from its id.
    pub fn of(run: &RunId, continues: Option<&TraceContext>) -> Self {
        match continues {
            Some(context) => context.trace_id(),
            None => Self(
                u128::from(hash(&["trace", run.as_str()])) << 64
                    | u128::from(hash(&["run", run.as_str()])),
            ),
        }
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The id of a span.
///
/// ```
/// assert_eq!(stepwright_core::trace::SpanId(7).to_string(), "0000000000000007");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpanId(pub u64);

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A kind of work that has a span. Work of several kinds has the same path: a step, its agent, and
/// the requests of the agent to its model.
///
/// ```
/// use stepwright_core::trace::SpanOf;
/// assert!(SpanOf::Node < SpanOf::Agent, "what is around comes first");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SpanOf {
    /// The run, or one of the parts between its pauses.
    Run,
    /// A container or a step.
    Node,
    /// An agent.
    Agent,
    /// A request to a model: the first, the second …
    Request(u32),
    /// A tool call.
    Tool,
}

impl SpanId {
    /// Computes the id of a span. `part` counts how often the run had been continued when the work
    /// began: a pause ends all spans, and what goes on after it has new ones.
    ///
    /// ```
    /// use stepwright_core::trace::{SpanId, SpanOf};
    /// use stepwright_core::{RunId, StepPath};
    /// let run = RunId::new("r-1")?;
    /// let step = SpanId::of(&run, &StepPath::from("facts/web"), SpanOf::Node, 0);
    /// assert_eq!(step, SpanId::of(&run, &StepPath::from("facts/web"), SpanOf::Node, 0));
    /// assert_ne!(step, SpanId::of(&run, &StepPath::from("facts/web"), SpanOf::Agent, 0));
    /// # Ok::<(), stepwright_core::IdError>(())
    /// ```
    pub fn of(run: &RunId, path: &StepPath, of: SpanOf, part: u32) -> Self {
        let kind = match of {
            SpanOf::Run => "run".to_owned(),
            SpanOf::Node => "node".to_owned(),
            SpanOf::Agent => "agent".to_owned(),
            SpanOf::Request(nth) => format!("request {nth}"),
            SpanOf::Tool => "tool".to_owned(),
        };
        Self(hash(&["span", run.as_str(), path.as_str(), &kind, &part.to_string()]).max(1))
    }
}

/// The trace of a run, as its engine knows it.
///
/// ```
/// let outside = stepwright_core::trace::Traced::default();
/// assert!(outside.continues.is_none() && !outside.is_traced);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Traced<'a> {
    /// The trace that the run continues.
    pub continues: Option<&'a TraceContext>,
    /// The number of times that the run was continued itself: see [`SpanId::of`].
    pub part: u32,
    /// `true` if there is an observer, or the run continues a trace.
    pub is_traced: bool,
}

/// Eight bytes that stand for these texts.
fn hash(texts: &[&str]) -> u64 {
    let mut hasher = Sha256::new();
    for text in texts {
        hasher.update(text.as_bytes());
        hasher.update([0]);
    }
    hasher.finalize().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}
