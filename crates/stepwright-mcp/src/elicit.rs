//! Questions of servers to people.

use crate::names::hashed;
use rmcp::model::{ElicitRequestParams, ElicitResult, ElicitationAction};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use stepwright_core::requirement::{RequirementId, RequirementKind};
use stepwright_core::{Answer, OnTimeout, Requirement, StepContext, StepError};

/// A question of a server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Question {
    message: String,
    /// The form of the answer. A question that leads to an address has none.
    schema: Option<Value>,
}

impl Question {
    /// Reads a question. `None` if it is of a kind that is not known.
    pub(crate) fn of(params: &ElicitRequestParams) -> Option<Self> {
        Some(match params {
            ElicitRequestParams::FormElicitationParams { message, requested_schema, .. } => {
                let schema = serde_json::to_value(requested_schema).ok()?;
                Self { message: message.clone(), schema: Some(schema) }
            }
            ElicitRequestParams::UrlElicitationParams { message, url, .. } => Self {
                message: format!("{message}\nOpen {url} and answer when you are done."),
                schema: None,
            },
            _ => return None,
        })
    }

    /// Asks a person, and waits for the answer. The run may pause meanwhile. `nth` counts the
    /// questions of a call.
    pub(crate) async fn ask(
        &self,
        server: &str,
        nth: usize,
        cx: &StepContext,
    ) -> Result<ElicitResult, StepError> {
        // The answer to one question must not answer another one.
        let hash = hashed(&json!([self.message, self.schema]).to_string());
        let name = format!("{server}-{nth}-{hash}");
        let requirement = Requirement {
            id: RequirementId::named(cx.path().clone(), "wait", name).into(),
            path: cx.path().clone(),
            kind: RequirementKind::Wait { schema: self.schema.clone().map(Arc::new) },
            message: format!("MCP server `{server}` asks: {}", self.message).into(),
            due: None,
            on_timeout: OnTimeout::default(),
        };
        Ok(match cx.ask(requirement).await? {
            Answer::Submit { value } => {
                let accepted = ElicitResult::new(ElicitationAction::Accept);
                match &self.schema {
                    Some(_) => accepted.with_content(value),
                    None => accepted,
                }
            }
            // An answer of another kind is a refusal.
            _ => ElicitResult::new(ElicitationAction::Decline),
        })
    }
}
