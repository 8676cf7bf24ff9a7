//! Questions of agents, which pause the run.

use crate::support::{Scripted, ended, events, outcomes};
use stepwright_core::permission::Permissions;
use stepwright_core::requirement::RequirementKind;
use stepwright_core::{Answer, EventKind, Memory, RunOutput, RunStatus};
use stepwright_engine::{Step, Workflow};
use stepwright_harness::{Harness, Questions};

const ASKING: [&str; 2] = ["acp", "claude-code"];

fn stored(harness: Harness) -> Workflow {
    let step = Step::new("code", harness);
    Workflow::builder("W").step(step).store(Memory::default()).build().unwrap()
}

async fn answered(workflow: &Workflow, output: &RunOutput, answer: Answer) -> RunOutput {
    let id = output.requirements[0].id.clone();
    ended(workflow.continue_run(&output.run_id, [(&*id, answer)])).await
}

#[tokio::test]
async fn a_question_of_the_agent_pauses_the_run_and_the_answer_reaches_it() {
    for kind in ASKING {
        let agent = Scripted::new(kind, "asks");
        let workflow = stored(agent.harness.clone());
        let mut output = ended(workflow.run("go")).await;
        for edit in ["a", "b"] {
            assert_eq!(output.status, RunStatus::Paused, "{kind} {output:?}");
            assert_eq!(output.requirements.len(), 1);
            let asked = &output.requirements[0];
            let RequirementKind::Permission { effect, rule, .. } = &asked.kind else {
                panic!("{asked:?}")
            };
            assert_eq!(&**effect, format!("write_file: {edit}.txt"), "{kind}");
            assert_eq!(rule.as_deref(), Some(&*format!("write_file: {edit}.txt")), "{kind}");
            assert!(!agent.log().contains(&format!("edit {edit}")), "{kind}: it waits");
            output = answered(&workflow, &output, Answer::Approve).await;
        }
        assert_eq!(output.status, RunStatus::Completed, "{kind}: {output:?}");
        assert_eq!(output.content.text(), "Done: go (1)", "{kind}");
        assert_eq!(agent.logged_all("edit"), ["edit a", "edit b"], "{kind}");
        // One process has waited for both answers.
        assert_eq!(agent.logged_all("started").len(), 1, "{kind}: {:?}", agent.log());
        assert_eq!(agent.logged_all("asked").len(), 2, "{kind}");
    }
}

#[tokio::test]
async fn a_rejection_reaches_the_agent_and_the_turn_goes_on() {
    for kind in ASKING {
        let agent = Scripted::new(kind, "asks");
        let workflow = stored(agent.harness.clone());
        let output = ended(workflow.run("go")).await;
        let output = answered(&workflow, &output, Answer::reject("not that one")).await;
        let output = answered(&workflow, &output, Answer::Approve).await;
        assert_eq!(output.status, RunStatus::Completed, "{kind}");
        assert_eq!(agent.logged_all("edit"), ["edit b"], "{kind}");
        let told = outcomes(&events(&workflow, &output).await);
        assert_eq!(told.iter().map(|it| it.is_error).collect::<Vec<_>>(), [true, false], "{kind}");
    }
}

#[tokio::test]
async fn a_question_that_is_put_twice_is_asked_once() {
    let agent = Scripted::new("acp", "asks twice");
    let workflow = stored(agent.harness.clone());
    let output = ended(workflow.run("go")).await;
    let output = answered(&workflow, &output, Answer::Approve).await;
    let output = answered(&workflow, &output, Answer::Approve).await;
    assert_eq!(output.status, RunStatus::Completed, "{output:?}");
    assert_eq!(agent.logged_all("asked").len(), 4);
    assert_eq!(agent.logged_all("answered yes").len(), 4);
}

#[tokio::test]
async fn an_answer_for_the_session_holds_for_what_is_the_same() {
    let agent = Scripted::new("acp", "asks");
    let harness = agent.harness.clone();
    let workflow = Workflow::builder("W")
        .step(Step::new("one", harness.clone()))
        .step(Step::new("two", harness))
        .store(Memory::default())
        .build()
        .unwrap();
    let mut output = ended(workflow.run("go")).await;
    let mut questions = 0;
    while output.status == RunStatus::Paused {
        questions += 1;
        output = answered(&workflow, &output, Answer::Always).await;
    }
    assert_eq!(output.status, RunStatus::Completed, "{output:?}");
    // The second step asks about the same two files.
    assert_eq!(questions, 2);
    assert_eq!(agent.logged_all("edit").len(), 4);
}

#[tokio::test]
async fn permissions_decide_first() {
    for kind in ASKING {
        let agent = Scripted::new(kind, "asks");
        let permissions = Permissions::default()
            .allow("harness:*")
            .and_then(|it| it.allow("write_file: a.txt"))
            .and_then(|it| it.deny("write_file: b.txt"))
            .unwrap();
        let step = Step::new("code", agent.harness.clone());
        let workflow = Workflow::builder("W")
            .step(step)
            .permissions(permissions)
            .store(Memory::default())
            .build()
            .unwrap();
        let output = workflow.run("go").await.unwrap();
        assert_eq!(agent.logged_all("edit"), ["edit a"], "{kind}");
        let judged = events(&workflow, &output)
            .await
            .into_iter()
            .filter(|event| matches!(event.kind, EventKind::EffectJudged { .. }));
        // The start, and each question.
        assert_eq!(judged.count(), 3, "{kind}");
    }
}

#[tokio::test]
async fn the_start_of_an_agent_needs_a_permission() {
    for kind in crate::support::KINDS {
        let agent = Scripted::new(kind, "");
        let name = agent.harness.kind().name().to_owned();
        let with = |permissions: Permissions| {
            let step = Step::new("code", agent.harness.clone());
            let builder = Workflow::builder("W").step(step).permissions(permissions);
            builder.store(Memory::default()).build().unwrap()
        };
        let denied = Permissions::default().deny(&format!("harness:{name}")).unwrap();
        let output = ended(with(denied).run("go")).await;
        assert_eq!(output.status, RunStatus::Error, "{kind}");
        assert_eq!(agent.log(), [""; 0], "{kind}: it never began");
        let workflow = with(Permissions::default());
        let output = ended(workflow.run("go")).await;
        assert_eq!(output.status, RunStatus::Paused, "{kind}");
        let output = answered(&workflow, &output, Answer::Approve).await;
        assert_eq!(output.status, RunStatus::Completed, "{kind}: {output:?}");
        let allowed = Permissions::default().allow(&format!("harness:{name}")).unwrap();
        let output = ended(with(allowed).run("go")).await;
        assert_eq!(output.status, RunStatus::Completed, "{kind}: {output:?}");
    }
}

#[tokio::test]
async fn questions_can_be_answered_without_a_person() {
    for (kind, questions, edits) in [
        ("acp", Questions::Allow, 2),
        ("acp", Questions::Decline, 0),
        ("claude-code", Questions::Allow, 2),
        ("claude-code", Questions::Decline, 0),
    ] {
        let agent = Scripted::new(kind, "asks");
        let harness = agent.harness.clone().questions(questions);
        let output = ended(stored(harness).run("go")).await;
        assert_eq!(output.status, RunStatus::Completed, "{kind}");
        assert_eq!(agent.logged_all("edit").len(), edits, "{kind}");
    }
    let agent = Scripted::new("acp", "asks");
    let harness = agent.harness.clone().read_only(true).questions(Questions::Allow);
    ended(stored(harness).run("go")).await;
    assert_eq!(agent.logged_all("edit").len(), 0, "it reads only");
}

#[tokio::test]
async fn where_no_person_can_be_asked_the_answer_is_no() {
    let agent = Scripted::new("acp", "asks");
    let step = Step::new("code", agent.harness.clone());
    let workflow = Workflow::builder("W").step(step).unattended(true).build().unwrap();
    let output = ended(workflow.run("go")).await;
    assert_eq!(output.status, RunStatus::Completed, "{output:?}");
    assert_eq!(agent.logged_all("edit"), [""; 0]);
}

#[tokio::test]
async fn a_cancelled_run_leaves_no_agent_that_waits() {
    for kind in ASKING {
        let agent = Scripted::new(kind, "child asks");
        let workflow = stored(agent.harness.clone());
        let output = ended(workflow.run("go")).await;
        assert_eq!(output.status, RunStatus::Paused);
        workflow.cancel_run(&output.run_id).await.unwrap();
        crate::support::gone(agent.logged("child").await.trim_start_matches("child ")).await;
    }
}
