//! The conversation of a step with a coding agent, and the facts about it.

use crate::failure::{Failure, recorded};
use crate::harness::Harness;
use crate::kind::HarnessKind;
use crate::live::Live;
use crate::worktree::Place;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::PathBuf;
use stepwright_core::budget::ASSUMED_OUTPUT_TOKENS;
use stepwright_core::gate::Demand;
use stepwright_core::message::Usage;
use stepwright_core::{EventKind, StepContext};

/// A conversation with a coding agent, as the facts of a run have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) harness: String,
    pub(crate) id: String,
    /// `true` if the agent can load it.
    pub(crate) loads: bool,
    pub(crate) dir: PathBuf,
    /// The sums that the agent has told, for agents that count the whole conversation.
    #[serde(default, skip_serializing_if = "Totals::is_empty")]
    pub(crate) totals: Totals,
}

/// The consumption of a whole conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Totals {
    #[serde(default, skip_serializing_if = "Usage::is_empty")]
    pub(crate) usage: Usage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) usd: Option<f64>,
}

impl Totals {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Session {
    /// The key of the fact that names it.
    pub(crate) const KEY: &'static str = "harness:session";

    pub(crate) fn of(value: &Value) -> Option<Self> {
        serde_json::from_value(value.clone()).ok()
    }
}

/// A conversation of a step.
pub(crate) struct Conversation<'a> {
    pub(crate) harness: &'a Harness,
    pub(crate) cx: &'a StepContext,
    pub(crate) place: &'a Place,
    /// The conversation of an earlier step, which the first turn continues.
    pub(crate) earlier: Option<Session>,
    pub(crate) live: Option<Live>,
    /// The number of requests to models so far.
    pub(crate) requests: u32,
    pub(crate) used: Usage,
    /// The model that answers, when it is known.
    pub(crate) model: String,
}

impl<'a> Conversation<'a> {
    pub(crate) fn new(
        harness: &'a Harness,
        cx: &'a StepContext,
        place: &'a Place,
        earlier: Option<Session>,
        (requests, used): (u32, Usage),
    ) -> Self {
        let settings = &*harness.settings;
        let model = settings.model.as_deref().map(|model| settings.kind.model_id(model));
        let model = model.unwrap_or_else(|| settings.kind.name().to_owned());
        Self { harness, cx, place, earlier, live: None, requests, used, model }
    }

    pub(crate) fn usage(&self) -> Usage {
        self.used
    }

    /// Ends the agent, with all that it has started.
    pub(crate) async fn finish(&mut self, ended_well: bool) {
        if let Some(live) = self.live.take().filter(|_| ended_well) {
            live.finish().await;
        }
    }

    pub(crate) fn kind(&self) -> &'a HarnessKind {
        &self.harness.settings.kind
    }

    pub(crate) fn session(&self) -> Option<Session> {
        self.cx.recorded(Session::KEY).as_ref().and_then(Session::of)
    }

    /// Notes the conversation as soon as it is known.
    pub(crate) async fn note_session(&self, id: String, loads: bool) -> Result<(), Failure> {
        let harness = self.kind().name().to_owned();
        let known = [self.session(), self.earlier.clone()].into_iter().flatten();
        // Another conversation begins at nothing.
        let totals = known.filter(|known| known.id == id).map(|known| known.totals).next();
        let totals = totals.unwrap_or_default();
        let session = Session { harness, id, loads, dir: self.place.dir.clone(), totals };
        if self.session().as_ref() == Some(&session) {
            return Ok(());
        }
        self.record(recorded(Session::KEY, json!(session))).await
    }

    /// Returns what the conversation has consumed since the last time that its agent told that.
    pub(crate) fn since(&self, now: Totals) -> Totals {
        let before = self.session().map(|session| session.totals).unwrap_or_default();
        let usd = now.usd.map(|usd| (usd - before.usd.unwrap_or(0.0)).max(0.0));
        Totals { usage: now.usage.since(before.usage), usd }
    }

    /// Notes what the conversation has consumed.
    pub(crate) async fn note_totals(&self, totals: Totals) -> Result<(), Failure> {
        match self.session().filter(|session| session.totals != totals) {
            Some(session) => {
                let session = Session { totals, ..session };
                self.record(recorded(Session::KEY, json!(session))).await
            }
            None => Ok(()),
        }
    }

    pub(crate) async fn record(&self, fact: EventKind) -> Result<(), Failure> {
        self.cx.record(fact).await.map_err(Failure::Recorded)
    }

    /// Records that a request to a model begins.
    pub(crate) async fn request(&mut self, reserved: Option<[u64; 2]>) -> Result<(), Failure> {
        self.requests += 1;
        let turn = self.requests;
        self.record(EventKind::ModelRequestStarted { turn, reserved, purpose: None }).await
    }

    /// Returns what the next request takes from budgets at most.
    pub(crate) fn demand(&self, input: u64, before: Option<Usage>) -> Demand {
        let models = vec![self.model.as_str().into()];
        Demand::Request { models, tokens: (input, ASSUMED_OUTPUT_TOKENS), before }
    }
}
