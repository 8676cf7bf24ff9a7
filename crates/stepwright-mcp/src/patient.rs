//! A transport for servers that are slow to start.
//!
//! The SDK asks a server for its protocol, waits for ten seconds, and then begins the handshake of
//! earlier protocols. A program that is installed first, or whose machine is busy, answers the
//! first request after that. It then expects no handshake, and its answer would end the connection.

use futures_util::future::Either;
use rmcp::model::{
    ClientNotification, ClientRequest, DiscoverRequestMethod, DiscoverResult, ErrorData,
    InitializeResult, JsonRpcMessage, ProtocolVersion, RequestId, ServerResult,
};
use rmcp::service::{RoleClient, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use std::future::ready;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The time for which a handshake is held back. There are servers that do not answer a request that
/// they do not know.
const HELD_BACK: Duration = Duration::from_secs(10);

/// Holds a handshake back until the request ahead of it is answered.
pub(crate) struct Patient<T> {
    inner: T,
    /// The request for the protocol, until it is answered.
    asked: Option<RequestId>,
    /// The handshake, with the moment at which it is sent anyway.
    held: Option<(TxJsonRpcMessage<RoleClient>, Instant)>,
    /// The request of the handshake, once the SDK waits for its answer.
    handshake: Option<RequestId>,
    /// A request whose answer is passed over.
    passed_over: Option<RequestId>,
    /// `true` if the SDK does not wait for the answer to the first request any more.
    was_given_up: bool,
    /// `true` if the server has no handshake, so that its end is not sent either.
    is_modern: bool,
}

impl<T> Patient<T> {
    pub(crate) fn new(inner: T) -> Self {
        let (asked, held, handshake, passed_over) = (None, None, None, None);
        Self { inner, asked, held, handshake, passed_over, was_given_up: false, is_modern: false }
    }

    /// Returns the answer to a handshake that the server does not have.
    fn instead(&mut self, found: &DiscoverResult) -> Option<RxJsonRpcMessage<RoleClient>> {
        let handshake = self.handshake.take()?;
        // A handshake that was sent is refused.
        self.passed_over = self.held.take().is_none().then(|| handshake.clone());
        self.is_modern = true;
        let mut result = InitializeResult::new(found.capabilities.clone());
        result.protocol_version = ProtocolVersion::V_2026_07_28;
        Some(JsonRpcMessage::response(ServerResult::InitializeResult(result), handshake))
    }
}

impl<T: Transport<RoleClient>> Transport<RoleClient> for Patient<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleClient>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        match &item {
            JsonRpcMessage::Request(request) => match &request.request {
                ClientRequest::DiscoverRequest(_) => self.asked = Some(request.id.clone()),
                ClientRequest::InitializeRequest(_) if self.asked.is_some() => {
                    self.handshake = Some(request.id.clone());
                    self.was_given_up = true;
                    self.held = Some((item, Instant::now() + HELD_BACK));
                    return Either::Left(ready(Ok(())));
                }
                _ => {}
            },
            JsonRpcMessage::Notification(sent)
                if self.is_modern
                    && matches!(
                        sent.notification,
                        ClientNotification::InitializedNotification(_)
                    ) =>
            {
                return Either::Left(ready(Ok(())));
            }
            _ => {}
        }
        Either::Right(self.inner.send(item))
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
        loop {
            let message = match &self.held {
                None => self.inner.receive().await?,
                Some((_, until)) => {
                    let Ok(message) = timeout_at(*until, self.inner.receive()).await else {
                        self.begin_handshake().await?;
                        continue;
                    };
                    message?
                }
            };
            let id = match &message {
                JsonRpcMessage::Response(response) => Some(&response.id),
                JsonRpcMessage::Error(error) => error.id.as_ref(),
                _ => None,
            };
            if id.is_none() {
                return Some(message);
            }
            if id == self.passed_over.as_ref() {
                self.passed_over = None;
                continue;
            }
            if id == self.handshake.as_ref() {
                self.handshake = None;
            }
            if id != self.asked.as_ref() {
                return Some(message);
            }
            self.asked = None;
            if self.handshake.is_none() {
                // In time, or after the end of a handshake that did not wait for it.
                if self.was_given_up {
                    continue;
                }
                return Some(refused_if_empty(message));
            }
            if let JsonRpcMessage::Response(response) = &message
                && let ServerResult::DiscoverResult(found) = &response.result
            {
                return self.instead(found);
            }
            self.begin_handshake().await?;
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.inner.close().await
    }
}

/// Makes a refusal of an answer that says nothing: there are servers that answer so to requests
/// that they do not know. The SDK then begins a handshake.
fn refused_if_empty(message: RxJsonRpcMessage<RoleClient>) -> RxJsonRpcMessage<RoleClient> {
    match message {
        JsonRpcMessage::Response(response)
            if matches!(response.result, ServerResult::EmptyResult(_)) =>
        {
            let refusal = ErrorData::method_not_found::<DiscoverRequestMethod>();
            JsonRpcMessage::error(refusal, Some(response.id))
        }
        message => message,
    }
}

impl<T: Transport<RoleClient>> Patient<T> {
    /// Sends the handshake, unless it has been sent.
    async fn begin_handshake(&mut self) -> Option<()> {
        match self.held.take() {
            Some((handshake, _)) => self.inner.send(handshake).await.ok(),
            None => Some(()),
        }
    }
}
