//! Traces of runs for OpenTelemetry.
//!
//! [`Spans`] folds the events of runs into spans: for the run, for each step and container, and, by
//! the conventions for generative AI, for each agent, request to a model and tool call.
//! [`Traces`] sends them with OTLP over HTTP to the collector that the environment names.
//!
//! ```no_run
//! use stepwright_otel::Traces;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! # async fn greet(name: String) -> String { format!("Hello {name}") }
//! let mut builder = stepwright_engine::Workflow::builder("Greeting").step(greet);
//! // `OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318`
//! let traces = Traces::from_env("greeter")?;
//! if let Some(traces) = &traces {
//!     builder = builder.observer(traces.observer());
//! }
//! builder.build()?.run("Ada").await?;
//! if let Some(traces) = traces {
//!     traces.shutdown().await?;
//! }
//! # Ok(()) }) }
//! ```

mod attributes;
mod client;
mod export;
mod span;
mod spans;
mod traces;

pub use span::{Moment, Span, SpanKind, SpanStatus};
pub use spans::Spans;
pub use traces::{Traces, TracesError};
