//! Every kind of event has its own shape: `match` finds what was forgotten.
//!
//! `cargo run -p stepwright --example 09_processing_events -- [--model openai:gpt-5-mini]`

#![expect(clippy::print_stdout, reason = "it shows what a run gives")]

#[path = "course.rs"]
mod course;

use stepwright::prelude::*;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let words = Step::new("Words", |input: StepInput| async move {
        format!("{} words", input.text().split_whitespace().count())
    });
    let workflow = course::workflow()?
        .step(Parallel::new("Facts").branch(words).branch(Step::new(
            "Lines",
            |text: String| async move { text.lines().count().to_string() },
        )))
        .step(Loop::new("Shorten").at_most(3).forward().until(|turn| turn.text().len() < 12).step(
            Step::new("Halve", |text: String| async move {
                text.chars().take(text.chars().count() / 2).collect::<String>()
            }),
        ))
        .step(
            Condition::new("Long", |input: &StepInput| input.text().len() > 3)
                .then(Step::new("Say so", |text: String| async move { format!("long: {text}") })),
        )
        .build()?;

    let mut events = workflow.run("Search for AI agents").stream_events(true).stream();
    while let Some(event) = events.next().await {
        match &event.kind {
            EventKind::WorkflowStarted(started) => {
                println!("Started workflow: {}", started.workflow_name);
            }
            EventKind::StepStarted { .. } => println!("  Step: {}", event.path),
            EventKind::StepCompleted { output } => {
                println!(
                    "  Completed: {} with {} characters",
                    event.path,
                    output.content.text().chars().count()
                );
            }
            EventKind::ToolCallStarted { tool } => println!("    calls {}", tool.name),
            EventKind::ContainerStarted { decision: Decision::Turn { number, .. }, .. } => {
                println!("  turn {number}");
            }
            EventKind::ContainerStarted {
                decision: Decision::Holds { holds: Some(holds), .. },
                ..
            } => println!("  {} holds: {holds}", event.path),
            EventKind::ContainerStarted { kind: ContainerKind::Parallel, .. } => {
                println!("  {} begins", event.path);
            }
            EventKind::ContainerCompleted { kind: ContainerKind::Parallel, .. } => {
                println!("  {} has joined", event.path);
            }
            EventKind::ContainerCompleted { kind: ContainerKind::Iteration, turns, .. } => {
                println!("  turn has ended; another one: {}", turns.should_continue);
            }
            EventKind::ContainerCompleted { kind: ContainerKind::Condition, .. } => {
                println!("  {} is done", event.path);
            }
            EventKind::WorkflowCompleted { content, .. } => {
                println!("Workflow finished: {content}");
            }
            EventKind::WorkflowError { error, .. } => {
                println!("Workflow failed: {}", error.message);
            }
            _ => {}
        }
    }
    Ok(())
}
