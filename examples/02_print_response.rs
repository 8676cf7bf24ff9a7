//! A run printed for people: a panel for each step, and a summary.
//!
//! `cargo run -p stepwright --example 02_print_response -- [--model openai:gpt-5-mini]`

#[path = "course.rs"]
mod course;

use stepwright::prelude::*;

fn main() -> Result<(), Error> {
    let workflow = course::workflow()?.description("Research, then writing.").build()?;
    workflow.print_response("Search for AI agents").markdown(true).blocking()?;
    Ok(())
}
