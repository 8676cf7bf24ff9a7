//! Tools against servers on real sockets.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod computing;
mod failures;
mod files;
mod news;
mod pages;
mod people;
mod python;
mod server;
mod settings;
mod skills;
mod sql;
mod web;
mod workspaces;

use serde_json::Value;
use server::Server;
use stepwright_agent::{Agent, IntoTools, Toolkit as _};
use stepwright_core::message::ToolOutcome;
use stepwright_core::output::Turn;
use stepwright_core::tool::{AnyTool, Tool as _};
use stepwright_engine::{IntoStep, Workflow};
use stepwright_testing::model::{Reply, ScriptedModel};
use stepwright_tools::DuckDuckGo;

/// Returns the outcome of a call of this toolkit's tool with these arguments.
async fn call<K>(kit: impl IntoTools<K>, tool: &'static str, arguments: Value) -> ToolOutcome {
    called(caller(kit, tool, arguments)).await
}

/// Returns an agent that makes this call.
fn caller<K>(kit: impl IntoTools<K>, tool: &'static str, arguments: Value) -> Agent {
    let model = ScriptedModel::new([Reply::call(tool, arguments), Reply::text("done")]);
    Agent::builder("Searcher").model(model).unwrap().tool(kit).build().unwrap()
}

/// Returns the outcome of the call of a step.
async fn called<M>(step: impl IntoStep<M>) -> ToolOutcome {
    let workflow = Workflow::builder("test").step(step).build().unwrap();
    let output = workflow.run("go").await.unwrap();
    let turns = &output.step_executor_runs[0].turns;
    let told = turns.iter().find_map(|turn| match turn {
        Turn::Tool(outcome) => Some(outcome.clone()),
        Turn::Model(_) | Turn::Message(_) => None,
    });
    told.unwrap()
}

/// A toolkit that asks this server.
fn on(server: &Server) -> DuckDuckGo {
    DuckDuckGo::new().base_url(server.url())
}

/// The one tool of this name.
fn tool(kit: DuckDuckGo, name: &str) -> AnyTool {
    kit.tools().unwrap().into_iter().find(|tool| tool.spec().name == name).unwrap()
}
