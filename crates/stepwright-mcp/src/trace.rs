//! The trace context of requests: the work of a server continues the trace of the run.

use rmcp::model::RequestMetaObject;
use stepwright_core::StepContext;

/// Returns the metadata of a request that a step makes. `None` if the run is not traced.
pub(crate) fn meta_of(cx: &StepContext) -> Option<RequestMetaObject> {
    if !cx.is_traced() {
        return None;
    }
    let context = cx.trace_context();
    let mut meta = RequestMetaObject::new();
    meta.set_traceparent(context.traceparent());
    if let Some(state) = context.tracestate() {
        meta.set_tracestate(state);
    }
    Some(meta)
}
