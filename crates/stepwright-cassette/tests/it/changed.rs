//! Changes of a definition are named.

use crate::support::{approve, recorded};
use stepwright_agent::Agent;
use stepwright_cassette::Replay;
use stepwright_core::model::AnyModel;
use stepwright_core::{HumanReview, StepInput};
use stepwright_engine::{Condition, Step, Workflow, WorkflowBuilder};
use stepwright_testing::model::{FunctionModel, Reply};

struct Given {
    instructions: &'static str,
    prompt: &'static str,
    goes_on: bool,
    asks: bool,
}

const AS_IT_WAS: Given =
    Given { instructions: "You write.", prompt: "About", goes_on: true, asks: false };

fn workflow(live: bool, given: &Given) -> WorkflowBuilder {
    let model = AnyModel::new(FunctionModel::new(move |request| {
        assert!(live, "a model was asked in a replay");
        Reply::text(format!("A text. {}", request.messages[0].text()))
    }));
    let agent = Agent::builder("writer").model(model).unwrap().instructions(given.instructions);
    let (prompt, goes_on) = (given.prompt, given.goes_on);
    let write = Step::new("write", agent.build().unwrap())
        .prompt(move |input: &StepInput| format!("{prompt} {}", input.text()));
    let write = if given.asks {
        write.human_review(HumanReview::new().requires_confirmation("Write it?"))
    } else {
        write
    };
    let check = Step::new("check", move |input: StepInput| async move {
        assert!(live, "a function was called in a replay");
        input.text().len().to_string()
    });
    Workflow::builder("News")
        .step(write)
        .step(Condition::new("more", move |_: &StepInput| goes_on).then(check))
}

async fn report(given: &Given) -> String {
    let recorded =
        recorded(workflow(true, &AS_IT_WAS), workflow(false, &AS_IT_WAS), "ants", approve).await;
    recorded.made.as_ref().unwrap();
    let report = recorded.replay(workflow(false, given));
    assert!(!report.differences.is_empty());
    report.to_string().split_once('\n').unwrap().1.to_owned()
}

#[tokio::test]
async fn a_changed_prompt_is_named_with_both_texts() {
    let told = report(&Given { prompt: "Of", ..AS_IT_WAS }).await;
    assert_eq!(
        told,
        "  at `write`: `RunStarted`, `message` differs
    recorded: \"About ants\"
    came:     \"Of ants\"
  at `write`: the request to the model, `messages.0` differs
    recorded: \"About ants\"
    came:     \"Of ants\""
    );
}

#[tokio::test]
async fn changed_instructions_are_named() {
    let told = report(&Given { instructions: "You sing.", ..AS_IT_WAS }).await;
    assert_eq!(
        told,
        "  at `write`: the request to the model, `instructions` differs\n    recorded: \"You \
         write.\"\n    came:     \"You sing.\""
    );
}

#[tokio::test]
async fn another_route_is_named() {
    let told = report(&Given { goes_on: false, ..AS_IT_WAS }).await;
    assert!(told.contains("at `more`: `ConditionExecutionStarted`"), "{told}");
    assert!(told.contains("recorded: \"true\"\n    came:     \"false\""), "{told}");
}

#[tokio::test]
async fn a_new_question_is_named() {
    let told = report(&Given { asks: true, ..AS_IT_WAS }).await;
    assert!(told.contains("at `write`: a request to a person was not recorded"), "{told}");
    assert!(told.contains("write!confirm: Write it?"), "{told}");
}

#[tokio::test]
async fn an_unknown_request_names_the_nearest_recorded_one() {
    let recorded =
        recorded(workflow(true, &AS_IT_WAS), workflow(false, &AS_IT_WAS), "ants", approve).await;
    let other = workflow(false, &AS_IT_WAS)
        .step(Step::new("check again", |input: StepInput| async move { input.text() }));
    let report = recorded.replay(other);
    let request = report.differences.last().unwrap();
    assert_eq!(request.at, "check again");
    assert_eq!(request.nearest.as_deref(), Some("more/check"), "{report}");
}

#[tokio::test]
async fn an_update_takes_over_what_has_changed() {
    let recorded =
        recorded(workflow(true, &AS_IT_WAS), workflow(false, &AS_IT_WAS), "ants", approve).await;
    let changed = Given { prompt: "Of", ..AS_IT_WAS };
    let path = recorded.cassette();
    let updated = Replay::of(&path).update(true).run_workflow(workflow(false, &changed)).unwrap();
    assert!(updated.updated && updated.differences.is_empty(), "{updated}");
    assert!(recorded.golden().contains("message: Of ants"), "{}", recorded.golden());
    // The answer stays the recorded one.
    assert!(recorded.text().contains("A text. About ants"));
    let report = recorded.replay(workflow(false, &changed));
    assert!(report.differences.is_empty(), "{report}");
    // What was never recorded cannot be taken over.
    let other = workflow(false, &changed)
        .step(Step::new("one more", |input: StepInput| async move { input.text() }));
    let before = recorded.text();
    let refused = Replay::of(&path).update(true).run_workflow(other).unwrap();
    assert!(!refused.updated && !refused.differences.is_empty());
    assert_eq!(recorded.text(), before);
}

#[tokio::test]
async fn a_run_of_another_definition_is_refused() {
    let other = Given { goes_on: false, ..AS_IT_WAS };
    let recorded =
        recorded(workflow(true, &AS_IT_WAS), workflow(false, &other), "ants", approve).await;
    let error = recorded.made.unwrap_err();
    let told = error.report();
    assert!(told.contains("run `r-1` cannot become a test: a replay of it differs"), "{told}");
    assert!(told.contains("at `more`"), "{told}");
}
