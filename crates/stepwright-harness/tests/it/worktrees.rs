//! Worktrees of steps.

use crate::support::{Scripted, ended};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use stepwright_core::{ErrorId, Memory, RunStatus};
use stepwright_engine::{Map, Step, Workflow};

fn git(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(dir)
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
        .args(args)
        .output()
        .unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Makes the folder of an agent a repository with one commit.
fn repository(agent: &Scripted) {
    let work = agent.work();
    git(&work, &["init", "--quiet", "--initial-branch=main"]);
    std::fs::create_dir_all(work.join("service")).unwrap();
    std::fs::write(work.join("service/main.txt"), "one\n").unwrap();
    git(&work, &["add", "."]);
    git(&work, &["commit", "--quiet", "-m", "first"]);
}

fn workflow(agent: &Scripted, dir: &str) -> Workflow {
    let harness = agent.harness.clone().dir(dir).worktree(true);
    let step = Step::new("code", harness);
    Workflow::builder("W").step(step).store(Memory::default()).build().unwrap()
}

#[tokio::test]
async fn changes_are_in_a_worktree_and_the_output_says_where() {
    for kind in crate::support::KINDS {
        let agent = Scripted::new(kind, "");
        repository(&agent);
        let output = workflow(&agent, "service").run("go").await.unwrap();
        let value = output.content.to_value();
        assert_eq!(value["text"], "Done: go (1)", "{kind}");
        let tree = &value["worktree"];
        assert_eq!(tree["changed"], serde_json::json!(["service/a.txt", "service/b.txt"]));
        assert_eq!((&tree["kept"], &tree["commits"]), (&Value::from(true), &Value::from(0)));
        let dir = agent.work().join(tree["dir"].as_str().unwrap());
        assert!(dir.join("service/a.txt").exists(), "{kind}");
        assert!(!agent.work().join("service/a.txt").exists(), "{kind}: the folder is untouched");
        let branch = git(&dir, &["branch", "--show-current"]);
        assert_eq!(branch.trim(), tree["branch"].as_str().unwrap());
        assert!(branch.starts_with("stepwright/code-"), "{branch}");
        // The worktrees are no changes of the repository around them.
        assert_eq!(git(&agent.work(), &["status", "--porcelain"]), "");
    }
}

#[tokio::test]
async fn a_worktree_without_changes_is_removed() {
    let agent = Scripted::new("acp", "answers");
    repository(&agent);
    let output = workflow(&agent, ".").run("go").await.unwrap();
    let tree = &output.content.to_value()["worktree"];
    assert_eq!(tree["kept"], false);
    assert!(!agent.work().join(tree["dir"].as_str().unwrap()).exists());
    assert_eq!(git(&agent.work(), &["branch", "--list", "stepwright/*"]), "");
}

#[tokio::test]
async fn a_step_that_fails_keeps_its_worktree_for_the_next_attempt() {
    let agent = Scripted::new("codex", "dies always");
    repository(&agent);
    let harness = agent.harness.clone().worktree(true);
    let step = Step::new("code", harness).retries(2);
    let workflow = Workflow::builder("W").step(step).store(Memory::default()).build().unwrap();
    let output = workflow.run("go").await.unwrap();
    let tree = &output.content.to_value()["worktree"];
    assert_eq!(tree["changed"], serde_json::json!(["a.txt", "b.txt"]));
    assert_eq!(agent.logged_all("edit"), ["edit a", "edit b"]);
}

#[tokio::test]
async fn steps_at_once_have_worktrees_of_their_own() {
    let agent = Scripted::new("acp", "");
    repository(&agent);
    let harness = agent.harness.clone().worktree(true);
    let map = Map::new("each")
        .over(|_: &stepwright_core::StepInput| vec!["x".to_owned(), "y".to_owned()])
        .step(Step::new("code", harness))
        .concurrency(2);
    let workflow = Workflow::builder("W").step(map).build().unwrap();
    let output = workflow.run("go").await.unwrap();
    let value = output.content.to_value();
    let [one, two] = [0, 1].map(|nth: usize| value[nth]["worktree"]["branch"].clone());
    assert!(one.is_string() && two.is_string() && one != two, "{value}");
}

#[tokio::test]
async fn a_later_step_goes_on_in_the_worktree() {
    let agent = Scripted::new("claude-code", "");
    repository(&agent);
    let workflow = Workflow::builder("W")
        .step(Step::new("code", agent.harness.clone().worktree(true)))
        .step(Step::new("more", agent.harness.clone().session("code")))
        .build()
        .unwrap();
    workflow.run("go").await.unwrap();
    assert_eq!(agent.logged_all("loaded"), ["loaded"]);
    assert!(!agent.work().join("a.txt").exists());
}

#[tokio::test]
async fn a_folder_without_a_repository_or_a_commit_is_refused() {
    let agent = Scripted::new("acp", "");
    let output = ended(workflow(&agent, ".").run("go")).await;
    assert_eq!(output.status, RunStatus::Error);
    let error = output.error.unwrap().error;
    assert_eq!(error.id, Some(ErrorId::WORKTREE_FAILED));
    assert!(error.hint.unwrap().contains("must be in a git repository"));
    git(&agent.work(), &["init", "--quiet"]);
    let error = ended(workflow(&agent, ".").run("go")).await.error.unwrap().error;
    assert!(error.hint.unwrap().contains("needs a commit"), "{}", error.message);
    assert_eq!(agent.log(), [""; 0]);
}

#[tokio::test]
async fn an_agent_that_is_not_there_leaves_no_worktree_behind() {
    let agent = Scripted::new("acp", "");
    repository(&agent);
    let harness = agent.harness.clone().program("no-such-program").worktree(true);
    let workflow = Workflow::builder("W").step(Step::new("code", harness)).build().unwrap();
    let error = workflow.run("go").await.unwrap_err();
    assert_eq!(error.id(), ErrorId::HARNESS_MISSING);
    assert_eq!(git(&agent.work(), &["worktree", "list"]).lines().count(), 1);
    assert_eq!(git(&agent.work(), &["branch", "--list"]).lines().count(), 1);
}
