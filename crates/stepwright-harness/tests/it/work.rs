//! The work of an agent, as a step.

use crate::support::{KINDS, Scripted, ended, events, outcomes};
use futures_util::StreamExt as _;
use serde_json::json;
use stepwright_core::budget::Budget;
use stepwright_core::{ErrorCode, ErrorId, EventKind, Memory, RunStatus};
use stepwright_engine::{Step, Workflow};
use stepwright_harness::{Harness, HarnessKind};
use stepwright_testing::grammar;

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Report {
    files: u32,
    ok: bool,
}

#[tokio::test]
async fn a_prompt_goes_in_and_a_text_comes_out() {
    for kind in KINDS {
        let agent = Scripted::new(kind, "");
        let output = agent.workflow().run("Make two files.").await.unwrap();
        assert_eq!(output.content.text(), "Done: Make two files. (1)", "{kind}");
        assert_eq!(agent.logged_all("edit"), ["edit a", "edit b"], "{kind}");
        assert!(agent.work().join("a.txt").exists(), "{kind}: it worked in its folder");
        // Its process ends by itself, or is ended, before the step completes.
        assert_eq!(agent.logged_all("started").len(), 1, "{kind}");
    }
}

#[tokio::test]
async fn text_calls_and_diffs_stream_as_those_of_other_agents() {
    for kind in KINDS {
        let agent = Scripted::new(kind, "");
        let run = agent.workflow().run("go").stream_events(true);
        let all: Vec<_> = run.stream().collect().await;
        grammar::check(&all);
        let text: String = all
            .iter()
            .filter_map(|event| match &event.kind {
                EventKind::RunContent { content } => Some(content.to_string()),
                _ => None,
            })
            .collect();
        assert!(text.contains("Done: go (1)"), "{kind}: {text}");
        let paths: Vec<String> = all
            .iter()
            .filter(|event| matches!(event.kind, EventKind::ToolCallStarted { .. }))
            .map(|event| event.path.to_string())
            .collect();
        let calls = match kind {
            "acp" => vec!["code/edit#1", "code/edit#2"],
            "claude-code" => vec!["code/Write#1", "code/Write#2"],
            _ => vec!["code/command#1", "code/command#2", "code/file_change#1"],
        };
        assert_eq!(paths, calls, "{kind}");
        let told = outcomes(&all);
        assert_eq!(told.len(), calls.len(), "{kind}: {told:?}");
        assert!(told.iter().all(|outcome| !outcome.is_error), "{kind}: {told:?}");
        match kind {
            "acp" => assert!(told[0].text.contains("+++ a.txt") && told[0].text.contains("+a")),
            "codex" => assert_eq!(told[2].text, "add a.txt"),
            _ => assert_eq!(told[0].text, "File created"),
        }
        if kind != "claude-code" {
            let thought = |event: &stepwright_core::Event| {
                matches!(event.kind, EventKind::ReasoningContentDelta { .. })
            };
            assert!(all.iter().any(thought), "{kind}");
        }
    }
}

#[tokio::test]
async fn tokens_and_cost_count() {
    for kind in KINDS {
        let agent = Scripted::new(kind, "");
        let output = agent.workflow().run("go").await.unwrap();
        let usage = output.metrics.usage;
        let (input, tokens) = match kind {
            // Two answers with calls, and the last one.
            "claude-code" => (400, 470),
            _ => (900, 1000),
        };
        assert_eq!(usage.input_tokens, Some(input), "{kind}");
        assert_eq!(usage.total_tokens(), tokens, "{kind}");
        let calls = if kind == "claude-code" { 3 } else { 1 };
        assert_eq!(output.metrics.model_calls, calls, "{kind}");
        let edits = if kind == "codex" { 3 } else { 2 };
        assert_eq!(output.metrics.tool_calls, edits, "{kind}");
        let cost = output.metrics.cost;
        match kind {
            // What the agent says of itself.
            "acp" => assert_eq!(cost.nano_usd(), 250_000_000, "{cost:?}"),
            "claude-code" => assert_eq!(cost.nano_usd(), 500_000_000, "{cost:?}"),
            // It says nothing, and its model is not known.
            _ => assert_eq!(cost.unpriced_requests(), 1, "{cost:?}"),
        }
    }
}

#[tokio::test]
async fn a_schema_gives_a_value_and_one_repair() {
    for kind in KINDS {
        for (mode, turns) in [("json", 1), ("late-json", 2)] {
            let agent = Scripted::new(kind, mode);
            let step = Step::new("code", agent.harness.clone().output::<Report>());
            let workflow = Workflow::builder("W").step(step).build().unwrap();
            let output = workflow.run("go").await.unwrap();
            let value = json!({"files": 2, "ok": true});
            assert_eq!(output.content.to_value(), value, "{kind} {mode}");
            assert_eq!(agent.logged_all("prompt").len(), turns, "{kind} {mode}");
        }
        let agent = Scripted::new(kind, "");
        let step = Step::new("code", agent.harness.clone().output::<Report>());
        let workflow = Workflow::builder("W").step(step).build().unwrap();
        let error = workflow.run("go").await.unwrap_err();
        assert_eq!(error.id(), ErrorId::MODEL_ANSWER_MISMATCH, "{kind}");
        assert_eq!(agent.logged_all("prompt").len(), 2, "{kind}: one repair");
        // It was one conversation.
        let loads = agent.logged_all("loaded").len();
        assert_eq!(loads, usize::from(kind != "acp"), "{kind}");
    }
}

#[tokio::test]
async fn a_later_step_goes_on_with_the_conversation() {
    for kind in KINDS {
        let agent = Scripted::new(kind, "");
        let again = agent.harness.clone().session("code");
        let workflow = Workflow::builder("W")
            .step(agent.step())
            .step(Step::new("explain", again))
            .store(Memory::default());
        let workflow = workflow.build().unwrap();
        let output = workflow.run("go").await.unwrap();
        let text = output.content.text().into_owned();
        assert!(text.ends_with("Done: Done: go (1) (2)"), "{kind}: {text}");
        assert_eq!(agent.logged_all("loaded"), ["loaded"], "{kind}");
        // What it says of the whole conversation counts once.
        match kind {
            "acp" => assert_eq!(output.metrics.cost.nano_usd(), 500_000_000),
            "codex" => assert_eq!(output.metrics.usage.total_tokens(), 2000),
            _ => {}
        }
        // The session is a fact of the step that began it.
        let events = events(&workflow, &output).await;
        let sessions = events.iter().filter(|event| {
            event.path.as_str() == "code"
                && matches!(&event.kind, EventKind::StepRecorded { key, .. }
                    if &**key == "harness:session")
        });
        assert!(sessions.count() >= 1, "{kind}");
    }
}

#[tokio::test]
async fn a_session_that_cannot_be_continued_is_an_error() {
    let run = async |first: Scripted, second: Harness| {
        let workflow = Workflow::builder("W")
            .step(first.step())
            .step(Step::new("explain", second))
            .build()
            .unwrap();
        let error = workflow.run("go").await.unwrap_err();
        assert_eq!(error.id(), ErrorId::HARNESS_SESSION_UNKNOWN, "{error}");
        error.to_string()
    };
    let agent = Scripted::new("acp", "");
    let why = run(agent.clone(), agent.harness.clone().session("nothing")).await;
    assert!(why.contains("`session` names `nothing`"), "{why}");
    let other = Scripted::new("codex", "").harness.session("code");
    let why = run(agent, other).await;
    assert!(why.contains("was with `stepwright-harness-test-agent`, not `codex`"), "{why}");
    let agent = Scripted::new("acp", "forgets");
    let why = run(agent.clone(), agent.harness.clone().session("code")).await;
    assert!(why.contains("cannot load"), "{why}");
}

#[tokio::test]
async fn a_missing_program_says_how_to_install_it() {
    let kinds = [HarnessKind::ClaudeCode, HarnessKind::Codex, HarnessKind::OpenCode];
    for (kind, package) in kinds.into_iter().zip(["claude-code", "codex", "opencode-ai"]) {
        let harness = Harness::new(kind).program("/no/such/program");
        let workflow = Workflow::builder("W").step(Step::new("code", harness)).build().unwrap();
        let error = workflow.run("go").await.unwrap_err();
        assert_eq!(error.id(), ErrorId::HARNESS_MISSING);
        assert!(error.hint().unwrap().contains(package), "{error:?}");
    }
}

#[tokio::test]
async fn budgets_hold_in_the_middle_of_a_turn() {
    // The second request of the model is one too many.
    let agent = Scripted::new("claude-code", "");
    let few = Budget::default().model_calls(2);
    let step = Step::new("code", agent.harness.clone()).budget(few);
    let workflow = Workflow::builder("W").step(step).build().unwrap();
    let output = ended(workflow.run("go")).await;
    assert_eq!(output.status, RunStatus::Error);
    assert_eq!(output.error.unwrap().error.code, ErrorCode::Limit);
    assert_eq!(output.metrics.model_calls, 2);
    // One call of a tool, and no more.
    for kind in KINDS {
        let agent = Scripted::new(kind, "");
        let few = Budget::default().tool_calls(1);
        let step = Step::new("code", agent.harness.clone().budget(few));
        let workflow = Workflow::builder("W").step(step).build().unwrap();
        let output = ended(workflow.run("go")).await;
        assert_eq!(output.error.unwrap().error.id, Some(ErrorId::BUDGET_SPENT), "{kind}");
    }
}

#[tokio::test]
async fn a_budget_in_money_needs_the_price_of_the_model() {
    let agent = Scripted::new("claude-code", "");
    let run = async |harness: Harness| {
        let few = Budget::default().usd(5.0);
        let step = Step::new("code", harness).budget(few);
        let workflow = Workflow::builder("W").step(step).build().unwrap();
        ended(workflow.run("go")).await
    };
    let output = run(agent.harness.clone()).await;
    assert_eq!(output.error.unwrap().error.id, Some(ErrorId::PRICE_UNKNOWN));
    let output = run(agent.harness.clone().model("claude-haiku-4-5")).await;
    assert_eq!(output.status, RunStatus::Completed, "{output:?}");
}

#[tokio::test]
async fn settings_that_contradict_each_other_are_refused() {
    let mistake = |harness: Harness| harness.check().unwrap_err().to_string();
    let acp = |program: &str| Harness::acp(program, ["--acp"]);
    assert!(mistake(acp("")).contains("needs a program"));
    assert!(mistake(acp("x\0")).contains("NUL"));
    assert!(mistake(acp("x").model("m")).contains("takes no `model`"));
    assert!(mistake(acp("x").session("s").worktree(true)).contains("has no `worktree`"));
}
