//! Resources whose changes a server tells.

use crate::support::{Faulty, with_text};
use futures_util::FutureExt as _;
use stepwright_core::StepContext;
use stepwright_core::tool::{Tool as _, ToolSource as _};
use stepwright_mcp::McpServer;

async fn call(server: &McpServer, tool: &str, argument: &str) {
    let tools = server.tools(StepContext::detached("s")).await.unwrap();
    let name = format!("it__{tool}");
    let tool = tools.iter().find(|tool| tool.spec().name == name).unwrap();
    let _ = tool.call(with_text(argument), StepContext::detached("s")).await;
}

#[tokio::test]
async fn a_change_of_a_resource_is_told_to_those_who_watch_it() {
    for (mode, begun) in
        [("", "resources/subscribe \"note://1\""), ("modern", "listens [\"note://1\"]")]
    {
        let faulty = Faulty::new(mode);
        let mut watch = faulty.server.watch_resource("note://1").await.unwrap();
        faulty.logged(begun).await;
        assert!(watch.changed().now_or_never().is_none(), "{mode}: nothing has changed");
        call(&faulty.server, "touch", "note://other").await;
        call(&faulty.server, "touch", "note://1/part").await;
        watch.changed().await.unwrap();
        call(&faulty.server, "touch", "note://1").await;
        watch.changed().await.unwrap();
        assert!(watch.changed().now_or_never().is_none(), "{mode}: each change is told once");
        drop(watch);
        if mode.is_empty() {
            faulty.logged("resources/unsubscribe").await;
        } else {
            faulty.logged("cancelled").await;
        }
    }
}

#[tokio::test]
async fn a_watch_ends_with_its_server_and_is_refused_where_nothing_is_told() {
    let faulty = Faulty::new("");
    let mut watch = faulty.server.watch_resource("note://1").await.unwrap();
    call(&faulty.server, "die", "").await;
    let ended = watch.changed().await.unwrap_err();
    assert!(ended.to_string().contains("tells no changes of `note://1` any more"), "{ended}");
    let mut again = faulty.server.watch_resource("note://1").await.unwrap();
    assert!(again.changed().now_or_never().is_none(), "another process is there");

    let faulty = Faulty::new("deaf");
    let refused = faulty.server.watch_resource("note://1").await.unwrap_err();
    assert!(refused.to_string().contains("it tells no changes of resources"), "{refused}");
    let faulty = Faulty::new("broken");
    let refused = faulty.server.watch_resource("note://1").await.unwrap_err();
    assert!(refused.to_string().contains("cannot be asked about"), "{refused}");
}
