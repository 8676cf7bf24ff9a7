//! A support desk: it answers questions of customers from a handbook, with the sources, and hands
//! complaints to a person.
//!
//! `cargo run -p stepwright --features knowledge --example 20_support_desk -- --model openai:gpt-5`
//!
//! `workflows/desk.yaml` is the same in a file. The handbook is searched by words and by vectors;
//! `HashEmbedder` needs no model, and compares words and their parts.

#![expect(clippy::print_stdout, reason = "it shows what a run gives")]

#[path = "course.rs"]
mod course;

use stepwright::knowledge::{
    Document, DocumentKind, HashEmbedder, Knowledge as _, KnowledgeTool, SqliteKnowledge,
};
use stepwright::prelude::*;
use stepwright::{Error, WorkflowBuilder};

const HANDBOOK: [(&str, &str); 3] = [
    ("returns.md", include_str!("workflows/handbook/returns.md")),
    ("parcels.md", include_str!("workflows/handbook/parcels.md")),
    ("prices.csv", include_str!("workflows/handbook/prices.csv")),
];

/// Returns the handbook. A program would open a file with `SqliteKnowledge::open`; then documents
/// that did not change are not embedded again.
pub(crate) async fn handbook() -> Result<SqliteKnowledge, Error> {
    let handbook = SqliteKnowledge::in_memory(HashEmbedder::default()).await?;
    for (source, text) in HANDBOOK {
        let kind = DocumentKind::of_path(source);
        handbook.add(Document::new(source, text, kind)).await?;
    }
    Ok(handbook)
}

/// The workflow with this handbook.
pub(crate) fn workflow(handbook: SqliteKnowledge) -> Result<WorkflowBuilder, Error> {
    let search = KnowledgeTool::new(handbook)
        .name("search_handbook")
        .description("Searches the rules of the shop for parcels and returns, and its prices.")
        .passages(2);
    let desk = Agent::builder("Desk")
        .model(course::model())?
        .instructions("You answer a question of a customer. Answer in 2 sentences.")
        .tool(search)
        .build()?;
    let is_complaint = |input: &StepInput| {
        let question = input.text().to_lowercase();
        ["complain", "angry", "lawyer"].iter().any(|word| question.contains(word))
    };
    let person = |_: String| async { "A person will write to you today.".to_owned() };
    Ok(Workflow::builder("Desk").step(
        Condition::new("kind", is_complaint)
            .then(Step::new("complaint", person))
            .otherwise(Step::new("question", desk)),
    ))
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let workflow = workflow(handbook().await?)?.build()?;
    let asked = course::argument("--question");
    let questions = match asked {
        Some(question) => vec![question],
        None => vec![
            "How long can goods be sent back?".to_owned(),
            "I am angry, my parcel is late.".to_owned(),
        ],
    };
    for question in questions {
        let output = workflow.run(question.as_str()).await?;
        println!("{question}\n{}\n", output.content);
    }
    Ok(())
}
