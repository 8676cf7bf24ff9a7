//! Traces of the runs of this command, if the environment names a collector.

use crate::ui::terminal::Stderr;
use stepwright::observe::TraceContext;
use stepwright::{Error, Run, WorkflowBuilder};

#[cfg(feature = "otel")]
mod exporter {
    use std::sync::OnceLock;
    use stepwright::otel::Traces;
    use stepwright::{Error, ErrorId};

    static TRACES: OnceLock<Option<Traces>> = OnceLock::new();

    pub(super) fn started() -> Result<Option<&'static Traces>, Error> {
        if TRACES.get().is_none() {
            let traces = Traces::from_env("stepwright").map_err(|error| {
                Error::usage(error.to_string()).with_id(ErrorId::TRACES_UNSUPPORTED)
            })?;
            let _ = TRACES.set(traces);
        }
        Ok(running())
    }

    pub(super) fn running() -> Option<&'static Traces> {
        TRACES.get().and_then(Option::as_ref)
    }
}

/// Traces the runs of a workflow. Must be called on the runtime of the runs.
#[cfg_attr(
    not(feature = "otel"),
    expect(clippy::unnecessary_wraps, reason = "without traces nothing fails")
)]
pub(crate) fn observed(builder: WorkflowBuilder) -> Result<WorkflowBuilder, Error> {
    #[cfg(feature = "otel")]
    if let Some(traces) = exporter::started()? {
        return Ok(builder.observer(traces.observer()));
    }
    Ok(builder)
}

/// Continues the trace of the program that started this command, if it says so in `TRACEPARENT`.
pub(crate) fn continued(run: Run) -> Run {
    let variable = |name| std::env::var(name).ok();
    let Some(traceparent) = variable("TRACEPARENT") else { return run };
    match TraceContext::parse(&traceparent, variable("TRACESTATE").as_deref()) {
        Ok(context) => run.trace_context(context),
        Err(error) => {
            tracing::warn!(target: "stepwright", "TRACEPARENT: {error}; the run has its own trace");
            run
        }
    }
}

/// Sends the rest of the traces.
#[cfg_attr(not(feature = "otel"), expect(clippy::unused_async, reason = "there are no traces"))]
pub(crate) async fn finish(stderr: Stderr) {
    #[cfg(feature = "otel")]
    if let Some(traces) = exporter::running()
        && let Err(error) = traces.clone().shutdown().await
    {
        stderr.note(&error.to_string());
    }
    let _ = stderr;
}
