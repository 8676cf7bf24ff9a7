//! A run printed for people while it happens.
//!
//! `cargo run -p stepwright --example 07_async_print_response -- [--model openai:gpt-5-mini]`

#[path = "course.rs"]
mod course;

use stepwright::prelude::*;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let workflow = course::workflow()?.build()?;
    workflow.print_response("Search for AI agents").stream(true).markdown(true).await?;
    Ok(())
}
