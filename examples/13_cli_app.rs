//! A workflow to talk to, at a prompt. `/help` tells what it knows; `exit` or Ctrl-D ends it.
//!
//! `cargo run -p stepwright --example 13_cli_app -- [--model openai:gpt-5-mini]`

#[path = "course.rs"]
mod course;

use stepwright::prelude::*;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let workflow = course::workflow()?.add_workflow_history_to_steps(true).build()?;
    workflow
        .cli_app()
        .session_id("cli-session")
        .user("User")
        .emoji("🤖")
        .stream(true)
        .show_step_details(true)
        .await?;
    Ok(())
}
