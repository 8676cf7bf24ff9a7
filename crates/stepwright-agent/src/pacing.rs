//! The limits of models, which all agents share.

use crate::definition::AgentDefinition;
use std::sync::Arc;
use stepwright_core::gate::Demand;
use stepwright_core::model::{AnyModel, Model, ModelError, ModelRequest, ModelStream, RequestGate};
use stepwright_core::{StepContext, StepError};
use stepwright_models::{Slot, close, note_quota, slot, throttled};

/// The bytes of text that are taken for a token.
const BYTES_OF_TOKEN: u64 = 4;

/// Waits for the limits of the model, which all agents share. Of a chain it is the first, which
/// gets the request unless it is down.
pub(crate) async fn enter(
    agent: &AgentDefinition,
    request: &ModelRequest,
    cx: &StepContext,
) -> Result<Slot, StepError> {
    let model = agent.model.ids().first().copied().unwrap_or_else(|| agent.model.id());
    let (tokens, shared) = (tokens_of(model, request), cx.shared_requests());
    Ok(slot(model, tokens, cx.world(), shared.as_ref(), waits(model, cx)).await?)
}

/// Returns the tokens of a request that count for limits.
fn tokens_of(model: &str, request: &ModelRequest) -> u64 {
    let tokens = match Demand::of_request(model, request) {
        Demand::Request { tokens: (input, _), .. } => input / BYTES_OF_TOKEN,
        _ => 0,
    };
    tokens.saturating_add(request.options.max_output_tokens.unwrap_or(0))
}

/// Lets readers see that the step waits, and keeps it from being taken for idle.
fn waits(model: &str, cx: &StepContext) -> impl FnMut(bool) + Send + 'static {
    let (model, cx) = (model.to_owned(), cx.clone());
    move |is_first| {
        if is_first {
            cx.note(format!("waits for the limits of model `{model}`"));
        } else {
            cx.keep_alive();
        }
    }
}

/// Returns a chain of models, each of which waits for its own limits.
pub(crate) fn through(model: &AnyModel, cx: &StepContext) -> AnyModel {
    AnyModel::new(Through { model: model.clone(), gate: Arc::new(Limits(cx.clone())) })
}

/// A chain of models, each of which waits for its own limits.
struct Through {
    model: AnyModel,
    gate: Arc<dyn RequestGate>,
}

impl Model for Through {
    fn id(&self) -> &str {
        self.model.id()
    }

    fn ids(&self) -> Vec<&str> {
        self.model.ids()
    }

    fn stream(&self, request: ModelRequest) -> ModelStream {
        self.model.stream_through(request, self.gate.clone())
    }
}

/// The limits of models, which all agents share.
struct Limits(StepContext);

impl RequestGate for Limits {
    fn pass(&self, model: &str, request: &ModelRequest, answer: ModelStream) -> ModelStream {
        let tokens = tokens_of(model, request);
        let place = (self.0.world(), self.0.shared_requests());
        throttled(model, tokens, place, waits(model, &self.0), answer)
    }

    fn failed(&self, model: &str, error: &ModelError) {
        hold_off(model, error, &self.0);
    }
}

/// Keeps all agents from sending requests to a model before its provider wants them.
pub(crate) fn hold_off(model: &str, error: &ModelError, cx: &StepContext) {
    let shared = cx.shared_requests();
    if let Some(quota) = &error.quota {
        note_quota(model, quota, cx.world(), shared.as_ref());
    }
    if let Some(wait) = error.retry_after {
        close(model, wait, cx.world(), shared.as_ref());
    }
}
