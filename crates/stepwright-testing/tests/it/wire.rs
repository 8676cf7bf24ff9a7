//! Events as JSON: programs of 0.1 wrote these lines into journals and streams, and read them.

use serde_json::{Map, Value};
use std::collections::BTreeSet;
use stepwright_core::event::{ContainerKind, Decision, NAMES};
use stepwright_core::output::StepType;
use stepwright_core::{Event, EventKind};

/// All events of containers as 0.1 wrote them, with and without the fields that may be missing.
const CONTAINERS: [&str; 25] = [
    r#""event":"StepsExecutionStarted","steps_count":2"#,
    r#""event":"StepsExecutionCompleted","status":"completed""#,
    r#""event":"StepsExecutionCompleted","status":"failed","error":{"code":"model","message":"the model is busy","retryable":true}"#,
    r#""event":"ParallelExecutionStarted","branches":["web","papers"]"#,
    r#""event":"ParallelExecutionCompleted","status":"cancelled""#,
    r#""event":"LoopExecutionStarted","max_iterations":3"#,
    r#""event":"LoopIterationStarted","iteration":1,"max_iterations":3"#,
    r#""event":"LoopIterationCompleted","iteration":1,"should_continue":true,"status":"completed""#,
    r#""event":"LoopIterationCompleted","iteration":3,"should_continue":false,"exhausted":true,"status":"failed","error":{"code":"decision","message":"no","retryable":false}"#,
    r#""event":"LoopExecutionCompleted","total_iterations":2,"status":"skipped""#,
    r#""event":"LoopExecutionCompleted","total_iterations":3,"exhausted":true,"status":"failed""#,
    r#""event":"ConditionExecutionStarted","condition_result":true,"branch":"if""#,
    r#""event":"ConditionExecutionStarted","condition_result":false,"branch":"else""#,
    r#""event":"ConditionExecutionStarted","condition_result":false"#,
    r#""event":"ConditionExecutionStarted","condition_result":null"#,
    r#""event":"ConditionExecutionCompleted","status":"completed""#,
    r#""event":"RouterExecutionStarted","selected_steps":["blog"]"#,
    r#""event":"RouterExecutionStarted","selected_steps":[]"#,
    r#""event":"RouterExecutionCompleted","status":"completed""#,
    r#""event":"MapExecutionStarted","items":["a",{"z":1,"a":[1.5,null]}],"concurrency":2"#,
    r#""event":"MapExecutionStarted","items":[],"concurrency":8"#,
    r#""event":"MapItemStarted","item":1"#,
    r#""event":"MapItemCompleted","item":1,"status":"completed""#,
    r#""event":"MapExecutionCompleted","status":"completed""#,
    r#""event":"MapExecutionCompleted","status":"failed","error":{"code":"state","message":"both","retryable":false,"hint":"use a reducer"}"#,
];

/// The examples of `docs/events.md`: one of each kind, with every field.
fn documented() -> Vec<String> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/events.md");
    let page = std::fs::read_to_string(page).unwrap();
    let lines = page.lines().filter(|line| line.starts_with(r#"{"sequence":"#));
    lines.map(str::to_owned).collect()
}

fn whole(fields: &str) -> String {
    let common = r#""sequence":7,"time_ms":1,"run_id":"r-1","path":"facts/web","step_name":"web""#;
    format!("{{{common},{fields}}}")
}

#[test]
fn a_container_is_written_as_it_ever_was() {
    let mut seen = BTreeSet::new();
    for fields in CONTAINERS {
        let line = whole(fields);
        let event: Event = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{line}: {e}"));
        assert_eq!(serde_json::to_string(&event).unwrap(), line);
        assert_eq!(serde_json::to_value(&event).unwrap().to_string(), line);
        let kind = format!("{{{fields}}}");
        assert_eq!(serde_json::from_str::<EventKind>(&kind).unwrap(), event.kind);
        assert_eq!(serde_json::to_string(&event.kind).unwrap(), kind);
        seen.insert(event.name());
    }
    let names = ContainerKind::ALL.iter().flat_map(|kind| [kind.started(), kind.completed()]);
    assert!(names.into_iter().all(|name| NAMES.contains(&name)));
    assert_eq!(seen.len(), 16);
}

#[test]
fn every_event_is_read_whatever_the_order_of_its_fields() {
    let lines: Vec<_> = documented().into_iter().chain(CONTAINERS.map(whole)).collect();
    assert!(lines.len() > 70, "{}", lines.len());
    for line in lines {
        let event: Event = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{line}: {e}"));
        assert_eq!(serde_json::to_string(&event).unwrap(), line);
        let fields: Map<String, Value> = serde_json::from_str(&line).unwrap();
        let reversed: Map<String, Value> = fields.into_iter().rev().collect();
        let reversed = serde_json::to_string(&reversed).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&reversed).unwrap(), event, "{reversed}");
        let value: Value = serde_json::from_str(&reversed).unwrap();
        assert_eq!(serde_json::from_value::<Event>(value.clone()).unwrap(), event);
        assert_eq!(serde_json::from_value::<EventKind>(value).unwrap(), event.kind);
    }
}

#[test]
fn a_damaged_event_is_refused_with_what_is_wrong() {
    let wrong = [
        (r#"{"event":"StepsExecutionStarted"}"#, "missing field `steps_count`"),
        (r#"{"steps_count":2}"#, "missing field `event`"),
        (r#"{"event":"StepsExecutionStarted","steps_count":-1}"#, "invalid value: integer `-1`"),
        (r#"{"event":"StepsExecutionCompleted"}"#, "missing field `status`"),
        (
            r#"{"event":"LoopIterationCompleted","iteration":1,"status":"completed"}"#,
            "`should_continue`",
        ),
        (r#"{"event":"LoopIterationStarted","iteration":1}"#, "missing field `max_iterations`"),
        (r#"{"event":"MapExecutionStarted","items":[]}"#, "missing field `concurrency`"),
        (r#"{"event":"RouterExecutionStarted","selected_steps":"blog"}"#, "invalid type: string"),
        (
            r#"{"event":"MapItemStarted","item":1,"event":"MapItemStarted"}"#,
            "duplicate field `event`",
        ),
        (
            r#"{"event":"RunContentCompleted","event":"RunContentCompleted"}"#,
            "duplicate field `event`",
        ),
        (r#"{"event":"RunContent"}"#, "missing field `content`"),
        (r#"{"event":"LoopStarted"}"#, "unknown variant `LoopStarted`"),
        (r#"{"event":"ContainerStarted"}"#, "unknown variant `ContainerStarted`"),
        (r#"{"event":7}"#, "invalid type: integer `7`"),
        (r"[7]", "invalid type: sequence"),
    ];
    for (line, why) in wrong {
        let error = serde_json::from_str::<EventKind>(line).unwrap_err().to_string();
        assert!(error.contains(why), "{line}: {error}");
    }
    // No container starts with a decision of another kind.
    let unbounded = Decision::Turn { number: 1, at_most: None };
    for (kind, decision) in
        [(ContainerKind::Loop, Decision::Count(3)), (ContainerKind::Iteration, unbounded)]
    {
        let error = serde_json::to_string(&EventKind::ContainerStarted { kind, decision });
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with(&format!("`{kind}` does not start with")), "{error}");
    }
}

#[test]
fn every_kind_of_container_has_names_of_its_own() {
    let names: BTreeSet<_> = NAMES.iter().collect();
    assert_eq!(names.len(), NAMES.len());
    for kind in ContainerKind::ALL.iter().copied() {
        let json = serde_json::to_string(&StepType::Container(kind)).unwrap();
        assert_eq!(json, format!("{:?}", kind.name()));
        assert_eq!(serde_json::from_str::<StepType>(&json).unwrap(), StepType::Container(kind));
    }
    assert!(serde_json::from_str::<StepType>(r#""Ring""#).is_err());
}
