//! Carries out a call of a tool.

use crate::connection::{Running, wants_login};
use crate::events::{CallEvent, Ended};
use crate::explained::explained;
use crate::link::Link;
use crate::live::LiveCall;
use crate::runtime::runtime;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CallToolResult, ClientRequest, ServerResult,
};
use rmcp::service::{PeerRequestOptions, ServiceError};
use std::sync::Arc;
use stepwright_http::reqwest;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The reason that a server gets for a cancelled call.
const CANCELLED: &str = "the run was cancelled, or the call took too long";

/// The number of times that the end of a call makes way for the messages ahead of it.
const YIELDS: usize = 3;

/// Begins a call.
pub(crate) fn begin(link: &Arc<Link>, params: CallToolRequestParams) -> LiveCall {
    let (sender, events) = mpsc::unbounded_channel();
    let cancel = CancellationToken::new();
    let (link, stop) = (link.clone(), cancel.clone());
    runtime().spawn(async move {
        let ended = carried_out(&link, params, &sender, stop).await;
        let _ = sender.send(CallEvent::Ended(Box::new(ended)));
    });
    LiveCall::new(events, cancel)
}

async fn carried_out(
    link: &Arc<Link>,
    params: CallToolRequestParams,
    events: &mpsc::UnboundedSender<CallEvent>,
    stop: CancellationToken,
) -> Ended {
    // A connection that turns out to have ended did not take the request.
    for is_last in [false, true] {
        let running = tokio::select! {
            running = link.connected() => running,
            () = stop.cancelled() => return Ended::NotSent("cancelled".into()),
        };
        let running = match running {
            Ok(running) => running,
            Err(unusable) => return Ended::NotSent(unusable.why),
        };
        match sent(link, &running, params.clone(), events, &stop).await {
            Ended::NotSent(_) if !is_last => {}
            ended => return ended,
        }
    }
    Ended::NotSent("the connection has ended".into())
}

async fn sent(
    link: &Link,
    running: &Running,
    params: CallToolRequestParams,
    events: &mpsc::UnboundedSender<CallEvent>,
    stop: &CancellationToken,
) -> Ended {
    let noted = running.calls.note(events.clone());
    let request = CallToolRequest::new(params);
    let options = PeerRequestOptions::no_options();
    let sent =
        running.peer().send_cancellable_request(ClientRequest::CallToolRequest(request), options);
    let mut handle = match sent.await {
        Ok(handle) => handle,
        // The connection had ended ahead of the request.
        Err(error) => return Ended::NotSent(link.cleaned(&explained(&error))),
    };
    noted.sent(handle.id.clone(), handle.progress_token.clone());
    let answer = tokio::select! {
        answer = &mut handle.rx => Some(answer.unwrap_or(Err(ServiceError::TransportClosed))),
        () = stop.cancelled() => None,
    };
    // The messages that came ahead of the answer have tasks of their own, which are to run first.
    for _ in 0..YIELDS {
        tokio::task::yield_now().await;
    }
    let Some(answer) = answer else {
        let _ = handle.cancel(Some(CANCELLED.to_owned())).await;
        return Ended::Unknown("cancelled".into());
    };
    match answer {
        Ok(ServerResult::CallToolResult(result)) => Ended::Answered(result),
        Ok(ServerResult::InputRequiredResult(result)) => Ended::InputRequired(result),
        Ok(ServerResult::EmptyResult(_)) => Ended::Answered(CallToolResult::success(Vec::new())),
        // It answered, so it is over, but with something that is no result of a tool.
        Ok(_) => Ended::Unknown("the answer is not the result of a tool".into()),
        Err(ServiceError::McpError(error)) => Ended::Refused(error),
        Err(error) if wants_login(&error) => {
            running.lose();
            link.challenged(&error);
            Ended::NotSent(link.needs_login().why)
        }
        Err(error) if is_unsent(&error) => {
            running.lose();
            Ended::NotSent(link.cleaned(&explained(&error)))
        }
        Err(error) => {
            running.lose();
            let why = link.cleaned(&explained(&error));
            Ended::Unknown(format!("{why}{}", running.told()))
        }
    }
}

/// Returns `true` if a request cannot have reached the server.
fn is_unsent(error: &ServiceError) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_connect) {
            return true;
        }
        cause = error.source();
    }
    false
}
