//! Sends the spans of a process to a collector.

use crate::client::{Client, LastFailure};
use crate::export::exported;
use crate::spans::Spans;
use opentelemetry::InstrumentationScope;
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SpanProcessor as _};
use std::env;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stepwright_core::observe::Observer;
use stepwright_core::{Event, RunId};

/// The time that one request to the collector may take, and the last one when the program ends.
pub(crate) const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends the spans of the runs of this process to a collector, by OTLP over HTTP. Cheap to clone.
///
/// The environment configures it, as the OpenTelemetry specification says:
/// `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, `…_HEADERS`,
/// `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_SDK_DISABLED`, `OTEL_TRACES_EXPORTER`
/// (`otlp` or `none`), the `OTEL_BSP_…` of batches. Prompts, answers, and the arguments and results
/// of tools are sent only with `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true`.
///
/// A collector that is slow or away never holds up a run: spans beyond the queue of
/// `OTEL_BSP_MAX_QUEUE_SIZE` are dropped.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// // Without `OTEL_EXPORTER_OTLP_ENDPOINT` there are no traces.
/// assert!(stepwright_otel::Traces::from_env("shop")?.is_none());
/// # Ok::<(), stepwright_otel::TracesError>(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Traces(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    spans: Mutex<Spans>,
    processor: BatchSpanProcessor,
    scope: InstrumentationScope,
    last_failure: LastFailure,
}

/// The reason why spans cannot be sent.
///
/// ```
/// fn told(error: &stepwright_otel::TracesError) -> String {
///     format!("no traces: {error}")
/// }
/// # let _ = told;
/// ```
#[derive(Debug)]
pub struct TracesError(String);

impl fmt::Display for TracesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for TracesError {}

impl Traces {
    /// Starts to send spans, if the environment names a collector. `service` is the name of the
    /// program, unless `OTEL_SERVICE_NAME` has another. Must be called on a Tokio runtime, which
    /// carries out the requests.
    ///
    /// # Errors
    /// If the environment asks for something that does not exist, or the caller is on no runtime.
    pub fn from_env(service: &str) -> Result<Option<Self>, TracesError> {
        if !is_wanted(|name| env::var(name).ok())? {
            return Ok(None);
        }
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|error| TracesError(format!("traces need a runtime: {error}")))?;
        let last_failure = LastFailure::default();
        let client = Client::new(runtime, EXPORT_TIMEOUT, last_failure.clone())
            .map_err(|error| TracesError(format!("traces need an HTTP client: {error}")))?;
        let exporter = SpanExporter::builder().with_http().with_http_client(client).build();
        let exporter = exporter.map_err(|error| {
            TracesError(format!("the settings for traces in the environment: {error}"))
        })?;
        let mut processor = BatchSpanProcessor::builder(exporter).build();
        processor.set_resource(&resource(service));
        let content = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";
        let with_content = env::var(content).is_ok_and(|value| value.eq_ignore_ascii_case("true"));
        let scope = InstrumentationScope::builder("stepwright")
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        let spans = Mutex::new(Spans::new(with_content));
        Ok(Some(Self(Arc::new(Inner { spans, processor, scope, last_failure }))))
    }

    /// Returns the observer for the workflows whose runs are traced.
    pub fn observer(&self) -> Arc<dyn Observer> {
        self.0.clone()
    }

    /// Sends what has not been sent yet, and stops. For the end of the program.
    ///
    /// # Errors
    /// If the collector did not take all spans within 10 seconds.
    pub async fn shutdown(self) -> Result<(), TracesError> {
        let inner = self.0.clone();
        let ended = tokio::task::spawn_blocking(move || {
            inner.processor.shutdown_with_timeout(EXPORT_TIMEOUT)
        });
        let lost = |why: &dyn fmt::Display| Err(TracesError(format!("traces were lost: {why}")));
        match ended.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return lost(&error),
            Err(error) => return lost(&error),
        }
        let last_failure = self.0.last_failure.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last_failure {
            Some(why) => lost(why),
            None => Ok(()),
        }
    }
}

impl Inner {
    fn spans(&self) -> MutexGuard<'_, Spans> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Inner {
    fn begins(&self, run: &RunId, past: &[Event]) {
        self.spans().begin(run, past);
    }

    fn event(&self, event: &Event) {
        let finished = self.spans().event(event);
        for span in finished.into_iter().filter(|span| span.is_sampled) {
            self.processor.on_end(exported(span, &self.scope));
        }
    }

    fn leaves(&self, run: &RunId) {
        self.spans().leave(run);
    }
}

/// Returns `true` if the environment names a collector.
fn is_wanted(variable: impl Fn(&str) -> Option<String>) -> Result<bool, TracesError> {
    let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    if set("OTEL_SDK_DISABLED").is_some_and(|value| value.trim().eq_ignore_ascii_case("true")) {
        return Ok(false);
    }
    match set("OTEL_TRACES_EXPORTER").as_deref().map(str::trim) {
        Some("none") => return Ok(false),
        None | Some("otlp") => {}
        Some(other) => {
            return Err(TracesError(format!(
                "`OTEL_TRACES_EXPORTER={other}` is not supported: use `otlp` or `none`"
            )));
        }
    }
    for name in ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
        if let Some(protocol) = set(name)
            && protocol.trim() != "http/protobuf"
        {
            return Err(TracesError(format!(
                "`{name}={protocol}` is not supported: use `http/protobuf`, and the collector's \
                 port for HTTP, often 4318"
            )));
        }
    }
    let endpoints = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
    Ok(endpoints.iter().any(|name| set(name).is_some()))
}

/// Describes this program. The environment takes precedence.
fn resource(service: &str) -> Resource {
    let builder = Resource::builder();
    match env::var("OTEL_SERVICE_NAME").or_else(|_| env::var("OTEL_RESOURCE_ATTRIBUTES")) {
        Ok(named) if named.contains("service.name=") || env::var("OTEL_SERVICE_NAME").is_ok() => {
            builder.build()
        }
        _ => builder.with_service_name(service.to_owned()).build(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_decides_and_what_is_not_supported_is_an_error() {
        let asked = |set: &[(&str, &str)]| {
            let set: Vec<_> = set.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            is_wanted(|name| {
                set.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
            })
        };
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318");
        assert!(!asked(&[]).unwrap());
        assert!(asked(&[endpoint]).unwrap());
        assert!(!asked(&[endpoint, ("OTEL_SDK_DISABLED", "True")]).unwrap());
        assert!(!asked(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")]).unwrap());
        let zipkin = asked(&[endpoint, ("OTEL_TRACES_EXPORTER", "zipkin")]).unwrap_err();
        assert!(zipkin.to_string().contains("`otlp` or `none`"), "{zipkin}");
        let grpc = asked(&[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).unwrap_err();
        assert!(grpc.to_string().contains("http/protobuf"), "{grpc}");
    }
}
