//! The server of the tests, and agents that call its tools.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use stepwright_agent::Agent;
use stepwright_core::message::ToolOutcome;
use stepwright_core::tool::ToolSource;
use stepwright_core::{Event, EventKind, RunOutput};
use stepwright_engine::Workflow;
use stepwright_mcp::McpServer;
use stepwright_testing::model::{Reply, ScriptedModel};
use tempfile::TempDir;

/// A server with its log.
pub(crate) struct Faulty {
    pub(crate) server: McpServer,
    pub(crate) log: PathBuf,
    pub(crate) _dir: TempDir,
}

/// Returns the folder with the programs of others, if they are installed.
pub(crate) fn home() -> Option<PathBuf> {
    let home = std::env::var_os("STEPWRIGHT_TEST_MCP").map(PathBuf::from);
    if home.is_none() {
        eprintln!("skipped: set STEPWRIGHT_TEST_MCP=$(scripts/test-mcp.sh)");
    }
    home
}

pub(crate) fn program() -> &'static str {
    env!("CARGO_BIN_EXE_stepwright-mcp-test-server")
}

impl Faulty {
    pub(crate) fn new(mode: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let server = McpServer::command("it", program(), [mode]);
        let server = server.env("LOG", log.to_str().unwrap());
        Self { server, log, _dir: dir }
    }

    pub(crate) fn log(&self) -> Vec<String> {
        lines(&self.log)
    }

    /// Waits until the log has a line that begins in this way.
    pub(crate) async fn logged(&self, beginning: &str) -> String {
        let begun = Instant::now();
        loop {
            if let Some(line) = self.log().into_iter().find(|line| line.starts_with(beginning)) {
                return line;
            }
            assert!(begun.elapsed() < Duration::from_mins(1), "{beginning}: {:?}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

pub(crate) fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(ToOwned::to_owned).collect()
}

/// Returns an agent that calls a tool once and then says that it is done.
pub(crate) fn agent(server: impl ToolSource, tool: &str, arguments: Value) -> Agent {
    let model = ScriptedModel::new([Reply::call(tool, arguments), Reply::text("Done.")]);
    Agent::builder("caller").model(model).unwrap().tool(server).build().unwrap()
}

/// Returns the agent of a resumed run, whose model has asked for the call already.
pub(crate) fn resumed(server: impl ToolSource) -> Agent {
    let model = ScriptedModel::new([Reply::text("Done.")]);
    Agent::builder("caller").model(model).unwrap().tool(server).build().unwrap()
}

pub(crate) fn workflow(server: impl ToolSource, tool: &str, arguments: Value) -> Workflow {
    Workflow::builder("W").step(agent(server, tool, arguments)).build().unwrap()
}

/// Returns the outcomes of the tool calls of a run.
pub(crate) async fn outcomes(workflow: &Workflow, run: &RunOutput) -> Vec<ToolOutcome> {
    let events = workflow.runs_of(run).await;
    let outcome = |event: &Event| match &event.kind {
        EventKind::ToolCallCompleted { tool } | EventKind::ToolCallError { tool, .. } => {
            Some((**tool).clone())
        }
        _ => None,
    };
    events.iter().filter_map(outcome).collect()
}

/// The events of a stored run.
pub(crate) trait EventsOf {
    async fn runs_of(&self, run: &RunOutput) -> Vec<Event>;
}

impl EventsOf for Workflow {
    async fn runs_of(&self, run: &RunOutput) -> Vec<Event> {
        use futures_util::TryStreamExt as _;
        let events = self.events(&run.run_id, 0).await.unwrap();
        events.try_collect().await.unwrap()
    }
}

/// Calls a tool once, and returns its outcome.
pub(crate) async fn called(server: McpServer, tool: &str, arguments: Value) -> ToolOutcome {
    let workflow = workflow(server, tool, arguments);
    let run = workflow.run("go").await.unwrap();
    assert_eq!(run.content.text(), "Done.", "{run:?}");
    outcomes(&workflow, &run).await.remove(0)
}

pub(crate) fn with_text(text: &str) -> Value {
    json!({ "text": text })
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

/// Logs in with a browser that follows the redirects of the authorization server.
pub(crate) async fn log_in(server: &McpServer) -> Result<(), stepwright_core::Error> {
    let (sender, address) = tokio::sync::oneshot::channel();
    let browser = tokio::spawn(async move {
        let client = stepwright_http::builder().unwrap().build().unwrap();
        let mut next: Option<String> = address.await.ok();
        while let Some(url) = next {
            let answer = client.get(&url).send().await.unwrap();
            let location = answer.headers().get(stepwright_http::reqwest::header::LOCATION);
            next = location.map(|location| location.to_str().unwrap().to_owned());
        }
    });
    server.log_in(|url| sender.send(url.to_owned()).unwrap()).await?;
    browser.await.unwrap();
    Ok(())
}
