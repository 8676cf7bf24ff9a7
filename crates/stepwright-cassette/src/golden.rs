//! The golden tree: what happened in a run, by path, without times, ids and consumption.

use crate::difference::Difference;
use crate::format::bounded;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use stepwright_core::event::EventClass;
use stepwright_core::requirement::RequirementId;
use stepwright_core::{Event, EventKind, StepPath};

/// The events of a run by path, in the order in which the paths began.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Golden(Vec<(StepPath, Vec<Value>)>);

/// The executions of which only the ends are compared, because a recording answers them whole.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    pub(crate) steps: HashSet<StepPath>,
    pub(crate) calls: HashSet<StepPath>,
}

impl Golden {
    pub(crate) fn of(facts: &[Event], whole: &Whole) -> Self {
        let (mut golden, mut places) = (Self::default(), HashMap::new());
        for event in facts {
            let Some(shown) = shown(event, whole) else { continue };
            let at = *places.entry(event.path.clone()).or_insert_with(|| {
                golden.0.push((event.path.clone(), Vec::new()));
                golden.0.len() - 1
            });
            let events = &mut golden.0[at].1;
            // A process that died may have left the beginning of a call twice.
            if events.last() != Some(&shown) {
                events.push(shown);
            }
        }
        golden
    }

    /// Returns the first difference, in the order of `facts`. `has_ended` is `false` if the run was
    /// stopped on the way, so that what is missing is no difference.
    pub(crate) fn difference(
        &self,
        facts: &[Event],
        whole: &Whole,
        has_ended: bool,
    ) -> Option<Difference> {
        let recorded: HashMap<&StepPath, &Vec<Value>> =
            self.0.iter().map(|(at, events)| (at, events)).collect();
        let mut seen: HashMap<&StepPath, (usize, Option<Value>)> = HashMap::new();
        for event in facts {
            let Some(came) = shown(event, whole) else { continue };
            let (nth, last) = seen.entry(&event.path).or_default();
            if last.as_ref() == Some(&came) {
                continue;
            }
            *last = Some(came.clone());
            let known = recorded.get(&event.path).and_then(|events| events.get(*nth));
            *nth += 1;
            if known != Some(&came) {
                return Some(differing(&event.path, known, Some(&came)));
            }
        }
        if !has_ended {
            return None;
        }
        self.0.iter().find_map(|(at, events)| {
            let missing = events.get(seen.get(at).map_or(0, |(nth, _)| *nth))?;
            Some(differing(at, Some(missing), None))
        })
    }

    /// Returns the tree as a value.
    pub(crate) fn to_value(&self) -> Value {
        let places = self.0.iter().enumerate().map(|(place, (at, _))| (at, place));
        let places: HashMap<&StepPath, usize> = places.collect();
        let mut inside: HashMap<Option<usize>, Vec<usize>> = HashMap::new();
        for (place, (at, _)) in self.0.iter().enumerate() {
            let mut around = at.parent();
            while let Some(parent) = around.as_ref().filter(|parent| !places.contains_key(parent)) {
                around = parent.parent();
            }
            let around = around.and_then(|parent| places.get(&parent).copied());
            inside.entry(around).or_default().push(place);
        }
        let roots = inside.get(&None).into_iter().flatten();
        let tree: Vec<Value> = roots.map(|place| self.node(*place, &inside)).collect();
        json!({"golden": crate::format::VERSION, "tree": tree})
    }

    fn node(&self, place: usize, children: &HashMap<Option<usize>, Vec<usize>>) -> Value {
        let (at, events) = &self.0[place];
        let mut node = Map::new();
        node.insert("at".into(), at.as_str().into());
        node.insert("events".into(), events.clone().into());
        let inside = children.get(&Some(place)).into_iter().flatten();
        let inside: Vec<Value> = inside.map(|child| self.node(*child, children)).collect();
        if !inside.is_empty() {
            node.insert("within".into(), inside.into());
        }
        node.into()
    }

    /// Reads the tree from a value.
    pub(crate) fn from_value(value: &Value) -> Option<Self> {
        fn read(node: &Value, golden: &mut Golden) -> Option<()> {
            let at = node["at"].as_str()?;
            let at = if at.is_empty() { StepPath::root() } else { at.parse().ok()? };
            golden.0.push((at, node["events"].as_array()?.clone()));
            for inside in node["within"].as_array().into_iter().flatten() {
                read(inside, golden)?;
            }
            Some(())
        }
        let mut golden = Self::default();
        for node in value["tree"].as_array()? {
            read(node, &mut golden)?;
        }
        Some(golden)
    }
}

fn differing(at: &StepPath, recorded: Option<&Value>, came: Option<&Value>) -> Difference {
    let name = |event: &Value| event["event"].as_str().unwrap_or_default().to_owned();
    let (at, whole) = (at.as_str(), |event: &Value| Some(event.clone()));
    match (recorded, came) {
        (Some(one), Some(other)) if name(one) == name(other) => {
            Difference::of(at, &format!("`{}`", name(one)), one, other)
        }
        (Some(one), Some(other)) => {
            let what = format!("the next event (`{}` or `{}`)", name(one), name(other));
            Difference {
                at: at.into(),
                what,
                recorded: whole(one),
                came: whole(other),
                nearest: None,
            }
        }
        (one, other) => {
            let what = format!("`{}`", one.or(other).map(name).unwrap_or_default());
            let (recorded, came) = (one.and_then(whole), other.and_then(whole));
            Difference { at: at.into(), what, recorded, came, nearest: None }
        }
    }
}

/// Returns an event without all that differs from run to run. `None` for events that belong to the
/// way in which a run was driven.
fn shown(event: &Event, whole: &Whole) -> Option<Value> {
    use EventKind as E;
    let at = &event.path;
    let (mut in_step, mut in_call) = (whole.steps.contains(at), false);
    let mut around = at.parent();
    while let Some(place) = around {
        in_step |= whole.steps.contains(&place);
        in_call |= whole.calls.contains(&place);
        around = place.parent();
    }
    if in_call || (in_step && !is_of_engine(event)) {
        return None;
    }
    // A question about what a dead process had done.
    if kind_of_request(event).is_some_and(|kind| &*kind == "interrupted") {
        return None;
    }
    match event.kind.class() {
        EventClass::RunPaused
        | EventClass::RunContinued
        | EventClass::RunHandedOver
        | EventClass::RunRetried(_)
        | EventClass::RunForked(_)
        | EventClass::RunStopping
        | EventClass::AnswerRefused(_)
        | EventClass::Effect
        | EventClass::Budget
        | EventClass::Delta => return None,
        _ => {}
    }
    match &event.kind {
        E::StepAttemptStarted { .. } | E::ModelRequestStarted { .. } | E::DeadlineSet { .. } => {
            return None;
        }
        E::WorkflowStarted(started) => {
            let input = serde_json::to_value(&*started.input).unwrap_or_default();
            return Some(bounded(json!({"event": "WorkflowStarted", "input": input})));
        }
        _ => {}
    }
    let Ok(Value::Object(mut shown)) = serde_json::to_value(&event.kind) else { return None };
    for name in
        ["usage", "cost", "delay_ms", "by", "notice", "warning", "partial", "reason", "attempts"]
    {
        shown.remove(name);
    }
    if let Some(Value::Object(output)) = shown.get_mut("output") {
        output.remove("usage");
    }
    if let Some(Value::Object(asked)) = shown.get_mut("requirement") {
        asked.remove("due");
    }
    if let Some(error) = shown.get_mut("error") {
        *error = error_of(error);
    }
    if let Some(error) = shown.get_mut("end").and_then(|end| end.get_mut("error")) {
        *error = error_of(error);
    }
    Some(bounded(shown.into()))
}

/// Returns the parts of an error that do not depend on the machine.
fn error_of(error: &Value) -> Value {
    json!({"code": error["code"], "message": error["message"]})
}

/// Returns `true` for the events that the engine records for a step, and not its function.
fn is_of_engine(event: &Event) -> bool {
    match event.kind.class() {
        EventClass::Started(_) | EventClass::StepEnded(_) | EventClass::Attempt => true,
        _ => kind_of_request(event).is_some_and(|kind| {
            !["wait", "event", "sleep", "once", "permit"]
                .iter()
                .any(|begins| kind.starts_with(begins))
        }),
    }
}

/// Returns the kind of the request that an event makes or answers.
fn kind_of_request(event: &Event) -> Option<Arc<str>> {
    let id = match event.kind.class() {
        EventClass::Asked(asked) => &asked.id,
        EventClass::Answered(reply) => &reply.requirement_id,
        _ => return None,
    };
    RequirementId::parse(id, &event.path).map(|id| id.kind)
}
