//! The first workflow: a function and an agent, awaited, and then the same run as it happens.
//!
//! `cargo run -p stepwright --example c01_hello -- "any topic"`

#![expect(clippy::print_stdout, reason = "it shows what a run gives")]

use stepwright::prelude::*;

/// A step is an async function, named after itself.
async fn outline(topic: String) -> String {
    format!(
        "What is {topic}? {topic} is the topic of this outline. Why does {topic} matter? \
         It matters because somebody asked for it."
    )
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let topic = std::env::args().nth(1).unwrap_or_else(|| "an ant".to_owned());
    // `offline` needs no key: it is no language model, and quotes the most telling sentences.
    let writer = Agent::builder("Writer")
        .model("offline")?
        .instructions("Answer in 2 sentences.")
        .build()?;
    let workflow = Workflow::builder("Hello").step(outline).step(writer).build()?;

    let output = workflow.run(&topic).await?;
    println!("{}\n{} after {} steps\n", output.content, output.status, output.metrics.steps);

    let mut events = workflow.run(&topic).stream_events(true).stream();
    while let Some(event) = events.next().await {
        println!("{:>4} {:<8} {}", event.sequence, event.path, event.name());
    }
    Ok(())
}
