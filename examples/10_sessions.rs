//! Runs that share a session: history and state go from one to the next.
//!
//! `cargo run -p stepwright --example 10_sessions -- [--model openai:gpt-5-mini] [--db FILE]`

#![expect(clippy::print_stdout, reason = "it shows what a run gives")]

#[path = "course.rs"]
mod course;

use stepwright::prelude::*;

/// Counts the runs of a session, in its state.
async fn count(input: StepInput) -> StepOutput {
    StepOutput::from(input.text()).patch(Patch::increment("runs", 1))
}

/// Tells what was said before.
async fn recall(input: StepInput, cx: StepContext) -> Result<String, StepError> {
    let earlier = cx.history(3).await?;
    let asked: Vec<_> = earlier.iter().map(|exchange| exchange.input.text()).collect();
    Ok(format!("{}\n(asked before: {})", input.text(), asked.join("; ")))
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut workflow = course::workflow()?
        .step(count)
        .step(recall)
        // Agents read what earlier runs were given and gave.
        .add_workflow_history_to_steps(true)
        .num_history_runs(3);
    if let Some(db) = course::argument("--db") {
        workflow = workflow.store(Sqlite::open(db).await?);
    }
    let workflow = workflow.build()?;

    // The first run opens the session, the second one goes on with it.
    for input in ["Search for AI agents", "Search for evaluation"] {
        let response = workflow.run(input).session_id("my-session-123").user_id("user-456").await?;
        println!("{}\n", response.content);
    }
    let state = workflow.get_session_state("my-session-123").await?;
    println!("runs in this session: {}", state["runs"]);
    // The session does not exist for another user.
    let other = workflow.run("Hello").session_id("my-session-123").user_id("user-457").await;
    println!("{}", other.expect_err("it is another user's"));
    Ok(())
}
