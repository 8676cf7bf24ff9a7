//! The scripted agent, and workflows with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stepwright_core::message::ToolOutcome;
use stepwright_core::store::RunStore as _;
use stepwright_core::{Event, EventKind, Memory, RunId, RunOutput};
use stepwright_engine::{Step, Workflow};
use stepwright_harness::{Harness, HarnessKind};
use tempfile::TempDir;

/// The kinds that the scripted agent stands for.
pub(crate) const KINDS: [&str; 3] = ["acp", "claude-code", "codex"];

/// A scripted agent with a folder to work in, its log, and its conversations.
#[derive(Clone)]
pub(crate) struct Scripted {
    pub(crate) harness: Harness,
    dir: Arc<TempDir>,
}

pub(crate) fn program() -> &'static str {
    env!("CARGO_BIN_EXE_stepwright-harness-test-agent")
}

impl Scripted {
    pub(crate) fn new(kind: &str, mode: &str) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        for folder in ["work", "store"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let harness = match kind {
            "acp" => Harness::new(HarnessKind::Acp { program: program().into(), args: vec![] }),
            kind => Harness::new(HarnessKind::named(kind).unwrap()).program(program()),
        };
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        let harness = harness
            .base_dir(dir.path().join("work"))
            .env("MODE", mode)
            .env("LOG", text(dir.path().join("log")))
            .env("STORE", text(dir.path().join("store")));
        Self { harness, dir }
    }

    /// Returns the folder that it works in.
    pub(crate) fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    pub(crate) fn log(&self) -> Vec<String> {
        lines(&self.dir.path().join("log"))
    }

    /// Returns the lines of the log that begin in this way.
    pub(crate) fn logged_all(&self, beginning: &str) -> Vec<String> {
        let log = self.log().into_iter();
        log.filter(|line| line.starts_with(beginning)).collect()
    }

    /// Waits until the log has a line that begins in this way.
    pub(crate) async fn logged(&self, beginning: &str) -> String {
        let begun = Instant::now();
        loop {
            if let Some(line) = self.logged_all(beginning).pop() {
                return line;
            }
            assert!(begun.elapsed() < Duration::from_mins(1), "{beginning}: {:?}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Forgets the conversations, as another machine would.
    pub(crate) fn forget(&self) {
        let store = self.dir.path().join("store");
        for entry in std::fs::read_dir(store).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }

    pub(crate) fn step(&self) -> Step {
        Step::new("code", self.harness.clone())
    }

    pub(crate) fn workflow(&self) -> Workflow {
        Workflow::builder("W").step(self.step()).store(Memory::default()).build().unwrap()
    }
}

pub(crate) fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(ToOwned::to_owned).collect()
}

/// Returns the facts of a stored run.
pub(crate) async fn facts(store: &Memory, run: &str) -> Vec<Event> {
    let run: RunId = run.parse().unwrap();
    store.load(&run, 0, usize::MAX).await.unwrap()
}

/// Returns the events of a run of a workflow.
pub(crate) async fn events(workflow: &Workflow, run: &RunOutput) -> Vec<Event> {
    use futures_util::TryStreamExt as _;
    workflow.events(&run.run_id, 0).await.unwrap().try_collect().await.unwrap()
}

/// Returns the outcomes of the tool calls among events.
pub(crate) fn outcomes(events: &[Event]) -> Vec<ToolOutcome> {
    let outcome = |event: &Event| match &event.kind {
        EventKind::ToolCallCompleted { tool } | EventKind::ToolCallError { tool, .. } => {
            Some((**tool).clone())
        }
        _ => None,
    };
    events.iter().filter_map(outcome).collect()
}

/// Awaits a run that may fail, and returns its output.
pub(crate) async fn ended<R>(run: R) -> RunOutput
where
    R: IntoFuture<Output = Result<RunOutput, stepwright_core::Error>>,
{
    match run.await {
        Ok(output) => output,
        Err(error) => error.output().unwrap_or_else(|| panic!("{error}")).clone(),
    }
}

/// Waits until a process is gone.
pub(crate) async fn gone(pid: &str) {
    let begun = Instant::now();
    let is_dead = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    };
    while !is_dead() {
        assert!(begun.elapsed() < Duration::from_mins(1), "process {pid} lives");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
