//! A coding agent changes a git worktree, a reviewer reads the patch, and a person judges it.
//!
//! `cargo run -p stepwright --features harness --example 17_coding_agent`
//!
//! Without arguments, the coding agent is a script that writes one line (it needs Python 3), the
//! reviewer is the model `offline`, which quotes, the repository is a new one, and the program
//! answers for the person: it rejects the first patch and approves the second. `--dir REPOSITORY
//! --coder claude-code --model openai:gpt-5-mini --task "…"` lets real ones work. The coding agent
//! then asks before it edits, and the program approves.

#![expect(clippy::print_stdout, reason = "it shows what a run gives")]

#[path = "course.rs"]
mod course;

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::Command;
use stepwright::harness::{Harness, HarnessKind, Questions};
use stepwright::prelude::*;
use stepwright::{Error, Memory, WorkflowBuilder};

/// The judgement of the person.
#[derive(Debug, Serialize, Deserialize)]
struct Verdict {
    accept: bool,
    #[serde(default)]
    notes: String,
}

/// Runs git in a folder, and returns what it prints.
async fn git(dir: PathBuf, arguments: Vec<String>) -> Result<String, StepError> {
    let work = move || {
        let identity = ["-c", "user.name=Stepwright", "-c", "user.email=stepwright@localhost"];
        let ran = Command::new("git").args(identity).args(arguments).current_dir(dir).output();
        let ran = ran.map_err(|error| StepError::terminal(format!("git cannot run: {error}")))?;
        if !ran.status.success() {
            return Err(StepError::terminal(String::from_utf8_lossy(&ran.stderr).into_owned()));
        }
        Ok(String::from_utf8_lossy(&ran.stdout).into_owned())
    };
    tokio::task::spawn_blocking(work).await.map_err(|error| StepError::new(error.to_string()))?
}

/// Returns a member of the worktree that the coding agent works in.
fn of_worktree(input: &StepInput, name: &str) -> String {
    let change = input.step("change").map(stepwright::Content::to_value).unwrap_or_default();
    change["worktree"][name].as_str().unwrap_or_default().to_owned()
}

/// Returns the coding agent that the user chose, or the scripted one.
fn coder(repository: &Path) -> Harness {
    let harness = if let Some(kind) =
        course::argument("--coder").and_then(|name| HarnessKind::named(&name))
    {
        Harness::new(kind)
    } else {
        let script =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/workflows/agents/scripted.py");
        Harness::acp("python3", [script]).questions(Questions::Allow)
    };
    harness.base_dir(repository)
}

/// The workflow, in this repository.
pub(crate) fn workflow(repository: &Path) -> Result<WorkflowBuilder, Error> {
    let reviewer = Agent::builder("Reviewer")
        .model(course::model())?
        .instructions("You review a patch. Name mistakes only. Answer in 1 sentence.")
        .build()?;
    let in_tree = {
        let repository = repository.to_owned();
        move |input: &StepInput| repository.join(of_worktree(input, "dir"))
    };
    let (patched, committed) = (in_tree.clone(), in_tree);

    let is_rejected = |input: &StepInput| input.last_turn("judge").is_some();
    let revise =
        Step::new("revise", coder(repository).session("change")).prompt(|input: &StepInput| {
            let verdict =
                input.last_turn("judge").map(stepwright::Content::parse::<Verdict>).transpose()?;
            Ok::<_, StepError>(verdict.map(|it| it.notes).unwrap_or_default())
        });
    let patch = Step::new("patch", move |input: StepInput| {
        let dir = patched(&input);
        async move {
            git(dir.clone(), vec!["add".into(), "--all".into()]).await?;
            git(dir, vec!["diff".into(), "--cached".into()]).await
        }
    });
    // The run is parked while the person thinks, for as long as that takes.
    let judge = Step::new("judge", |_: StepInput, cx: StepContext| async move {
        let verdict: Verdict = cx.wait("verdict").message("Is the patch right?").await?;
        Ok::<_, StepError>(Json(verdict))
    });
    let judged = Loop::new("judged")
        .step(Condition::new("rejected", is_rejected).then(revise))
        .step(patch)
        .step(Step::new("review", reviewer))
        .step(judge)
        .at_most(3)
        .until(|turn| Ok::<_, StepError>(turn.content().parse::<Verdict>()?.accept));

    let commit = Step::new("commit", move |input: StepInput| {
        let (dir, branch) = (committed(&input), of_worktree(&input, "branch"));
        let task = input.run.content.text().into_owned();
        async move {
            let commit = ["commit", "--quiet", "-m", &task];
            git(dir, commit.map(ToOwned::to_owned).to_vec()).await?;
            Ok::<_, StepError>(branch)
        }
    });
    Ok(Workflow::builder("Patch")
        .step(Step::new("change", coder(repository).worktree(true)))
        .step(judged)
        .step(commit))
}

/// Makes a repository with one commit.
pub(crate) async fn new_repository(dir: &Path) -> Result<(), StepError> {
    let written = std::fs::write(dir.join("CHANGES.md"), "# Changes\n");
    written.map_err(|error| StepError::terminal(error.to_string()))?;
    for arguments in
        [&["init", "--quiet"][..], &["add", "--all"], &["commit", "--quiet", "-m", "new"]]
    {
        let arguments = arguments.iter().map(|word| (*word).to_owned()).collect();
        git(dir.to_owned(), arguments).await?;
    }
    Ok(())
}

/// Runs the workflow, and answers its questions. Returns each question with the answer.
pub(crate) async fn judged(
    workflow: &Workflow,
    task: &str,
) -> Result<(RunOutput, Vec<String>), Error> {
    let mut told = Vec::new();
    let mut output = workflow.run(task).run_id("patch").await?;
    let mut verdicts = 0;
    while output.is_paused() {
        let mut answers = Vec::new();
        for asked in &output.requirements {
            let is_verdict = asked.message.contains("patch");
            let (answer, said) = match (is_verdict, verdicts) {
                (true, 0) => {
                    let verdict = Verdict { accept: false, notes: "Name the version, 0.2.".into() };
                    let value = serde_json::to_value(&verdict).unwrap_or_default();
                    (Answer::submit(value), verdict.notes)
                }
                (true, _) => (Answer::submit(serde_json::json!({"accept": true})), "Yes.".into()),
                (false, _) => (Answer::Approve, "Yes.".to_owned()),
            };
            verdicts += u32::from(is_verdict);
            told.push(format!("{} {said}", asked.message));
            answers.push((asked.id.to_string(), answer));
        }
        output = workflow.continue_run("patch", answers).await?;
    }
    Ok((output, told))
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let own = tempfile::tempdir().map_err(|error| Error::usage(error.to_string()))?;
    let repository = if let Some(dir) = course::argument("--dir") {
        PathBuf::from(dir)
    } else {
        let made = new_repository(own.path()).await;
        made.map_err(|error| Error::usage(error.data.message.clone()))?;
        own.path().to_owned()
    };
    let task = course::argument("--task").unwrap_or_else(|| "Exports have dates.".to_owned());
    let workflow = workflow(&repository)?.store(Memory::default()).build()?;
    let (output, told) = judged(&workflow, &task).await?;
    for line in told {
        println!("{line}");
    }
    let judged = output.step_at("judged#2/patch").map(|it| it.content.text().into_owned());
    let added = judged.unwrap_or_default();
    for line in added.lines().filter(|line| line.starts_with("+-")) {
        println!("{line}");
    }
    println!("The branch begins with {}.", &output.content.text()[.."stepwright/change".len()]);
    Ok(())
}
