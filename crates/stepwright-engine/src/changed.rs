//! Differences between a definition and the one with which a run began.

use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;
use stepwright_core::event::{ContainerKind, Event, EventClass, EventKind};
use stepwright_core::plan::{Node, NodeKind, Plan, children};
use stepwright_core::{Error, ErrorId, Fingerprint, StepPath};

/// The largest number of differences in a message.
const DIFFERENCES_MAX: usize = 20;

/// Returns the digest of the plan that a run uses: the one it began with, or a changed one that was
/// accepted later.
pub(crate) fn digest_of<'e>(past: impl DoubleEndedIterator<Item = &'e Event>) -> Option<Arc<str>> {
    past.rev().find_map(|fact| match &fact.kind {
        EventKind::WorkflowContinued { digest: Some(digest), .. } => Some(digest.clone()),
        EventKind::WorkflowForked(forked) => Some(forked.digest.clone()),
        EventKind::WorkflowStarted(started) => Some(started.digest.clone()),
        _ => None,
    })
}

/// Checks that a run which began with the plan `before` may go on with the plan `now`.
///
/// # Errors
/// The differences, in lines that people can read. With `accept`, only if a step that the run has
/// executed is gone.
pub(crate) fn difference(
    workflow: &str,
    before: Option<&Plan>,
    now: &Plan,
    past: &[Event],
    accept: bool,
) -> Result<(), Error> {
    let gone = gone(now, past);
    if accept && gone.is_empty() {
        return Ok(());
    }
    let run = past.first().map_or("", |fact| fact.run.as_str());
    let mut message = format!("workflow `{workflow}` has changed since run `{run}` began");
    let lines = match before {
        Some(before) => compare(before, now),
        None => vec!["what it was like is not known".to_owned()],
    };
    let more = lines.len().saturating_sub(DIFFERENCES_MAX);
    for line in lines.iter().take(DIFFERENCES_MAX) {
        let _ = write!(message, "\n  {line}");
    }
    if more > 0 {
        let _ = write!(message, "\n  and {more} more");
    }
    let hint = match gone.first() {
        None => "resume it with the definition it began with, or accept the change: all that the \
                 run has done so far is still there"
            .to_owned(),
        Some(path) => format!(
            "resume it with the definition it began with: the run has done `{path}`, which is not \
             there any more or is of another kind"
        ),
    };
    let id =
        if gone.is_empty() { ErrorId::DEFINITION_CHANGED } else { ErrorId::EXECUTED_STEP_GONE };
    Err(Error::usage(message).with_id(id).with_hint(hint))
}

/// Checks that everything that a run has done so far is the same in the plan `now`, so that its
/// replay gives the same.
///
/// # Errors
/// The first difference. Steps that the run has not begun may differ.
pub(crate) fn same_past(
    workflow: &str,
    before: Option<&Plan>,
    now: &Plan,
    past: &[Event],
) -> Result<(), Error> {
    let run = past.first().map_or("", |fact| fact.run.as_str());
    let begun: HashSet<String> = past
        .iter()
        .filter(|fact| matches!(fact.kind.class(), EventClass::Started(_)))
        .map(|fact| without_numbers(fact.path.as_str()))
        .collect();
    let first = match before {
        Some(before) => first_difference(&before.body, &now.body, "", true, &begun),
        None => Some("the definition with which it began is not known".to_owned()),
    };
    let Some(first) = first else { return Ok(()) };
    let message = format!(
        "run `{run}` cannot be moved to the changed workflow `{workflow}`: it has done something \
         that is another thing there\n  {first}"
    );
    let hint = "take the change back for what the run has done, or accept it: all that the run has \
                done so far stays as it is";
    Err(Error::usage(message).with_id(ErrorId::DEFINITION_CHANGED).with_hint(hint))
}

/// Returns the first difference among the nodes that have begun.
fn first_difference(
    before: &[Node],
    now: &[Node],
    at: &str,
    in_sequence: bool,
    begun: &HashSet<String>,
) -> Option<String> {
    let path = |name: &str| match at {
        "" => name.to_owned(),
        at => format!("{at}/{name}"),
    };
    let has_begun = |node: &&Node| begun.contains(&path(&node.name));
    for (nth, old) in before.iter().enumerate().filter(|(_, node)| has_begun(node)) {
        let path = path(&old.name);
        let new = if in_sequence {
            match now.get(nth) {
                Some(new) if new.name == old.name => new,
                Some(new) => return Some(format!("`{}` stands where `{path}` was", new.name)),
                None => return Some(format!("- `{path}` is not there any more")),
            }
        } else {
            match now.iter().find(|new| new.name == old.name) {
                Some(new) => new,
                None => return Some(format!("- `{path}` is not there any more")),
            }
        };
        let mut lines = Vec::new();
        settings(&flat(old), &flat(new), &format!("`{path}`"), &mut lines);
        contents(&old.content, &new.content, &format!("`{path}`"), &mut lines);
        if let Some(first) = lines.into_iter().next() {
            return Some(first);
        }
        let sequence = !matches!(old.kind, NodeKind::Parallel { .. } | NodeKind::Router { .. });
        if let NodeKind::Parallel { branches, .. } = &old.kind
            && let NodeKind::Parallel { branches: others, .. } = &new.kind
            && let Some(more) =
                others.iter().find(|new| !branches.iter().any(|old| old.name == new.name))
        {
            return Some(format!("+ `{path}/{}` is new in a parallel that has begun", more.name));
        }
        for (old, new) in children(old).into_iter().zip(children(new)) {
            if let Some(first) = first_difference(old, new, &path, sequence, begun) {
                return Some(first);
            }
        }
    }
    None
}

/// Returns the paths that the run has executed and that the plan does not have.
fn gone(now: &Plan, past: &[Event]) -> Vec<StepPath> {
    let mut nodes = addresses(&now.body);
    nodes.extend(addresses(&now.after));
    let mut gone = Vec::new();
    for event in past.iter().filter(|event| event.name().ends_with("Started")) {
        let of_step = matches!(
            event.kind,
            EventKind::StepAttemptStarted { .. }
                | EventKind::StepEffectStarted { .. }
                | EventKind::StepProcessStarted { .. }
        );
        if event.path.is_root()
            || event.kind.is_of_executor()
            || event.path.number().is_some()
            // The fingerprint of the step that calls it tells whether it has changed.
            || event.path.is_in_called_workflow()
            || of_step
        {
            continue;
        }
        let kind = nodes.get(&without_numbers(event.path.as_str()));
        if kind.is_none_or(|kind| started_by(kind) != event.name()) {
            gone.push(event.path.clone());
        }
    }
    gone
}

/// Returns the name of the fact with which a node of this kind begins.
fn started_by(kind: &NodeKind) -> &'static str {
    kind.container().map_or("StepStarted", ContainerKind::started)
}

fn without_numbers(path: &str) -> String {
    let names = path.split('/').map(|name| name.split_once('#').map_or(name, |(name, _)| name));
    names.collect::<Vec<_>>().join("/")
}

/// Returns all nodes by path, without the numbers of turns and items.
fn addresses(body: &[Node]) -> HashMap<String, &NodeKind> {
    let mut found = HashMap::new();
    collect(body, "", &mut found);
    found
}

fn collect<'p>(body: &'p [Node], at: &str, found: &mut HashMap<String, &'p NodeKind>) {
    for node in body {
        let gap = if at.is_empty() { "" } else { "/" };
        let path = format!("{at}{gap}{}", node.name);
        for inner in children(node) {
            collect(inner, &path, found);
        }
        found.insert(path, &node.kind);
    }
}

/// Returns the differences between two plans, one per line.
fn compare(before: &Plan, now: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    // If the earlier plan had no content, its content cannot be compared.
    let plain;
    let now = if before.content.is_some() {
        now
    } else {
        plain = now.without_content();
        &plain
    };
    if let (Some(before), Some(now)) = (&before.content, &now.content) {
        contents(before, now, "the workflow", &mut lines);
    }
    settings(&whole(before), &whole(now), "the workflow", &mut lines);
    bodies(&before.body, &now.body, "", &mut lines);
    bodies(&before.after, &now.after, "", &mut lines);
    if lines.is_empty() {
        lines.push("the order of its steps".to_owned());
    }
    lines
}

fn bodies(before: &[Node], now: &[Node], at: &str, lines: &mut Vec<String>) {
    let path = |name: &str| match at {
        "" => name.to_owned(),
        at => format!("{at}/{name}"),
    };
    for old in before {
        if !now.iter().any(|new| new.name == old.name) {
            lines.push(format!("- `{}` is not there any more", path(&old.name)));
        }
    }
    for new in now {
        let path = path(&new.name);
        let Some(old) = before.iter().find(|old| old.name == new.name) else {
            lines.push(format!("+ `{path}` is new"));
            continue;
        };
        settings(&flat(old), &flat(new), &format!("`{path}`"), lines);
        contents(&old.content, &new.content, &format!("`{path}`"), lines);
        let (olds, news) = (children(old), children(new));
        bodies(&olds.concat(), &news.concat(), &path, lines);
    }
    let order = |nodes: &[Node], others: &[Node]| -> Vec<_> {
        let known = nodes.iter().filter(|node| others.iter().any(|other| other.name == node.name));
        known.map(|node| node.name.clone()).collect()
    };
    if order(before, now) != order(now, before) {
        let place = if at.is_empty() { "the workflow".to_owned() } else { format!("`{at}`") };
        lines.push(format!("~ the steps of {place} stand in another order"));
    }
}

/// Adds the differences between the contents of two nodes with the same name.
fn contents(old: &Fingerprint, new: &Fingerprint, of: &str, lines: &mut Vec<String>) {
    lines.extend(old.differences(new).map(|difference| format!("~ {of}: {difference}")));
}

/// Adds the differences between the settings of two nodes with the same name, or of two workflows,
/// without the nodes inside. `whose` begins each line.
fn settings(old: &Value, new: &Value, whose: &str, lines: &mut Vec<String>) {
    values(Some(old), Some(new), "", &mut |key, before, now| {
        let shown = |value: Option<&Value>| match value {
            None | Some(Value::Null) => "nothing".to_owned(),
            Some(value) => value.to_string(),
        };
        lines.push(format!("~ {whose}: `{key}` was {} and is {}", shown(before), shown(now)));
    });
}

/// Calls `tell` with the name of each value that differs between two, and with both values.
fn values(
    old: Option<&Value>,
    new: Option<&Value>,
    name: &str,
    tell: &mut impl FnMut(&str, Option<&Value>, Option<&Value>),
) {
    if old == new {
        return;
    }
    let (Some(olds), Some(news)) = (old.and_then(Value::as_object), new.and_then(Value::as_object))
    else {
        return tell(name, old, new);
    };
    for key in olds.keys().chain(news.keys().filter(|key| !olds.contains_key(*key))) {
        let dot = if name.is_empty() { "" } else { "." };
        values(olds.get(key), news.get(key), &format!("{name}{dot}{key}"), tell);
    }
}

/// Returns the settings of a workflow by name.
fn whole(plan: &Plan) -> Value {
    json!({ "reducers": plan.reducers, "budget": plan.budget })
}

/// Returns the settings of a node by name.
fn flat(node: &Node) -> Value {
    let mut all = serde_json::to_value(node).unwrap_or_default();
    let Some(members) = all.as_object_mut() else { return all };
    for key in ["index", "name", "content", "after"] {
        members.shift_remove(key);
    }
    let kind = members.shift_remove("kind").unwrap_or_default();
    if let Some((name, inner)) = kind.as_object().and_then(|kind| kind.iter().next()) {
        members.insert("kind".to_owned(), name.as_str().into());
        // The nodes inside are compared one by one.
        let bodies = children(node).map(|body| serde_json::to_value(body).unwrap_or_default());
        for (key, value) in inner.as_object().into_iter().flatten() {
            if !bodies.contains(value) {
                members.insert(key.clone(), value.clone());
            }
        }
    }
    all
}
