//! The whole thing: web search, two agents, PostgreSQL, a session that goes on from run to run.
//!
//! ```sh
//! cargo run -p stepwright --features postgres --example 14_complete -- \
//!     --db postgres://user:pass@localhost/db --model openai:gpt-5-mini
//! ```
//!
//! Without `--db` it keeps everything in memory. It searches the web, so it needs a network; the
//! model `offline` then quotes what was found.

#![expect(clippy::print_stdout, reason = "it shows what a run gives")]

#[path = "course.rs"]
mod course;

use stepwright::Postgres;
use stepwright::prelude::*;

#[tokio::main]
async fn main() -> Result<(), Error> {
    // Define agents
    let mut search = DuckDuckGo::new();
    if let Some(url) = course::argument("--search-url") {
        search = search.base_url(url); // another server that speaks the same
    }
    let researcher = Agent::builder("Researcher")
        .model(course::model())?
        .tool(search)
        .instructions("Research thoroughly.")
        .build()?;
    let writer = Agent::builder("Writer")
        .model(course::model())?
        .instructions("Write engaging content.")
        .build()?;

    // Build workflow
    let mut workflow = Workflow::builder("Content Pipeline")
        .step(Step::new("Research", researcher))
        .step(Step::new("Write", writer));
    if let Some(db) = course::argument("--db") {
        workflow = workflow.store(Postgres::connect(&db).await?);
    }
    let workflow = workflow.build()?;

    println!("=== Async Streaming Example ===\n");
    let mut events = workflow
        .run("Search for the latest developments in quantum computing")
        .stream_events(true)
        .session_id("demo-session")
        .user_id("user-123")
        .stream();
    while let Some(event) = events.next().await {
        match &event.kind {
            EventKind::StepStarted { .. } => println!("\n[{}] Starting...", event.path),
            EventKind::StepCompleted { .. } => println!("\n[{}] Done!", event.path),
            EventKind::RunContent { content } => print!("{content}"),
            _ => {}
        }
    }
    // A run that failed says why here.
    events.output().await?;
    println!("\n\n=== Execution Complete ===");

    // Get session metrics
    let metrics = workflow.get_session_metrics("demo-session").await?;
    println!("Runs in this session: {}", metrics.runs);
    println!("Total duration: {}s", metrics.duration());
    Ok(())
}
