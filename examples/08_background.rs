//! A run in the background, and a loop that asks how it stands.
//!
//! `cargo run -p stepwright --example 08_background -- [--model openai:gpt-5-mini]`

#![expect(clippy::print_stdout, reason = "it shows what a run gives")]

#[path = "course.rs"]
mod course;

use std::time::Duration;
use stepwright::prelude::*;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let workflow = course::workflow()?.build()?;
    let handle = workflow.run("Search for AI agents").background().await?;
    println!("Started! Run ID: {}", handle.run_id());

    // The run depends neither on the handle nor on this loop.
    loop {
        let result = workflow.get_run(handle.run_id()).await?;
        if result.has_completed() {
            // Also if it has failed or was cancelled: look at the status.
            println!("{}!", result.status);
            println!("{}", result.content);
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
