//! The limits of an agent's tool calls: their time, and their number at once.

use crate::host::{Host, on};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use stepwright_agent::FunctionTool;
use stepwright_core::StepContext;
use stepwright_testing::model::{Reply, ScriptedModel};

#[derive(Deserialize, JsonSchema)]
struct Nothing {}

/// A tool that takes 10 seconds, and the largest number of its calls at once.
fn slow() -> (FunctionTool, Arc<AtomicUsize>) {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = most.clone();
    let tool = FunctionTool::new("slow", "Is slow.", move |_: Nothing, cx: StepContext| {
        let (now, most) = (now.clone(), seen.clone());
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            cx.world().sleep(Duration::from_secs(10)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            "done"
        }
    });
    (tool.read_only(), most)
}

fn five_calls() -> ScriptedModel {
    let calls =
        (0..4).fold(Reply::call("slow", json!({})), |reply, _| reply.and_call("slow", json!({})));
    ScriptedModel::new([calls, Reply::text("done")])
}

#[tokio::test(start_paused = true)]
async fn as_many_calls_as_set_run_at_once() {
    for (at_once, seconds) in [(1, 50), (2, 30), (8, 10)] {
        let (tool, most) = slow();
        let agent = on(&five_calls()).tool(tool).tool_concurrency(at_once).build().unwrap();
        let began = tokio::time::Instant::now();
        Host::new().run(&agent, "go").await.unwrap();
        assert_eq!(most.load(Ordering::SeqCst), at_once.min(5));
        assert_eq!(began.elapsed(), Duration::from_secs(seconds));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_has_the_time_of_the_agent() {
    for (limit, answer) in [
        (11, "slow: done"),
        (9, "!slow: the tool took longer than 9s and was stopped; it can be called again"),
    ] {
        let (tool, _) = slow();
        let model = ScriptedModel::new([Reply::call("slow", json!({})), Reply::text("done")]);
        let agent = on(&model).tool(tool).tool_timeout(Duration::from_secs(limit));
        let host = Host::new();
        host.run(&agent.build().unwrap(), "go").await.unwrap();
        assert_eq!(host.tool_answers(), [answer]);
    }
}
