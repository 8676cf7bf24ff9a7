//! Asks for what was done before: sessions, their state and metrics, runs.
//!
//! `cargo run -p stepwright --example 11_retrieval -- [--model openai:gpt-5-mini]`

#![expect(clippy::print_stdout, reason = "it shows what a run gives")]

#[path = "course.rs"]
mod course;

use serde_json::json;
use stepwright::prelude::*;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let state = json!({"language": "en"}).as_object().cloned().unwrap_or_default();
    let workflow = course::workflow()?.store(Memory::default()).session_state(state).build()?;
    let run = workflow.run("Search for AI agents").run_id("run-xyz-123");
    run.session_id("my-session-123").await?;

    // A session by its name, its state, and what its runs consumed.
    let session = workflow.get_session("my-session-123").await?;
    println!("session `{}` of workflow `{}`", session.session_id, session.workflow_id);
    let state = workflow.get_session_state("my-session-123").await?;
    println!("state: {}", json!(state));
    let metrics = workflow.get_session_metrics("my-session-123").await?;
    println!(
        "{} run, {} model calls, {} tool call",
        metrics.runs, metrics.model_calls, metrics.tool_calls
    );

    // A run by its name, and the last one.
    let run_output = workflow.get_run("run-xyz-123").await?;
    println!("{}: {}", run_output.run_id, run_output.status);
    let last = workflow.get_last_run_output().await?;
    println!(
        "the last one: {}",
        last.map_or_else(|| "none".to_owned(), |run| run.run_id.to_string())
    );

    // A session that does not exist is an error that says so.
    println!("{}", workflow.get_session("another").await.expect_err("there is none"));
    Ok(())
}
