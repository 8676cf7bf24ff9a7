//! Agents that misbehave.

use crate::support::{KINDS, Scripted, ended, events, gone, outcomes};
use std::time::Duration;
use stepwright_core::{ErrorCode, ErrorId, Memory, RunStatus};
use stepwright_engine::{Step, Workflow};

#[tokio::test]
async fn an_agent_that_dies_in_its_turn_goes_on_where_it_was() {
    for kind in KINDS {
        let agent = Scripted::new(kind, "dies");
        let workflow = agent.workflow();
        let output = workflow.run("go").await.unwrap();
        assert!(output.content.text().starts_with("Done: go"), "{kind}: {output:?}");
        assert_eq!(agent.logged_all("edit"), ["edit a", "edit b"], "{kind}: nothing twice");
        assert_eq!(agent.logged_all("loaded"), ["loaded"], "{kind}");
        let prompts = agent.logged_all("prompt");
        assert!(prompts[1].starts_with("prompt You were interrupted"), "{kind}: {prompts:?}");
    }
}

#[tokio::test]
async fn an_agent_that_always_dies_fails_its_step_with_what_it_wrote() {
    for kind in KINDS {
        let agent = Scripted::new(kind, "dies always");
        // It has done one edit more each time, and then dies again.
        let output = ended(agent.workflow().run("go")).await;
        if kind == "acp" && output.status == RunStatus::Completed {
            continue;
        }
        assert_eq!(output.status, RunStatus::Completed, "{kind}: two edits, two deaths");
    }
    let agent = Scripted::new("codex", "late");
    let output = ended(agent.workflow().run("go")).await;
    // Its conversation was not known yet.
    let error = output.error.unwrap().error;
    assert_eq!((error.id, error.code), (Some(ErrorId::HARNESS_LOST), ErrorCode::OutcomeUnknown));
    assert!(error.message.contains("exit status: 9"), "{}", error.message);
}

#[tokio::test]
async fn the_next_attempt_asks_where_no_conversation_can_be_loaded() {
    let agent = Scripted::new("acp", "dies forgets");
    let step = Step::new("code", agent.harness.clone()).retries(1);
    let workflow = Workflow::builder("W").step(step).store(Memory::default()).build().unwrap();
    let output = ended(workflow.run("go")).await;
    assert_eq!(output.status, RunStatus::Paused, "{output:?}");
    let question = output.requirements[0].clone();
    assert!(question.message.contains("had begun and did not end"), "{}", question.message);
    let answer = [(&*question.id, stepwright_core::Answer::submit("by hand"))];
    let output = workflow.continue_run(&output.run_id, answer).await.unwrap();
    assert_eq!(output.content.text(), "by hand");
    assert_eq!(agent.logged_all("started").len(), 1);
}

#[tokio::test]
async fn an_agent_that_cannot_begin_says_why() {
    for (kind, mode, why) in [
        ("acp", "broken", "no licence was found"),
        ("claude-code", "broken", "no licence was found"),
        ("codex", "broken", "no licence was found"),
        ("acp", "stranger", "it wants a person to log in: Authentication required"),
        ("acp", "nonsense", "it cannot be initialized"),
        ("claude-code", "overloaded", "529 Overloaded"),
        ("codex", "fails", "usage limit reached"),
        ("acp", "refuses", "it refused to answer"),
    ] {
        let agent = Scripted::new(kind, mode);
        let output = ended(agent.workflow().run("go")).await;
        let error = output.error.unwrap_or_else(|| panic!("{kind} {mode}")).error;
        assert!(error.message.contains(why), "{kind} {mode}: {}", error.message);
        let ids = [Some(ErrorId::HARNESS_FAILED), Some(ErrorId::HARNESS_LOST)];
        assert!(ids.contains(&error.id), "{kind} {mode}: {:?}", error.id);
    }
}

#[tokio::test]
async fn a_failure_that_did_nothing_is_tried_again_from_the_beginning() {
    let agent = Scripted::new("claude-code", "overloaded");
    let step = Step::new("code", agent.harness.clone()).retries(1);
    let workflow = Workflow::builder("W").step(step).build().unwrap();
    ended(workflow.run("go")).await;
    assert_eq!(agent.logged_all("prompt"), ["prompt go", "prompt go"]);
    assert_eq!(agent.logged_all("loaded"), [""; 0]);
}

#[tokio::test]
async fn a_second_answer_and_a_second_end_of_a_call_count_for_nothing() {
    for kind in ["acp", "claude-code"] {
        let agent = Scripted::new(kind, "twice");
        let workflow = agent.workflow();
        let output = workflow.run("go").await.unwrap();
        assert_eq!(output.content.text(), "Done: go (1)", "{kind}");
        let told = outcomes(&events(&workflow, &output).await);
        assert_eq!(told.len(), 2, "{kind}: {told:?}");
    }
}

#[tokio::test]
async fn rubbish_between_messages_is_left_out() {
    let agent = Scripted::new("acp", "rubbish");
    let output = agent.workflow().run("go").await.unwrap();
    assert_eq!(output.content.text(), "Done: go (1)");
    // What it must not ask for is refused.
    assert_eq!(agent.logged_all("refused"), ["refused -32601"]);
}

#[tokio::test]
async fn a_flood_is_read_at_the_pace_of_the_step() {
    let agent = Scripted::new("acp", "floods");
    let output = agent.workflow().run("go").await.unwrap();
    assert_eq!(output.content.text(), "Done: go (1)");
    assert_eq!(agent.logged_all("flooded"), ["flooded"]);
}

#[tokio::test]
async fn a_cancelled_step_ends_its_process_with_all_that_it_has_started() {
    for kind in KINDS {
        let agent = Scripted::new(kind, "child hangs");
        let handle = agent.workflow().run("go").background().await.unwrap();
        let child = agent.logged("child").await;
        agent.logged("hangs").await;
        handle.cancel().await.unwrap();
        let output = ended(handle.wait()).await;
        assert_eq!(output.status, RunStatus::Cancelled, "{kind}");
        gone(child.trim_start_matches("child ")).await;
    }
}

#[tokio::test]
async fn a_step_that_takes_too_long_ends_its_process() {
    for kind in KINDS {
        let agent = Scripted::new(kind, "child hangs");
        let limit = Duration::from_millis(1500);
        let step = Step::new("code", agent.harness.clone()).timeout(limit);
        let workflow = Workflow::builder("W").step(step).build().unwrap();
        let output = ended(workflow.run("go")).await;
        assert_eq!(output.error.unwrap().error.code, ErrorCode::TimedOut, "{kind}");
        if let Some(child) = agent.logged_all("child").pop() {
            gone(child.trim_start_matches("child ")).await;
        }
    }
}

#[tokio::test]
async fn what_a_step_has_started_ends_when_it_completes() {
    for kind in KINDS {
        let agent = Scripted::new(kind, "child");
        agent.workflow().run("go").await.unwrap();
        gone(agent.logged("child").await.trim_start_matches("child ")).await;
    }
}
