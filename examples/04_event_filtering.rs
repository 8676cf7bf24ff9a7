//! All events of a run, some of which are looked at, in a program without async.
//!
//! `cargo run -p stepwright --example 04_event_filtering -- [--model openai:gpt-5-mini]`

#![expect(clippy::print_stdout, reason = "it shows what a run gives")]

#[path = "course.rs"]
mod course;

use stepwright::prelude::*;

fn main() -> Result<(), Error> {
    let workflow = course::workflow()?.build()?;
    let events = workflow
        .run("Search for AI agents")
        .stream_events(true) // with what happens inside
        .stream()
        .blocking()?;
    for event in events {
        if event.name() == "WorkflowStarted" {
            println!("Workflow started!");
        } else if event.name() == "StepStarted" {
            println!("Step started: {}", event.path);
        } else if event.name() == "StepCompleted" {
            println!("\nStep completed: {}", event.path);
        } else if event.name() == "WorkflowCompleted" {
            println!("Workflow completed!");
        } else if event.name() == "RunContent"
            && let Some(content) = event.content()
        {
            print!("{content}");
        }
    }
    Ok(())
}
