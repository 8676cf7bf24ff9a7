//! Lists of tools that change, and traces that go on at a server.

use crate::support::{Faulty, agent, ended, outcomes};
use serde_json::{Value, json};
use stepwright_core::StepContext;
use stepwright_core::tool::{Tool as _, ToolSource as _};
use stepwright_core::trace::TraceContext;
use stepwright_engine::Workflow;
use stepwright_mcp::McpServer;

async fn has_grown(server: &McpServer) -> bool {
    let tools = server.tools(StepContext::detached("s")).await.unwrap();
    tools.iter().any(|tool| tool.spec().name == "it__grown")
}

async fn grow(server: &McpServer) {
    let tools = server.tools(StepContext::detached("s")).await.unwrap();
    let grow = tools.iter().find(|tool| tool.spec().name == "it__grow").unwrap();
    grow.call(json!({}), StepContext::detached("s")).await.unwrap();
}

fn counted(mode: &str) -> Faulty {
    let faulty = Faulty::new(mode);
    let server = faulty.server.clone().env("LOG_LISTS", "1");
    Faulty { server, ..faulty }
}

fn count(faulty: &Faulty, line: &str) -> usize {
    faulty.log().iter().filter(|it| *it == line).count()
}

#[tokio::test]
async fn the_tools_are_listed_again_when_the_server_says_that_they_changed() {
    let faulty = counted("");
    assert!(!has_grown(&faulty.server).await);
    assert!(!has_grown(&faulty.server).await);
    assert_eq!(count(&faulty, "list"), 1, "a list that has not changed is kept");
    grow(&faulty.server).await;
    assert!(has_grown(&faulty.server).await);
    assert!(has_grown(&faulty.server).await);
    assert_eq!(count(&faulty, "list"), 2);
}

#[tokio::test]
async fn a_server_of_the_newest_protocol_is_listened_to() {
    let faulty = counted("modern");
    assert!(!has_grown(&faulty.server).await);
    faulty.logged("listen").await;
    grow(&faulty.server).await;
    assert!(has_grown(&faulty.server).await);
    // In time the list is kept, and a change is told.
    let mut before = 0;
    while before < count(&faulty, "list") {
        before = count(&faulty, "list");
        assert!(has_grown(&faulty.server).await);
    }
    assert!(has_grown(&faulty.server).await);
    assert_eq!((count(&faulty, "list"), count(&faulty, "listen")), (before, 1));
}

async fn told_meta(faulty: &Faulty, context: Option<&TraceContext>) -> Value {
    let agent = agent(faulty.server.clone(), "it__meta", json!({}));
    let workflow = Workflow::builder("W").step(agent).build().unwrap();
    let run = workflow.run("go");
    let run = match context {
        Some(context) => ended(run.trace_context(context.clone())).await,
        None => ended(run).await,
    };
    let outcome = outcomes(&workflow, &run).await.remove(0);
    serde_json::from_str(&outcome.text).unwrap()
}

#[tokio::test]
async fn a_call_of_a_traced_run_goes_on_with_its_trace() {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let context = TraceContext::parse(parent, Some("vendor=1")).unwrap();
    for mode in ["", "modern"] {
        let faulty = Faulty::new(mode);
        let meta = told_meta(&faulty, Some(&context)).await;
        let told = TraceContext::parse(meta["traceparent"].as_str().unwrap(), None).unwrap();
        assert_eq!(told.trace_id(), context.trace_id(), "{mode}");
        assert_ne!(told.span_id(), context.span_id(), "it is the span of the call");
        assert_eq!(meta["tracestate"], "vendor=1");
        assert!(meta.get("progressToken").is_some(), "{meta}");
        let untraced = told_meta(&faulty, None).await;
        assert!(untraced.get("traceparent").is_none(), "{untraced}");
    }
}
