//! A run that is awaited.
//!
//! `cargo run -p stepwright --example 05_async -- [--model openai:gpt-5-mini]`

#![expect(clippy::print_stdout, reason = "it shows what a run gives")]

#[path = "course.rs"]
mod course;

use stepwright::prelude::*;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let workflow = course::workflow()?.build()?;
    // There is one `run`: a builder that is a future.
    let response = workflow.run("Search for AI agents").await?;
    println!("{}", response.content);
    Ok(())
}
