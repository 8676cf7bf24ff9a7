//! The events of a run as a stream.
//!
//! `cargo run -p stepwright --example 06_async_streaming -- [--model openai:gpt-5-mini]`

#![expect(clippy::print_stdout, reason = "it shows what a run gives")]

#[path = "course.rs"]
mod course;

use stepwright::prelude::*;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let workflow = course::workflow()?.build()?;
    let mut events = workflow.run("Search for AI agents").stream_events(true).stream();
    while let Some(event) = events.next().await {
        match &event.kind {
            EventKind::StepStarted { .. } => println!("\nStep: {}", event.path),
            EventKind::StepCompleted { .. } => println!(" [Done]"),
            EventKind::RunContent { content } => print!("{content}"),
            _ => {}
        }
    }
    // The same output as that of a run that is awaited, and the error if there is one.
    let output = events.output().await?;
    println!("\n{} after {} steps", output.status, output.metrics.steps);
    Ok(())
}
