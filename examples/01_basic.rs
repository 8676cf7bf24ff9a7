//! A workflow of two agents, run to its end.
//!
//! `cargo run -p stepwright --example 01_basic -- [--model openai:gpt-5-mini]`

#![expect(clippy::print_stdout, reason = "it shows what a run gives")]

#[path = "course.rs"]
mod course;

use stepwright::prelude::*;

fn main() -> Result<(), Error> {
    let workflow = Workflow::builder("My Workflow")
        .step(course::researcher()?) // an agent is a step, named after itself
        .step(course::writer()?)
        .build()?; // every mistake in the definition is found here

    // Waits for the output on this thread: for programs without async.
    let response = workflow.run("Search for AI agents").blocking()?;

    println!("{}", response.content);
    println!("Run ID: {}", response.run_id);
    println!("Status: {}", response.status);
    println!("Session: {}", response.session_id);
    println!("Workflow: {} ({})", response.workflow_name, response.workflow_id);
    println!("Content type: {}", response.content_type());
    println!("Created at: {}", response.created_at.0); // in milliseconds
    for step in &response.step_results {
        println!("Step `{}`: {}", step.path, step.status);
    }
    for run in &response.step_executor_runs {
        println!("{} asked {}", run.agent, run.model);
    }
    Ok(())
}
