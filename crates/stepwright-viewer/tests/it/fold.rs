//! The fold of the browser agrees with that of the engine: both get the recorded streams in
//! `web/fixtures`. The golden files are what the browser's fold made of them.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use stepwright_core::event::Event;
use stepwright_core::fold::Fold;
use stepwright_core::message::Usage;
use stepwright_core::output::StepResult;
use stepwright_core::requirement::RequirementKind;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/fixtures")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn usage(usage: Usage) -> Value {
    serde_json::to_value(usage).unwrap()
}

/// Returns the pending requests, as the output of a run lists them.
fn asked(fold: &Fold) -> Vec<&str> {
    let waits = fold.requirements().iter();
    waits.filter(|asked| asked.kind != RequirementKind::Deadline).map(|asked| &*asked.id).collect()
}

fn content(content: &stepwright_core::Content) -> Value {
    if content.is_empty() { Value::Null } else { serde_json::to_value(content).unwrap() }
}

fn result(step: &StepResult) -> Value {
    json!({
        "path": step.path,
        "step_type": step.step_type,
        "status": step.status,
        "attempts": step.attempts,
        "started_at": step.started_at,
        "ended_at": step.ended_at,
        "content": content(&step.content),
        "error": step.error.as_ref().map(|error| error.message.clone()),
        "exhausted": step.exhausted,
        "usage": usage(step.usage),
        "steps": step.steps.iter().map(result).collect::<Vec<_>>(),
    })
}

/// Sums a stream up as `web/src/model/summary.ts` does.
fn summarize(events: &[Event]) -> Value {
    let mut fold = Fold::default();
    let mut facts = Vec::new();
    for event in events {
        fold.apply(event).unwrap();
        if event.is_fact() {
            let metrics = fold.metrics();
            let cost = [metrics.cost.nano_usd(), metrics.cost.unpriced_requests()];
            let used = usage(metrics.usage);
            facts.push(json!([event.sequence, fold.status(), used, cost, asked(&fold)]));
        }
    }
    let asked = json!(asked(&fold));
    let output = fold.into_output().unwrap();
    let metrics = output.metrics;
    json!({
        "run_id": output.run_id,
        "session_id": output.session_id,
        "status": output.status,
        "input": content(&output.input),
        "content": content(&output.content),
        "error": output.error.as_ref().map(|failure| failure.error.message.clone()),
        "duration_ms": metrics.duration_ms,
        "steps": metrics.steps,
        "retries": metrics.retries,
        "model_calls": metrics.model_calls,
        "tool_calls": metrics.tool_calls,
        "usage": usage(metrics.usage),
        "cost": [metrics.cost.nano_usd(), metrics.cost.unpriced_requests()],
        "requirements": asked,
        "step_results": output.step_results.iter().map(result).collect::<Vec<_>>(),
        "facts": facts,
    })
}

#[test]
fn the_fold_of_the_browser_agrees_with_that_of_the_engine_after_every_fact() {
    let mut streams = 0;
    for entry in std::fs::read_dir(fixtures()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        streams += 1;
        let events: Vec<Event> =
            read(&path).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let golden: Value =
            serde_json::from_str(&read(&path.with_extension("golden.json"))).unwrap();
        let ours = summarize(&events);
        let (Value::Object(ours), Value::Object(golden)) = (ours, golden) else {
            panic!("a summary is an object")
        };
        let name = path.file_name().unwrap().display();
        for (key, value) in &ours {
            assert_eq!(golden.get(key), Some(value), "`{key}` of {name}");
        }
        assert_eq!(golden.len(), ours.len(), "{name}");
    }
    assert!(streams >= 10, "only {streams} streams");
}
