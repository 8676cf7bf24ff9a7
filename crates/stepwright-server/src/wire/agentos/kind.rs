//! The kinds of components: workflows, agents and teams, each beneath a path of its own.

use super::fault::Fault;
use super::outputs;
use crate::state::{App, Served, ServedKind};
use axum::extract::FromRequestParts;
use http::request::Parts;
use serde_json::Value;
use std::convert::Infallible;
use stepwright_core::RunOutput;

/// The kind that the path of a request names.
impl<S: Sync> FromRequestParts<S> for ServedKind {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let path = parts.uri.path();
        Ok(if path.starts_with("/agents") {
            Self::Agent
        } else if path.starts_with("/teams") {
            Self::Team
        } else {
            Self::Workflow
        })
    }
}

impl ServedKind {
    /// Parses the word that clients send.
    pub(super) fn parse(word: &str) -> Option<Self> {
        let all = [Self::Workflow, Self::Agent, Self::Team];
        all.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Returns the member of JSON that has the id of a component.
    pub(super) fn id_key(self) -> &'static str {
        match self {
            Self::Workflow => "workflow_id",
            Self::Agent => "agent_id",
            Self::Team => "team_id",
        }
    }

    /// Returns the word with a capital letter.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Workflow => "Workflow",
            Self::Agent => "Agent",
            Self::Team => "Team",
        }
    }

    /// Finds a component of this kind.
    pub(super) fn find<'a>(self, app: &'a App, id: &str) -> Result<&'a Served, Fault> {
        let served = app.of_id(id).filter(|served| served.kind == self);
        served.ok_or_else(|| Fault::not_found(format!("{} not found", self.title())))
    }

    /// Lists the components of this kind.
    pub(super) fn all(self, app: &App) -> impl Iterator<Item = &Served> {
        app.served.iter().filter(move |served| served.kind == self)
    }
}

/// Returns a run as its clients read it.
pub(super) fn shown(served: &Served, output: &RunOutput) -> Value {
    match served.kind {
        ServedKind::Workflow => outputs::workflow_run(output, Some(served.workflow.plan())),
        kind => outputs::agent_output(output, kind == ServedKind::Team),
    }
}
