//! Changes of single resources, as a server tells them.

use crate::connection::Running;
use crate::explained::explained;
use crate::link::Link;
use crate::runtime::runtime;
use rmcp::model::{
    ServerNotification, SubscribeRequestParams, SubscriptionFilter, UnsubscribeRequestParams,
};
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::tool::ToolError;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The time between two looks at the connection, while a caller waits for a change.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Tells when a resource of a server changes: see
/// [`McpServer::watch_resource`](crate::McpServer::watch_resource). The server stops to tell when
/// the last watch of the resource is dropped.
///
/// ```no_run
/// use stepwright_mcp::{McpServer, ResourceWatch};
/// # async fn watch(notes: McpServer) -> Result<(), stepwright_core::tool::ToolError> {
/// let mut watch: ResourceWatch = notes.watch_resource("note://today").await?;
/// loop {
///     println!("{}", notes.read_resource("note://today").await?.text);
///     watch.changed().await?;
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct ResourceWatch {
    server: Arc<str>,
    running: Arc<Running>,
    uri: String,
    changes: watch::Receiver<u64>,
    /// The task that listens to a server of the newest protocol.
    listening: Option<JoinHandle<()>>,
}

impl ResourceWatch {
    /// Waits until the resource has changed since the last call. Several changes may be one.
    ///
    /// # Errors
    /// Fails if the connection has ended, or the server does not tell changes any more. Watch the
    /// resource again then, and read it: it may have changed.
    pub async fn changed(&mut self) -> Result<(), ToolError> {
        loop {
            tokio::select! {
                biased;
                changed = self.changes.changed() => {
                    return changed.map_err(|_| self.ended());
                }
                () = tokio::time::sleep(LOOK_EVERY) => {
                    let is_deaf = self.listening.as_ref().is_some_and(JoinHandle::is_finished);
                    if is_deaf || self.running.is_over() {
                        return Err(self.ended());
                    }
                }
            }
        }
    }

    fn ended(&self) -> ToolError {
        let Self { server, uri, .. } = self;
        ToolError::Failed(format!("MCP server `{server}` tells no changes of `{uri}` any more"))
    }
}

impl Drop for ResourceWatch {
    fn drop(&mut self) {
        let is_last = self.running.watched.leave(&self.uri);
        match self.listening.take() {
            Some(listening) => listening.abort(),
            None if is_last && !self.running.is_over() => {
                let (running, params) =
                    (self.running.clone(), UnsubscribeRequestParams::new(self.uri.clone()));
                #[expect(deprecated, reason = "servers of earlier protocols have this request")]
                runtime().spawn(async move {
                    let _ = running.peer().unsubscribe(params).await;
                });
            }
            None => {}
        }
    }
}

/// Asks the server to tell the changes of a resource.
pub(crate) async fn watch(link: &Arc<Link>, uri: &str) -> Result<ResourceWatch, ToolError> {
    let (link, uri) = (link.clone(), uri.to_owned());
    let task = runtime().spawn(async move {
        let server = link.name.clone();
        let failed = |why: &str| {
            ToolError::Failed(format!("MCP server `{server}` cannot be asked about `{uri}`: {why}"))
        };
        let running = link.connected().await.map_err(|why| failed(&why.to_string()))?;
        let changes = running.watched.watch(&uri);
        let listening = match told(&running, &uri).await {
            Ok(listening) => listening,
            Err(why) => {
                running.watched.leave(&uri);
                return Err(failed(&link.cleaned(&why)));
            }
        };
        Ok(ResourceWatch { server: server.clone(), running, uri: uri.clone(), changes, listening })
    });
    task.await.unwrap_or_else(|error| Err(ToolError::Failed(error.to_string())))
}

/// Has the server tell changes. Returns the task that listens, if one must.
async fn told(running: &Arc<Running>, uri: &str) -> Result<Option<JoinHandle<()>>, String> {
    const NEVER: &str = "it tells no changes of resources";
    if !running.is_modern() {
        let subscribes = running.peer().peer_info().and_then(|info| {
            info.capabilities.resources.as_ref().and_then(|resources| resources.subscribe)
        });
        if subscribes != Some(true) {
            return Err(NEVER.to_owned());
        }
        let params = SubscribeRequestParams::new(uri);
        #[expect(deprecated, reason = "servers of earlier protocols have this request")]
        let subscribed = running.peer().subscribe(params).await;
        return subscribed.map(|()| None).map_err(|error| explained(&error));
    }
    let filter = SubscriptionFilter::builder().resource_subscriptions([uri]).build();
    let subscription = running.peer().listen(filter).await.map_err(|error| explained(&error));
    let mut subscription = subscription?;
    let accepted = subscription.acknowledged().resource_subscriptions.as_ref();
    if !accepted.is_some_and(|all| all.iter().any(|known| known == uri)) {
        return Err(NEVER.to_owned());
    }
    let watched = running.watched.clone();
    Ok(Some(runtime().spawn(async move {
        while let Ok(Some(told)) = subscription.next().await {
            if let ServerNotification::ResourceUpdatedNotification(update) = told {
                watched.note(&update.params.uri);
            }
        }
    })))
}
