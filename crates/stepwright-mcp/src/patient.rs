//! A transport for servers that are slow to start.
//!
//! The SDK asks a server for its protocol, waits for ten seconds, and then begins the handshake of
//! earlier protocols. A program that is installed first, or whose machine is busy, answers the
//! first request after that. It then expects no handshake, and its answer would end the connection.

use futures_util::future::Either;
use rmcp::model::{
    ClientNotification, ClientRequest, InitializeResult, JsonRpcMessage, ProtocolVersion,
    RequestId, ServerResult,
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
    held: Option<(TxJsonRpcMessage<RoleClient>, RequestId, Instant)>,
    /// The request for the protocol, if the handshake began without its answer.
    given_up: Option<RequestId>,
    /// `true` if the server has no handshake, so that its end is not sent either.
    is_modern: bool,
}

impl<T> Patient<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self { inner, asked: None, held: None, given_up: None, is_modern: false }
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
                    let id = request.id.clone();
                    self.held = Some((item, id, Instant::now() + HELD_BACK));
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
                Some((_, _, until)) => match timeout_at(*until, self.inner.receive()).await {
                    Ok(message) => message?,
                    Err(_) => {
                        self.given_up = self.asked.take();
                        self.begin_handshake().await?;
                        continue;
                    }
                },
            };
            let id = match &message {
                JsonRpcMessage::Response(response) => Some(&response.id),
                JsonRpcMessage::Error(error) => error.id.as_ref(),
                _ => None,
            };
            if id.is_some() && id == self.given_up.as_ref() {
                self.given_up = None;
                continue;
            }
            if id.is_none() || id != self.asked.as_ref() {
                return Some(message);
            }
            let Some((_, handshake, _)) = &self.held else {
                // In time.
                self.asked = None;
                return Some(message);
            };
            if let JsonRpcMessage::Response(response) = &message
                && let ServerResult::DiscoverResult(found) = &response.result
            {
                // The answer to the handshake of a server that has none.
                let mut result = InitializeResult::new(found.capabilities.clone());
                result.protocol_version = ProtocolVersion::V_2026_07_28;
                let result = ServerResult::InitializeResult(result);
                let answer = JsonRpcMessage::response(result, handshake.clone());
                (self.asked, self.held, self.is_modern) = (None, None, true);
                return Some(answer);
            }
            self.begin_handshake().await?;
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.inner.close().await
    }
}

impl<T: Transport<RoleClient>> Patient<T> {
    async fn begin_handshake(&mut self) -> Option<()> {
        self.asked = None;
        let (handshake, _, _) = self.held.take()?;
        self.inner.send(handshake).await.ok()
    }
}
