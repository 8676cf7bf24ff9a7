//! Every prompt, call, answer, decision and change of the state, through `tracing`.
//!
//! `cargo run -p stepwright --example 12_debug_mode -- [--model openai:gpt-5-mini]`

#![expect(clippy::print_stdout, reason = "it shows what a run gives")]

#[path = "course.rs"]
mod course;

use stepwright::prelude::*;

#[tokio::main]
async fn main() -> Result<(), Error> {
    // Where the lines go is the program's business: here to stdout, without the time.
    let lines = tracing_subscriber::fmt().with_writer(std::io::stdout).with_ansi(false);
    lines.with_max_level(tracing::Level::DEBUG).without_time().init();

    let workflow = course::workflow()?.build()?;
    // For this run only; `Workflow::builder(…).debug_mode(true)` is for all.
    let response = workflow.run("Search for AI agents").debug_mode(true).await?;
    println!("{}", response.content);
    Ok(())
}
