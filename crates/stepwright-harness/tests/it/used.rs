//! The arguments and the folder of the process of an agent.

use crate::support::{Scripted, ended};
use stepwright_core::{ErrorId, RunStatus};
use stepwright_engine::{Step, Workflow};

fn run_of(harness: stepwright_harness::Harness) -> Workflow {
    Workflow::builder("W").step(Step::new("code", harness)).build().unwrap()
}

#[tokio::test]
async fn claude_code_is_started_with_a_session_a_model_and_instructions() {
    let agent = Scripted::new("claude-code", "");
    let harness = agent.harness.clone().model("opus").instructions("Be brief.");
    run_of(harness).run("go").await.unwrap();
    let args = agent.logged_all("args").remove(0);
    for part in ["--permission-prompt-tool stdio", "--model opus", "--session-id ", "Be brief."] {
        assert!(args.contains(part), "{args}");
    }
}

#[tokio::test]
async fn codex_is_held_by_its_sandbox() {
    let agent = Scripted::new("codex", "");
    run_of(agent.harness.clone()).run("go").await.unwrap();
    run_of(agent.harness.clone().read_only(true).model("gpt-5")).run("go").await.unwrap();
    let args = agent.logged_all("args");
    assert_eq!(args[0], "args exec --json --sandbox workspace-write --skip-git-repo-check -");
    assert!(args[1].contains("--sandbox read-only") && args[1].contains("--model gpt-5"));
}

#[tokio::test]
async fn instructions_stand_ahead_of_the_first_message() {
    let agent = Scripted::new("codex", "");
    run_of(agent.harness.clone().instructions("Be brief.")).run("go").await.unwrap();
    assert_eq!(agent.logged_all("prompt"), ["prompt Be brief."]);
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_refused() {
    let agent = Scripted::new("acp", "");
    let output = ended(run_of(agent.harness.clone().dir("nowhere")).run("go")).await;
    assert_eq!(output.status, RunStatus::Error);
    assert_eq!(output.error.unwrap().error.id, Some(ErrorId::FILE_REFUSED));
    assert_eq!(agent.log(), [""; 0]);
}
