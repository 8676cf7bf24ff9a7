//! The examples of `docs/partial-failure.md`: its programs are these tests, and its files are run.

use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use stepwright::file::{Definition, Options};
use stepwright::prelude::*;

const PAGE: &str = include_str!("../../../../docs/partial-failure.md");
const TESTS: &str = include_str!("partial_failure.rs");

/// The fenced blocks of this language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    let blocks = PAGE.split(fence.as_str()).skip(1);
    blocks.map(|block| block.split("\n```").next().unwrap()).collect()
}

#[test]
fn every_program_on_the_page_is_one_of_these_tests() {
    let programs = blocks("rust");
    assert_eq!(programs.len(), 7);
    for program in programs {
        let indented: String = program.lines().flat_map(|line| ["    ", line, "\n"]).collect();
        assert!(TESTS.contains(&indented), "no test is this program:\n{program}");
    }
}

#[tokio::test]
async fn every_file_on_the_page_does_what_it_says() {
    let files = blocks("yaml");
    assert_eq!(files.len(), 7);
    for text in files {
        let says = text.lines().next().unwrap();
        let definition = Definition::parse(text, "page.yaml", &Options::default());
        let workflow = definition.unwrap_or_else(|mistakes| panic!("{mistakes}")).build().unwrap();
        let done = workflow.run("input").await;
        match (says.strip_prefix("# gives: "), says.strip_prefix("# fails: ")) {
            (Some(json), _) => {
                let wanted: Value = serde_json::from_str(json).unwrap();
                assert_eq!(done.unwrap().content.to_value(), wanted, "{text}");
            }
            (_, Some(message)) => {
                let error = done.unwrap_err().to_string();
                assert!(error.starts_with(message), "{error}: {text}");
            }
            _ => panic!("it does not say what it does: {text}"),
        }
    }
}

#[tokio::test]
async fn a_step_is_skipped() -> Result<(), Error> {
    let summarise = |document: String| async move {
        if document == "doc-b" {
            Err("it is corrupt")
        } else {
            Ok(format!("summary of {document}"))
        }
    };
    let step = Step::new("Summarise", summarise).on_error(OnError::Skip);
    let workflow = Workflow::builder("Summaries").step(Map::new("Each").step(step)).build()?;
    let output = workflow.run(vec!["doc-a", "doc-b", "doc-c"]).await?;
    assert_eq!(output.content.text(), r#"["summary of doc-a",null,"summary of doc-c"]"#);
    let skipped = output.step_at("Each#2/Summarise").expect("it has been tried");
    assert_eq!(skipped.error.as_ref().map(|error| &*error.message), Some("it is corrupt"));
    Ok(())
}

#[tokio::test]
async fn a_run_goes_on_to_fail() -> Result<(), Error> {
    let charge =
        Step::new("Charge", |_: StepInput| async { Err::<String, _>("the card is expired") });
    let report = Step::new("Report", |input: StepInput| async move {
        if input.text().is_empty() { "not charged" } else { "charged" }
    });
    let charge = charge.on_error(OnError::Continue);
    let workflow = Workflow::builder("Order").step(charge).step(report).build()?;
    let error = workflow.run("5 EUR").await.expect_err("a run whose step failed has failed");
    let output = error.into_output().expect("it says what was done");
    assert_eq!(output.status, RunStatus::Error);
    assert_eq!(
        output.step_at("Report").map(|step| step.content.text()),
        Some("not charged".into())
    );
    Ok(())
}

#[tokio::test]
async fn what_there_is_is_taken() -> Result<(), Error> {
    let archive = Step::new("archive", |_: StepInput| async { Err::<String, _>("it is closed") });
    let web = Step::new("web", |topic: String| async move { format!("{topic} on the web") });
    let sources = Parallel::new("Sources").join(Join::BestEffort).branch(archive).branch(web);
    let workflow = Workflow::builder("Research").step(sources).build()?;
    let output = workflow.run("ants").await?;
    assert_eq!(output.content.text(), r#"{"archive":null,"web":"ants on the web"}"#);
    Ok(())
}

#[tokio::test]
async fn a_quorum_is_asked_for() -> Result<(), Error> {
    let judge = |name: &'static str, verdict: Result<&'static str, &'static str>| {
        Step::new(name, move |_: StepInput| async move { verdict })
    };
    let judges = Parallel::new("Judges")
        .join(Join::BestEffort)
        .branch(judge("a", Ok("yes")))
        .branch(judge("b", Err("the model is down")))
        .branch(judge("c", Ok("yes")));
    let quorum =
        Step::new("Quorum", |Json(all): Json<BTreeMap<String, Option<String>>>| async move {
            let given: Vec<_> = all.values().flatten().cloned().collect();
            match given.len() {
                0 | 1 => Err(format!("only {} of {} judges answered", given.len(), all.len())),
                _ => Ok(given.join(", ")),
            }
        });
    let workflow = Workflow::builder("Trial").step(judges).step(quorum).build()?;
    assert_eq!(workflow.run("Is it true?").await?.content.text(), "yes, yes");
    Ok(())
}

#[tokio::test]
async fn the_first_result_wins() -> Result<(), Error> {
    let mirror = |name: &'static str, seconds: u64| {
        Step::new(name, move |topic: String, cx: StepContext| async move {
            cx.world().sleep(Duration::from_secs(seconds)).await;
            format!("{topic} from {name}")
        })
    };
    let mirrors = Parallel::new("Mirrors")
        .join(Join::First)
        .branch(mirror("far", 600))
        .branch(mirror("near", 0));
    let workflow = Workflow::builder("Download").step(mirrors).build()?;
    let output = workflow.run("ants").await?;
    assert_eq!(output.content.text(), "ants from near");
    Ok(())
}

#[tokio::test]
async fn clean_up_runs_after_a_failure() -> Result<(), Error> {
    let load = Step::new("Load", |_: StepInput| async { Err::<String, _>("connection lost") });
    let clean = Step::new("Clean", |input: StepInput| async move {
        match &input.failure {
            Some(failure) => format!("removed the parts of `{}`", failure.path),
            None => "removed the temporary files".to_owned(),
        }
    });
    let workflow = Workflow::builder("Import").step(load).finally(clean).build()?;
    let error = workflow.run("customers").await.expect_err("a step has failed");
    assert_eq!(error.to_string(), "step `Load` failed: connection lost");
    let output = error.into_output().expect("it says what was done");
    let clean = output.step_at("finally/Clean").expect("it has run");
    assert_eq!(clean.content.text(), "removed the parts of `Load`");
    Ok(())
}

#[tokio::test]
async fn a_completed_step_is_undone() -> Result<(), Error> {
    let reserve = Step::new("Reserve", |_: StepInput| async { "seat 7" });
    let release = Step::new("Release", |seat: String| async move { format!("released {seat}") });
    let pay = Step::new("Pay", |_: StepInput| async { Err::<String, _>("the card is expired") });
    let workflow = Workflow::builder("Trip").step(reserve.undo(release)).step(pay).build()?;
    let error = workflow.run("Rome").await.expect_err("a step has failed");
    let output = error.into_output().expect("it says what was done");
    let released = output.step_at("Reserve/undo/Release").expect("it has run");
    assert_eq!(released.content.text(), "released seat 7");
    Ok(())
}
