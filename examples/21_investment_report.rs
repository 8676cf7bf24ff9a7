//! An investment report: an analyst and a sceptic answer at once, an editor writes one report from
//! both, and a person approves it. The same as `investment-report.yaml`.
//!
//! `cargo run -p stepwright --example 21_investment_report -- --company NVDA --model openai:gpt-5`
//!
//! Without `--model` it is `offline`, which is no language model: it quotes what it reads. The
//! program answers for the person, who would use `stepwright continue` or the page of a server.

#![expect(clippy::print_stdout, reason = "it shows what a run gives")]

#[path = "course.rs"]
mod course;

use stepwright::prelude::*;
use stepwright::{Error, Team, TeamMode, WorkflowBuilder};

/// The company if the user names none. It is invented; `offline` knows no company, so that what is
/// known of it stands here too.
pub(crate) const COMPANY: &str = "Example Chips. Its revenue grew by half within a year, and the \
    profit by a third. Four customers make up most of the revenue.";

/// The workflow: a team that collaborates, and a page that a person approves.
pub(crate) fn workflow() -> Result<WorkflowBuilder, Error> {
    let agent = |name: &str, instructions: &str| {
        Agent::builder(name).model(course::model())?.instructions(instructions).build()
    };
    let analyst = agent(
        "Analyst",
        "You analyse companies. Write 3 sentences about revenue, profit and valuation.",
    )?;
    let sceptic = agent(
        "Sceptic",
        "You look for risks. Write 3 sentences about what could go wrong with this investment.",
    )?;
    let desk = Team::builder("Desk")
        .model(course::model())?
        .mode(TeamMode::Collaborate)
        .instructions("Write an investment report of half a page. Say where the two differ.")
        .member(&analyst, "Reads the numbers of a company.")
        .member(&sceptic, "Looks for what can go wrong.")
        .build()?;
    let report =
        Step::new("report", desk).prompt(|input: &StepInput| format!("Company: {}", input.text()));
    let page = |input: StepInput| async move { format!("# Investment report\n\n{}", input.text()) };
    let publish = Step::new("publish", page)
        .human_review(HumanReview::new().requires_confirmation("Publish this report?"));
    Ok(Workflow::builder("Investment report").step(report).step(publish))
}

/// Runs the workflow to the approval, and approves.
pub(crate) async fn approved(workflow: &Workflow, company: &str) -> Result<RunOutput, Error> {
    let paused = workflow.run(company).run_id("report").await?;
    let asked = paused.requirements.iter().map(|asked| (asked.id.to_string(), Answer::Approve));
    workflow.continue_run(&paused.run_id, asked.collect::<Vec<_>>()).await
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let company = course::argument("--company").unwrap_or_else(|| COMPANY.to_owned());
    let workflow = workflow()?.store(Memory::default()).build()?;
    let output = approved(&workflow, &company).await?;
    for run in &output.step_executor_runs {
        println!("{} said: {}\n", run.agent, run.content);
    }
    println!("{}", output.content);
    Ok(())
}
