//! A writer and a reviewer take turns until the reviewer accepts: two agents, a typed verdict.
//!
//! `cargo run -p stepwright --example 16_review_loop -- --model openai:gpt-5-mini`
//!
//! The writer is told more than what the step before gave: the topic, its last draft, and what the
//! reviewer said about it. A loop that makes all its turns without being accepted fails, unless it
//! is to continue.
//!
//! The model `offline` quotes and cannot write verdicts: without `--model` scripted models answer,
//! which always say the same.

#![expect(clippy::print_stdout, reason = "it shows what a run gives")]

#[path = "course.rs"]
mod course;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::models::AnyModel;
use stepwright::prelude::*;
use stepwright_testing::model::ScriptedModel;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Verdict {
    /// `true` if the draft can be published as it is.
    accept: bool,
    /// The parts that should be better.
    notes: String,
}

/// The model that the user chose, or one that says this.
fn model<const N: usize>(script: [&'static str; N]) -> Result<AnyModel, Error> {
    match course::argument("--model") {
        Some(model) => Ok(stepwright::models::model(&model)?),
        None => Ok(AnyModel::new(ScriptedModel::new(script))),
    }
}

/// Returns the writer's task: in its first turn the topic, later its draft and the verdict, too.
fn task(cx: &StepInput) -> Result<String, StepError> {
    let topic = &cx.run.content;
    let (Some(draft), Some(verdict)) = (cx.last_turn("Write"), cx.last_turn("Review")) else {
        return Ok(format!("Write one sentence about {topic}."));
    };
    let notes = verdict.parse::<Verdict>()?.notes;
    Ok(format!("Rewrite this sentence about {topic}: {draft} The reviewer says: {notes}"))
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let writer = Agent::builder("Writer")
        .model(model(["Ants are great.", "Ants carry fifty times their weight."])?)?
        .build()?;
    let reviewer = Agent::builder("Reviewer")
        .model(model([
            r#"{"accept": false, "notes": "Say something that can be checked."}"#,
            r#"{"accept": true, "notes": ""}"#,
        ])?)?
        .instructions("Accept a sentence that states a fact.")
        .output::<Verdict>()
        .build()?;
    let revise = Loop::new("Revise")
        .step(Step::new("Write", writer).prompt(task))
        .step(Step::new("Review", reviewer))
        .at_most(3)
        .until(|turn| Ok::<_, StepError>(turn.content().parse::<Verdict>()?.accept))
        .on_exhausted(OnExhausted::Continue);
    let publish = Step::new("Publish", |input: StepInput| async move {
        let ended = input.loop_outcome("Revise").unwrap_or_default();
        let draft = input.step("Write").map(|draft| draft.text().into_owned()).unwrap_or_default();
        let verdict = if ended.exhausted { "not accepted" } else { "accepted" };
        format!("{draft} ({verdict} after {} turns)", ended.iterations)
    });
    let workflow = Workflow::builder("Article").step(revise).step(publish).build()?;

    let output = workflow.run("ants").await?;
    for run in &output.step_executor_runs {
        println!("{} ({}) was told: {}", run.agent, run.model, run.message);
        println!("{} said: {}\n", run.agent, run.content);
    }
    println!("{}", output.content);
    Ok(())
}
