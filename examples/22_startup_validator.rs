//! A team validates an idea for a startup: the leader keeps a list of tasks, some of which need the
//! results of others. The same as `startup-validator.yaml`.
//!
//! `cargo run -p stepwright --example 22_startup_validator -- --model openai:gpt-5-mini`
//!
//! The model `offline` quotes and cannot keep a list: without `--model` a scripted model answers,
//! which always says the same.

#![expect(clippy::print_stdout, reason = "it shows what a run gives")]

#[path = "course.rs"]
mod course;

use serde_json::{Value, json};
use stepwright::models::AnyModel;
use stepwright::prelude::*;
use stepwright::{Error, Team, TeamMode, WorkflowBuilder};
use stepwright_testing::model::{Reply, ScriptedModel};

/// The idea, if the user has none.
pub(crate) const IDEA: &str = "A bakery that delivers by bike";

/// A task as the leader writes it into its list.
fn task(title: &str, assignee: &str, depends_on: &[&str]) -> Value {
    json!({"title": title, "assignee": assignee, "depends_on": depends_on})
}

/// The answers of the leader and its members, in the order in which they are asked.
fn script() -> ScriptedModel {
    ScriptedModel::new([
        Reply::call("create_task", task("Clarify the idea", "idea", &[]))
            .and_call("create_task", task("Size the market", "market", &["1"]))
            .and_call("create_task", task("Find rivals", "rivals", &["1"])),
        Reply::call("idea", json!({"task_id": "1"})),
        Reply::text("Fresh bread at the door by six. Customers: offices without a canteen."),
        Reply::call("market", json!({"task_id": "2"})),
        Reply::text("4 000 offices in the city; assumed: one in twenty buys."),
        Reply::call("rivals", json!({"task_id": "3"})),
        Reply::text("Two bakeries deliver by car, from eight o'clock."),
        Reply::text("The hour is the offer, and no rival has it. Build it."),
    ])
}

/// The model that the user chose, or the scripted one.
fn model() -> Result<AnyModel, Error> {
    match course::argument("--model") {
        Some(model) => Ok(stepwright::models::model(&model)?),
        None => Ok(AnyModel::new(script())),
    }
}

/// The workflow: one step, which is the team.
pub(crate) fn workflow() -> Result<WorkflowBuilder, Error> {
    // The script answers in one order, so that all of them ask the same model.
    let model = model()?;
    let member = |name: &str, instructions: &str| {
        Agent::builder(name).model(model.clone())?.instructions(instructions).build()
    };
    let idea = member("idea", "Write the problem, the customers and the offer, in three points.")?;
    let market = member("market", "Estimate the market. Name the assumption of each number.")?;
    let rivals =
        member("rivals", "Name at most five competitors, with a strength and a weakness.")?;
    let validators = Team::builder("validators")
        .model(model.clone())?
        .mode(TeamMode::Tasks)
        .max_rounds(6)
        .instructions(
            "Validate the idea of the user. The market and the rivals need the clarified idea. End \
             with one of: build it, change it, drop it.",
        )
        .member(&idea, "Clarifies an idea: the problem, the customers, what is new.")
        .member(&market, "Estimates the market: its size, its growth, who buys.")
        .member(&rivals, "Finds competitors, and what they do better and worse.")
        .build()?;
    let prompt = |input: &StepInput| format!("The idea: {}", input.text());
    Ok(Workflow::builder("Startup validator")
        .step(Step::new("validate", validators).prompt(prompt)))
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let idea = course::argument("--idea").unwrap_or_else(|| IDEA.to_owned());
    let output = workflow()?.build()?.run(idea).await?;
    for run in &output.step_executor_runs {
        println!("{} was told: {}", run.agent, run.message);
        println!("{} said: {}\n", run.agent, run.content);
    }
    Ok(())
}
