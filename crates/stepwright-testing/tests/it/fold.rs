//! The result of a run, as its events say: results stand in the order of the definition.

use serde_json::{Value, json};
use stepwright_core::fold::Fold;

/// Returns the names of the results inside the one container `c`.
fn inside(started: Value, events: &[(&str, Value)]) -> Vec<String> {
    let begin = json!({
        "event": "WorkflowStarted", "workflow_id": "w", "workflow_name": "W", "digest": "d",
        "session_id": "s", "input": {"content": "in"},
    });
    let all = [("", begin), ("c", started)];
    let mut fold = Fold::default();
    for (sequence, (path, mut event)) in all.into_iter().chain(events.iter().cloned()).enumerate() {
        let common = json!({ "sequence": sequence, "time_ms": 1, "run_id": "r", "path": path });
        event.as_object_mut().unwrap().extend(common.as_object().cloned().unwrap());
        fold.apply(&serde_json::from_value(event).unwrap()).unwrap();
    }
    let output = fold.output().unwrap();
    output.step_results[0].steps.iter().map(|step| step.path.to_string()).collect()
}

fn step() -> Value {
    json!({"event": "StepStarted", "executor_type": "function", "executor_name": "f"})
}

#[test]
fn branches_and_items_stand_in_declaration_order_and_chosen_steps_as_they_ran() {
    let steps = [("c/b", step()), ("c/a", step())];
    let started = json!({"event": "ParallelExecutionStarted", "branches": ["a", "b"]});
    assert_eq!(inside(started, &steps), ["c/a", "c/b"]);
    let started = json!({"event": "RouterExecutionStarted", "selected_steps": ["b", "a"]});
    assert_eq!(inside(started, &steps), ["c/b", "c/a"]);
    let item = |item: u32| json!({"event": "MapItemStarted", "item": item});
    let started = json!({"event": "MapExecutionStarted", "items": ["x", "y"], "concurrency": 2});
    assert_eq!(inside(started, &[("c#2", item(2)), ("c#1", item(1))]), ["c#1", "c#2"]);
}
