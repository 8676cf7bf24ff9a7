//! An agent that answers with a value, and a function that works on it.
//!
//! `cargo run -p stepwright --example 15_structured_output -- --model openai:gpt-5-mini`
//!
//! The model `offline` quotes and cannot write values: without `--model` a scripted model answers,
//! which always says the same.

#![expect(clippy::print_stdout, reason = "it shows what a run gives")]

#[path = "course.rs"]
mod course;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::models::AnyModel;
use stepwright::prelude::*;
use stepwright_testing::model::ScriptedModel;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Outline {
    /// A title of at most ten words.
    title: String,
    /// The headings, in order.
    sections: Vec<String>,
}

async fn number(Json(outline): Json<Outline>) -> String {
    let sections = outline.sections.iter().zip(1..);
    let lines: Vec<_> = sections.map(|(section, n)| format!("{n}. {section}")).collect();
    format!("{}\n{}", outline.title, lines.join("\n"))
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let model = match course::argument("--model") {
        Some(model) => stepwright::models::model(&model)?,
        // Its first answer does not fit, and is asked for again with the reason.
        None => AnyModel::new(ScriptedModel::new([
            r#"{"title": "Agents in production"}"#,
            r#"{"title": "Agents in production", "sections": ["Why", "How", "What it costs"]}"#,
        ])),
    };
    let planner = Agent::builder("Planner").model(model)?.output::<Outline>().build()?;
    let workflow = Workflow::builder("Outline").step(planner).step(number).build()?;
    let output = workflow.run("An article about agents in production").await?;
    println!("{}\n({} model calls)", output.content, output.metrics.model_calls);
    Ok(())
}
