//! Coding agents in real containers. `STEPWRIGHT_TEST_SANDBOX` names the programs that make them:
//! see `scripts/test-sandbox.sh`.

use crate::support::{Scripted, ended, program};
use std::path::Path;
use stepwright_core::{Memory, RunStatus};
use stepwright_engine::{Step, Workflow};
use stepwright_process::{Backend, Sandbox};

/// The folder of the scripted agent in a sandbox. There is none of this name outside.
const AGENTS: &str = "/agents";

/// Returns the programs to test with.
fn backends() -> impl Iterator<Item = Backend> {
    let named = std::env::var("STEPWRIGHT_TEST_SANDBOX").unwrap_or_else(|_| {
        eprintln!("skipped: STEPWRIGHT_TEST_SANDBOX names no programs");
        String::new()
    });
    let is_named = move |it: &Backend| named.split(',').any(|name| name == it.to_string());
    Backend::ALL.into_iter().filter(is_named)
}

/// Returns a sandbox that shows the scripted agents, and the log of this one.
fn boxed(backend: Backend, agent: &Scripted) -> Sandbox {
    let programs = Path::new(program()).parent().unwrap();
    let outside = agent.work().parent().unwrap().to_owned();
    let sandbox = Sandbox::new().backend(backend).image("stepwright-test:sandbox");
    sandbox.mount(programs, AGENTS).mount_to_write(&outside, &outside)
}

fn workflow(agent: &Scripted, sandbox: Sandbox) -> Workflow {
    let step = Step::new("code", sandbox.around(agent.harness.clone()));
    Workflow::builder("W").step(step).store(Memory::default()).build().unwrap()
}

#[tokio::test]
async fn a_coding_agent_works_in_the_sandbox_of_its_step() {
    let name = Path::new(program()).file_name().unwrap().to_str().unwrap();
    for backend in backends() {
        for kind in crate::support::KINDS {
            let mut agent = Scripted::new(kind, "");
            agent.harness = agent.harness.program(format!("{AGENTS}/{name}"));
            let output = ended(workflow(&agent, boxed(backend, &agent)).run("it")).await;
            assert_eq!(output.status, RunStatus::Completed, "{backend}, {kind}: {output:?}");
            assert!(agent.work().join("a.txt").exists(), "{backend}, {kind}");
        }
    }
}

#[tokio::test]
async fn a_coding_agent_that_is_not_in_the_image_is_named() {
    let agent = Scripted::new("acp", "");
    for backend in backends() {
        let harness = agent.harness.clone().program("no-such-agent");
        let step = Step::new("code", boxed(backend, &agent).around(harness));
        let workflow = Workflow::builder("W").step(step).build().unwrap();
        let error = workflow.run("it").await.unwrap_err().to_string();
        let told = "the image `stepwright-test:sandbox` has no program `no-such-agent`";
        assert!(error.contains(told), "{error}");
    }
}

#[tokio::test]
async fn a_coding_agent_never_runs_outside_of_a_sandbox_that_is_not_there() {
    let agent = Scripted::new("acp", "");
    let none = Sandbox::new().backend(Backend::Docker);
    let error = workflow(&agent, none).run("it").await.unwrap_err();
    assert!(error.to_string().contains("a container needs an image"), "{error}");
    assert!(agent.log().is_empty(), "{:?}", agent.log());
}
