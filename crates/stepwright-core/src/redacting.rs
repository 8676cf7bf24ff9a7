//! Steps whose outputs, errors and events have no secret in them.

use crate::BoxFuture;
use crate::budget::Budget;
use crate::calls::CallPast;
use crate::context::{AtEnd, RunInfo, StepContext, StepHost};
use crate::cost::Cost;
use crate::event::{Event, EventKind};
use crate::failure::StepError;
use crate::gate::{Admission, Demand, Permit};
use crate::media::{Media, StoredMedia};
use crate::message::{ToolCall, Usage};
use crate::path::StepPath;
use crate::permission::{Effect, Verdict};
use crate::redact::Secrets;
use crate::requirement::{Answer, Requirement};
use crate::sent::SentMessage;
use crate::session::Exchange;
use crate::step::StepOutput;
use crate::store::{SharedRequests, UserMemories};
use crate::trace::Traced;
use crate::world::World;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

impl Secrets {
    /// Replaces the secrets in the output of a step.
    #[must_use]
    pub fn redact_output(&self, output: StepOutput) -> StepOutput {
        let live: Vec<_> = output.media.iter().filter_map(Media::stored).cloned().collect();
        let mut output = self.redacted(output);
        output.media.iter_mut().for_each(|media| media.refill(&live));
        output
    }

    /// Replaces the secrets in an error of a step.
    #[must_use]
    pub fn redact_error(&self, mut error: StepError) -> StepError {
        let data = &mut *error.data;
        let texts = std::iter::once(&mut data.message).chain(&mut data.causes);
        for text in texts.chain(&mut data.hint) {
            if let Cow::Owned(clean) = self.redact(text) {
                *text = clean;
            }
        }
        error
    }

    /// Returns a context whose events have none of the secrets in them.
    ///
    /// ```
    /// use stepwright_core::StepContext;
    /// use stepwright_core::redact::Secrets;
    /// let cx = Secrets::new(["hunter2"]).within(&StepContext::detached("Call"));
    /// cx.note("answered hunter2"); // Readers see `answered [redacted]`.
    /// ```
    pub fn within(&self, cx: &StepContext) -> StepContext {
        let secrets = self.clone();
        cx.with_host(|host| Arc::new(Redacting { host, secrets }))
    }

    /// Replaces the secrets in what `known` is stored as. Most of it has none, and is not changed.
    ///
    /// ```
    /// use stepwright_core::Answer;
    /// use stepwright_core::redact::Secrets;
    /// let said = |why: &str| Answer::Reject { feedback: Some(why.into()) };
    /// let secrets = Secrets::new(["hunter2"]);
    /// assert_eq!(secrets.redacted(said("not hunter2")), said("not [redacted]"));
    /// ```
    #[must_use]
    pub fn redacted<T: Serialize + DeserializeOwned>(&self, known: T) -> T {
        let Ok(text) = serde_json::to_string(&known) else { return known };
        if !self.may_be_in(&text) {
            return known;
        }
        let Ok(value) = serde_json::from_str::<Value>(&text) else { return known };
        let clean = self.redact_within(value.clone(), true);
        if clean == value {
            return known;
        }
        // A number of the engine, such as a duration, stays a number.
        serde_json::from_value(clean)
            .or_else(|_| serde_json::from_value(self.redact_within(value, false)))
            .unwrap_or(known)
    }
}

/// A host whose step says no secret.
struct Redacting {
    host: Arc<dyn StepHost>,
    secrets: Secrets,
}

impl StepHost for Redacting {
    fn emit(&self, step: &StepPath, delta: EventKind) {
        self.host.emit(step, self.secrets.redacted(delta));
    }

    fn record<'a>(
        &'a self,
        step: &'a StepPath,
        fact: EventKind,
    ) -> BoxFuture<'a, Result<(), StepError>> {
        let live: Vec<_> = fact.stored_media().into_iter().cloned().collect();
        let mut fact = self.secrets.redacted(fact);
        fact.fill_media(&live);
        self.host.record(step, fact)
    }

    fn keep_alive(&self, step: &StepPath) {
        self.host.keep_alive(step);
    }

    fn trace(&self) -> Traced<'_> {
        self.host.trace()
    }

    fn past(&self, step: &StepPath) -> Vec<Event> {
        self.host.past(step)
    }

    fn history(
        &self,
        runs: u32,
        completed_only: bool,
    ) -> BoxFuture<'_, Result<Arc<[Exchange]>, StepError>> {
        self.host.history(runs, completed_only)
    }

    fn ask<'a>(
        &'a self,
        step: &'a StepPath,
        requirement: Requirement,
    ) -> BoxFuture<'a, Result<Answer, StepError>> {
        self.host.ask(step, self.secrets.redacted(requirement))
    }

    fn media<'a>(&'a self, stored: &'a StoredMedia) -> BoxFuture<'a, Result<Arc<[u8]>, StepError>> {
        self.host.media(stored)
    }

    fn recorded(&self, step: &StepPath, key: &str) -> Option<Value> {
        self.host.recorded(step, key)
    }

    fn effect_interrupted(&self, step: &StepPath, key: &str) -> Option<u32> {
        self.host.effect_interrupted(step, key)
    }

    fn call(&self, step: &StepPath, tool: &ToolCall) -> (StepPath, CallPast) {
        self.host.call(step, tool)
    }

    fn call_begins(&self, step: &StepPath, call: &StepPath) {
        self.host.call_begins(step, call);
    }

    fn call_ends(&self, step: &StepPath, call: &StepPath) {
        self.host.call_ends(step, call);
    }

    fn at_end(&self, key: &str, work: AtEnd) {
        self.host.at_end(key, work);
    }

    fn is_waiting(&self, step: &StepPath) -> bool {
        self.host.is_waiting(step)
    }

    fn permit<'a>(
        &'a self,
        asks: &'a StepPath,
        at: &'a StepPath,
        attempt: u32,
        effect: &'a Effect,
    ) -> BoxFuture<'a, Result<Permit, StepError>> {
        let whole = effect.whole_detail();
        let Cow::Owned(clean) = self.secrets.redact(&whole) else {
            return self.host.permit(asks, at, attempt, effect);
        };
        Box::pin(async move {
            self.host.permit(asks, at, attempt, &effect.clone().shown_as(clean)).await
        })
    }

    fn verdict(&self, at: &StepPath, effect: &Effect) -> Verdict {
        self.host.verdict(at, effect)
    }

    fn reserve<'a>(
        self: Arc<Self>,
        step: &'a StepPath,
        demand: &'a Demand,
    ) -> BoxFuture<'a, Result<Admission, StepError>> {
        self.host.clone().reserve(step, demand)
    }

    fn limit(&self, path: &StepPath, budget: &Budget) {
        self.host.limit(path, budget);
    }

    fn cost(&self, model: &str, usage: &Usage) -> Cost {
        self.host.cost(model, usage)
    }

    fn engine(self: Arc<Self>) -> Option<Arc<dyn Any + Send + Sync>> {
        self.host.clone().engine()
    }

    fn is_cancelled(&self, step: &StepPath) -> bool {
        self.host.is_cancelled(step)
    }

    fn shared_requests(&self) -> Option<SharedRequests> {
        self.host.shared_requests()
    }

    fn memories(&self) -> Option<UserMemories> {
        Some(self.host.memories()?.redacted(self.secrets.clone()))
    }

    fn receive<'a>(
        &'a self,
        step: &'a StepPath,
        ends: bool,
    ) -> BoxFuture<'a, Result<Vec<SentMessage>, StepError>> {
        self.host.receive(step, ends)
    }

    fn interrupted<'a>(&'a self, step: &'a StepPath) -> BoxFuture<'a, ()> {
        self.host.interrupted(step)
    }

    fn run(&self) -> &RunInfo {
        self.host.run()
    }

    fn world(&self) -> &World {
        self.host.world()
    }

    fn cancelled(&self) -> &CancellationToken {
        self.host.cancelled()
    }
}
