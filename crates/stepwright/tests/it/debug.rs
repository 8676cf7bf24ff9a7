//! The logs of `debug_mode`.

use serde_json::{Map, Value, json};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use stepwright::plan::Retry;
use stepwright::prelude::*;
use stepwright::{Patch, RunOutput, StepOutput};
use stepwright_testing::model::{Reply, ScriptedModel};
use tracing::instrument::WithSubscriber as _;
use tracing_subscriber::fmt::MakeWriter;

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// A workflow with a prompt, a call of a tool, a decision and a change of the state; there is a
/// secret in most of them.
fn workflow() -> Workflow {
    let model = ScriptedModel::new([
        Reply::call("look", json!({"word": "ant", "api_key": "hunter2"})),
        Reply::text("An ant. Use sk-abcdefghijklmnop."),
    ]);
    let look = FunctionTool::new("look", "Looks up.", |args: Map<String, Value>| async move {
        format!("{} is there, Bearer abcdefghijklmnopq", args["word"])
    });
    let agent = Agent::builder("Reader")
        .model(model)
        .unwrap()
        .instructions("Read well. The password: swordfish")
        .tool(look)
        .build()
        .unwrap();
    let remember = |input: StepInput| async move {
        StepOutput::from(input.text()).patch(Patch::set("seen", json!({"token": "t0ken"})))
    };
    Workflow::builder("Log")
        .step(agent)
        .step(
            Condition::new("long", |input: &StepInput| input.text().len() > 3)
                .then(Step::new("remember", remember)),
        )
        .build()
        .unwrap()
}

/// Returns the result of a run, and its log.
async fn log_of(run: stepwright::Run) -> (Result<RunOutput, stepwright::Error>, String) {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let answer = run.into_future().with_subscriber(subscriber).await;
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    (answer, log)
}

async fn logged(debug: bool) -> (RunOutput, String) {
    let run = workflow().run("postgres://ada:lovelace@host/db").debug_mode(debug);
    let (answer, log) = log_of(run).await;
    (answer.unwrap(), log)
}

#[tokio::test]
async fn every_prompt_call_decision_and_change_is_logged_and_no_secret() {
    let (output, log) = logged(true).await;
    assert_eq!(output.content.text(), "An ant. Use sk-abcdefghijklmnop.", "only logs are redacted");
    for line in [
        "WorkflowStarted -",
        r#"StepStarted Reader {"executor_type":"agent""#,
        r#"instructions="Read well. The password: [redacted]""#,
        r#"prompt="postgres://ada:[redacted]@host/db""#,
        "asking the model",
        r#""word":"ant","api_key":"[redacted]""#,
        "ToolCallCompleted Reader",
        "is there, Bearer [redacted]",
        "An ant. Use [redacted].",
        r#"ConditionExecutionStarted long {"condition_result":true"#,
        "StepCompleted long/remember",
        r#""op":"set""#,
        "WorkflowCompleted -",
    ] {
        assert!(log.contains(line), "{line} is not in\n{log}");
    }
    for secret in ["hunter2", "sk-abc", "abcdefghijklmnopq", "swordfish", "t0ken", "lovelace"] {
        assert!(!log.contains(secret), "{secret} is in\n{log}");
    }
    assert!(!log.contains("RunContent "), "pieces of text are left out:\n{log}");
}

#[tokio::test]
async fn without_it_nothing_is_logged() {
    assert_eq!(logged(false).await.1, "");
}

/// Every line names the run, the step and the attempt: the engine's own, and those of the code that
/// a step calls.
#[tokio::test]
async fn log_lines_of_trouble_and_of_steps_lead_to_their_run() {
    async fn fetch(_: String, cx: StepContext) -> Result<String, StepError> {
        tracing::info!("asking the server");
        match cx.attempt() {
            1 => Err(StepError::new("no route with sk-abcdefghijklmnop")),
            _ => Err(StepError::terminal("no such host")),
        }
    }
    let retry = Retry { retries: 1, backoff_ms: 1, ..Retry::default() };
    let fetch = Step::new("Fetch", fetch).retry(retry);
    let workflow = Workflow::builder("Log").step(fetch).build().unwrap();
    let (answer, log) = log_of(workflow.run("in").run_id("r-1")).await;
    assert!(answer.is_err());
    let lines: Vec<&str> = log.lines().collect();
    let find = |words: &str| {
        let found = lines.iter().find(|line| line.contains(words));
        *found.unwrap_or_else(|| panic!("`{words}` is not in\n{log}"))
    };
    let of_step = find("asking the server");
    assert!(of_step.contains("step{run=r-1 path=Fetch attempt=1}"), "{of_step}");
    let retried = find("a step failed and is tried again: no route with [redacted]");
    for field in ["WARN", "run=r-1", "path=Fetch", "attempt=1", "delay_ms="] {
        assert!(retried.contains(field), "{field} is not in {retried}");
    }
    let failed = find("the run failed: no such host");
    assert!(failed.contains("run=r-1 workflow=log path=Fetch attempt=2 code=SW0401"), "{failed}");
}

/// Requests that gave no answer, and an attempt that failed, were paid for all the same.
#[tokio::test]
async fn what_failed_requests_consumed_is_in_the_metrics() {
    use stepwright::models::RetryPolicy;
    use stepwright_core::message::Usage;
    use stepwright_core::model::{ModelError, ModelErrorKind};
    let failed = |kind, tokens| {
        let usage = Usage { input_tokens: Some(tokens), ..Usage::default() };
        Reply::from(ModelError { usage: Box::new(usage), ..ModelError::new(kind, "no") })
    };
    let model = ScriptedModel::new([
        failed(ModelErrorKind::Overloaded, 1),
        failed(ModelErrorKind::Refused, 10),
    ]);
    let at_once = RetryPolicy { delay: std::time::Duration::ZERO, ..RetryPolicy::default() };
    let agent = Agent::builder("Tester").model(model).unwrap();
    let agent = agent.model_retry(at_once).build().unwrap();
    let workflow = Workflow::builder("w").store(stepwright_core::Memory::default());
    let workflow = workflow.step(Step::new("ask", agent)).build().unwrap();
    let first = workflow.run("hi").await.unwrap_err();
    assert!(first.to_string().contains("no"), "{first}");
    let output = workflow.get_last_run_output().await.unwrap().unwrap();
    assert_eq!(output.metrics.usage.input_tokens, Some(11));
}
