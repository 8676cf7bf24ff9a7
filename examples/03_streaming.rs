//! Text as it is written, in a program without async.
//!
//! `cargo run -p stepwright --example 03_streaming -- [--model openai:gpt-5-mini]`

#![expect(clippy::print_stdout, reason = "it shows what a run gives")]

#[path = "course.rs"]
mod course;

use std::io::Write as _;
use stepwright::prelude::*;

fn main() -> Result<(), Error> {
    let workflow = course::workflow()?.build()?;
    let mut events = workflow.run("Search for AI agents").stream().blocking()?;
    for event in &mut events {
        // Without `stream_events` a stream has how the run begins and ends, and what there is to
        // read. How it ends is the whole text again.
        if let EventKind::RunContent { content } = &event.kind {
            print!("{content}");
            let _ = std::io::stdout().flush();
        }
    }
    println!("\n---\n{}", events.output()?.status);
    Ok(())
}
