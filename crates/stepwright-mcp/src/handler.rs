//! The messages of a server that are not answers: progress, questions, changed lists, logs.

use crate::changes::Changes;
use crate::elicit::Question;
use crate::events::{CallEvent, Progress};
use crate::watched::Watched;
use rmcp::model::{
    ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult, ElicitationAction,
    ElicitationCapability, ErrorData, FormElicitationCapability, Implementation,
    ListRootsRequestMethod, ProgressNotificationParam, ProgressToken, RequestId,
    ResourceUpdatedNotificationParam, UrlElicitationCapability,
};
use rmcp::service::{InboundStreamOrigin, NotificationContext, RequestContext, RoleClient};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// The calls under way of one connection.
#[derive(Debug, Default)]
pub(crate) struct CallsUnderWay(Mutex<Vec<Entry>>);

#[derive(Debug)]
struct Entry {
    number: u64,
    /// The ids of the request, from the moment at which it is sent.
    sent: Option<(RequestId, ProgressToken)>,
    events: mpsc::UnboundedSender<CallEvent>,
}

/// A call that is noted until this is dropped.
pub(crate) struct Noted {
    calls: Arc<CallsUnderWay>,
    number: u64,
}

impl CallsUnderWay {
    fn entries(&self) -> std::sync::MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a call ahead of its request: the server may be faster than the sender.
    pub(crate) fn note(self: &Arc<Self>, events: mpsc::UnboundedSender<CallEvent>) -> Noted {
        let mut entries = self.entries();
        let number = entries.iter().map(|entry| entry.number).max().map_or(0, |last| last + 1);
        entries.push(Entry { number, sent: None, events });
        Noted { calls: self.clone(), number }
    }

    /// Returns the channel of the call that a message belongs to. If the message does not say that,
    /// there must be only one call.
    fn find(
        &self,
        is_meant: impl Fn(&(RequestId, ProgressToken)) -> bool,
        is_named: bool,
    ) -> Option<mpsc::UnboundedSender<CallEvent>> {
        let entries = self.entries();
        if is_named {
            let known = entries.iter().find(|entry| entry.sent.as_ref().is_some_and(&is_meant));
            if let Some(entry) = known {
                return Some(entry.events.clone());
            }
            let mut unsent = entries.iter().filter(|entry| entry.sent.is_none());
            return unsent.next().filter(|_| unsent.next().is_none()).map(|it| it.events.clone());
        }
        match entries.as_slice() {
            [only] => Some(only.events.clone()),
            _ => None,
        }
    }
}

impl Noted {
    pub(crate) fn sent(&self, request: RequestId, progress: ProgressToken) {
        let mut entries = self.calls.entries();
        if let Some(entry) = entries.iter_mut().find(|entry| entry.number == self.number) {
            entry.sent = Some((request, progress));
        }
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        self.calls.entries().retain(|entry| entry.number != self.number);
    }
}

/// The client side of a connection.
#[derive(Debug)]
pub(crate) struct Handler {
    pub(crate) server: Arc<str>,
    pub(crate) calls: Arc<CallsUnderWay>,
    pub(crate) changes: Arc<Changes>,
    pub(crate) watched: Arc<Watched>,
    /// `true` if people answer questions of the server.
    pub(crate) asks: bool,
}

impl rmcp::ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        let mut capabilities = ClientCapabilities::default();
        if self.asks {
            let elicitation = ElicitationCapability::new()
                .with_form(FormElicitationCapability::new().with_schema_validation(true))
                .with_url(UrlElicitationCapability::new());
            capabilities.elicitation = Some(elicitation);
        }
        ClientConfig::new(
            capabilities,
            Implementation::new("stepwright", env!("CARGO_PKG_VERSION")),
        )
    }

    /// Refuses to name folders: an empty list would say that there are none to work in.
    #[expect(deprecated, reason = "servers of earlier protocols ask for folders")]
    async fn list_roots(
        &self,
        _: RequestContext<RoleClient>,
    ) -> Result<rmcp::model::ListRootsResult, ErrorData> {
        Err(ErrorData::method_not_found::<ListRootsRequestMethod>())
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let declined = ElicitResult::new(ElicitationAction::Decline);
        let Some(question) = Question::of(&request).filter(|_| self.asks) else {
            return Ok(declined);
        };
        let origin = context.extensions.get::<InboundStreamOrigin>();
        let events = match origin {
            Some(InboundStreamOrigin::OutboundRequest(id)) => {
                self.calls.find(|(request, _)| request == id, true)
            }
            _ => self.calls.find(|_| false, false),
        };
        let Some(events) = events else {
            tracing::warn!(
                target: "stepwright", server = &*self.server,
                "the MCP server asks a question that belongs to no call, or to one of several"
            );
            return Err(ErrorData::invalid_request(
                "it is not clear which call this question belongs to",
                None,
            ));
        };
        let (reply, answer) = oneshot::channel();
        if events.send(CallEvent::Asks { question, reply }).is_err() {
            return Ok(ElicitResult::new(ElicitationAction::Cancel));
        }
        tokio::select! {
            answer = answer => {
                Ok(answer.unwrap_or_else(|_| ElicitResult::new(ElicitationAction::Cancel)))
            }
            () = context.ct.cancelled() => Ok(ElicitResult::new(ElicitationAction::Cancel)),
        }
    }

    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        let ProgressNotificationParam { progress_token, progress, total, message, .. } = params;
        if let Some(events) = self.calls.find(|(_, token)| *token == progress_token, true) {
            let _ = events.send(CallEvent::Progress(Progress { done: progress, total, message }));
        }
    }

    #[expect(deprecated, reason = "servers of earlier protocols send logs")]
    async fn on_logging_message(
        &self,
        params: rmcp::model::LoggingMessageNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        tracing::debug!(
            target: "stepwright", server = &*self.server, level = ?params.level,
            "{}", stepwright_core::redact::redact(&params.data.to_string())
        );
    }

    async fn on_resource_updated(
        &self,
        params: ResourceUpdatedNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.watched.note(&params.uri);
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.changes.note();
    }
}
