//! Another program reads from a file the output that the run gave.

use serde_json::json;
use std::path::Path;
use stepwright::models::Usage;
use stepwright::prelude::*;
use stepwright::{StepStatus, Timestamp};

fn costs(output: StepOutput, tokens: u64) -> StepOutput {
    StepOutput { usage: Usage { output_tokens: Some(tokens), ..Usage::default() }, ..output }
}

/// All that a step can come to, in a file that is closed when the workflow is.
async fn workflow(file: &Path) -> Workflow {
    let rate = Step::new("rate", |input: StepInput| async move {
        let rated = json!({"of": input.text(), "stars": [4, 4.0, -0.5, null], "good": true});
        let file = Media::bytes(MediaKind::File, [0, 159, 146, 150].as_slice());
        let file = file.with_mime("application/x-odd").with_name("odd.bin");
        costs(StepOutput::from(Content::from(rated)).medium(file), 7)
    });
    let optional = Step::new("optional", |_: StepInput| async {
        Err::<String, _>(StepError::terminal("it may be absent").with_hint("leave it out"))
    });
    let flaky = Step::new("flaky", |input: StepInput, cx: StepContext| async move {
        if cx.attempt() == 1 {
            return Err(StepError::from(std::io::Error::other("connection reset by peer")));
        }
        Ok(costs(StepOutput::from(input.content().clone()), 100))
    });
    let retry = Retry { retries: 1, backoff_ms: 0, ..Retry::default() };
    let last = Step::new("last", |input: StepInput| async move {
        if input.run.content.text() == "fail" {
            return Err(StepError::terminal("it was asked to").with_hint("ask for something else"));
        }
        Ok(input.content().clone())
    });
    Workflow::builder("Rating")
        .step(Parallel::new("both").branch(rate).branch(optional.on_error(OnError::Skip)))
        .step(Condition::new("never", |_: &StepInput| false).then(Step::new("no", keep)))
        .step(flaky.retry(retry))
        .step(last)
        .store_events(true)
        .store(Sqlite::open(file).await.unwrap())
        .build()
        .unwrap()
}

async fn keep(text: String) -> String {
    text
}

#[tokio::test]
async fn a_run_is_read_back_with_all_its_types_by_another_program() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.db");
    let mut given = Vec::new();
    for input in ["ants", "fail"] {
        let workflow = workflow(&file).await;
        let run = workflow.run(input).run_id(input).session_id("s").user_id("ada");
        given.push(match run.await {
            Ok(output) => output,
            Err(error) => error.output().unwrap().clone(),
        });
    }
    let [done, failed] = &given[..] else { panic!("{given:?}") };
    // All that could be lost is there.
    assert_eq!((done.status, failed.status), (RunStatus::Completed, RunStatus::Error));
    assert_eq!((done.content_type(), failed.content_type()), ("json", "none"));
    let status = |path: &str| done.step_at(path).unwrap().status;
    assert_eq!(status("both/rate"), StepStatus::Completed);
    assert_eq!(status("both/optional"), StepStatus::Skipped);
    assert_eq!(failed.step_at("last").unwrap().status, StepStatus::Failed);
    assert_eq!(done.metrics.usage.output_tokens, Some(107));
    assert!(failed.error.as_ref().unwrap().error.hint.is_some());
    assert_eq!(done.step_at("flaky").unwrap().attempts, 2);
    assert!(done.created_at > Timestamp(0) && done.events.is_some());

    let reader = workflow(&file).await;
    for output in &given {
        let read = reader.get_run(&output.run_id).await.unwrap();
        assert_eq!(&read, output);
    }
}
