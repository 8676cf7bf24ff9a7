//! The steps of a file as a tree for people.

use crate::duration::display;
use crate::format::{AfterItems, File, Inside, Item, Kind};
use crate::suggest::listed;
use serde::Serialize;
use std::fmt;
use std::time::Duration;
use stepwright_core::plan::{ErrorPolicy, OnError};
use stepwright_core::{HumanReview, OnInterrupted, OnReject, OnTimeout};

/// A workflow, a step or a part of one, with its children.
///
/// ```
/// use stepwright_file::{Definition, Options, Outline};
/// let text = "
/// format: 1
/// name: Revise
/// steps:
///   - {name: again, loop: {at_most: 3}, do: [{name: write, template: '{{ input }}!'}]}
/// ";
/// let outline: Outline = Definition::parse(text, "r.yaml", &Options::default())?.explain();
/// assert_eq!((&*outline.steps[0].kind, &*outline.steps[0].detail), ("loop", "at most 3 turns"));
/// let tree = "Revise\n└─ again  loop  at most 3 turns\n   └─ write  template\n";
/// assert_eq!(outline.to_string(), tree);
/// # Ok::<(), stepwright_file::Diagnostics>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Outline {
    /// The name.
    pub name: String,
    /// The kind of step, which is its key in the file. Empty for the workflow.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The settings, in words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The steps inside.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Self>,
}

impl Outline {
    pub(crate) fn of(file: &File) -> Self {
        let mut steps = of_items(file, &file.steps);
        steps.extend(of_after(file, &file.after));
        let limit = file.timeout.map(|limit| format!("at most {}", display(limit)));
        let queue = file.queue.as_ref().map(|queue| format!("in queue {queue}"));
        let detail = limit.into_iter().chain(queue).collect::<Vec<_>>().join(", ");
        Self { name: file.name.text.clone(), kind: String::new(), detail, steps }
    }

    /// Returns the outline of an agent that is a workflow.
    pub(crate) fn of_agent(name: &str) -> Self {
        let leaf = |kind: &str, steps| Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            detail: String::new(),
            steps,
        };
        leaf("", vec![leaf("agent", Vec::new())])
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, before: &str) -> fmt::Result {
        f.write_str(&self.name)?;
        for part in [&self.kind, &self.detail] {
            if !part.is_empty() {
                write!(f, "  {part}")?;
            }
        }
        writeln!(f)?;
        for (at, step) in self.steps.iter().enumerate() {
            let last = at + 1 == self.steps.len();
            let (branch, below) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            write!(f, "{before}{branch}")?;
            step.write(f, &format!("{before}{below}"))?;
        }
        Ok(())
    }
}

impl fmt::Display for Outline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, "")
    }
}

fn of_item(file: &File, item: &Item) -> Outline {
    let mut details = Vec::new();
    let mut steps = match &item.kind {
        Kind::Agent { agent, .. } => {
            details.push(agent.text.clone());
            let agent = file.agents.iter().find(|other| other.name.text == agent.text);
            if let Some(team) = agent.and_then(|agent| agent.team.as_ref()) {
                let names: Vec<&str> = team.members.iter().map(|it| it.text.as_str()).collect();
                details.push(format!("{} of {}", team.mode, listed(&names)));
            }
            let confirmed = agent.map(|agent| &agent.confirmed[..]).unwrap_or_default();
            if !confirmed.is_empty() {
                let names: Vec<&str> = confirmed.iter().map(String::as_str).collect();
                details.push(format!("asks before it calls {}", listed(&names)));
            }
            Vec::new()
        }
        Kind::Builtin { work, .. } => {
            details.extend(work.details());
            Vec::new()
        }
        Kind::Container(container) => {
            details.extend(container.details());
            let [body, other] = container.bodies();
            match container.inside() {
                Inside::Arms { .. } => of_arms(file, [("then", body), ("else", other)]),
                Inside::Sequence
                | Inside::Turns { .. }
                | Inside::Branches
                | Inside::Choices { .. }
                | Inside::Items { .. } => of_items(file, body),
            }
        }
        Kind::Workflow { path, file, .. } => {
            details.push(path.text.clone());
            let mut steps = of_items(file, &file.steps);
            steps.extend(of_after(file, &file.after));
            steps
        }
        Kind::Unreadable => Vec::new(),
    };
    steps.extend(of_after(file, &item.after));
    if let Some(retry) = item.retry.as_ref().filter(|retry| retry.retries > 0) {
        let times = if retry.retries == 1 { "retry" } else { "retries" };
        let on: Vec<String> = retry.on.iter().map(ToString::to_string).collect();
        let on = if on.is_empty() { String::new() } else { format!(" ({})", on.join(", ")) };
        details.push(format!("{} {times}{on}", retry.retries));
    }
    details.extend(item.history.filter(|earlier| earlier.runs > 0).map(|earlier| {
        let completed = if earlier.completed_only == Some(true) { "completed " } else { "" };
        match earlier.runs {
            1 => format!("knows the {completed}run before"),
            many => format!("knows {many} earlier {completed}runs"),
        }
    }));
    details.extend(item.timeout.map(|timeout| format!("within {}", display(timeout))));
    let deadline = item.deadline.as_ref();
    details.extend(deadline.map(|deadline| format!("until {}", deadline.shown())));
    details.extend(item.idle.map(|idle| format!("idle for at most {}", display(idle))));
    details.extend(of_failures(&item.on_error));
    details.extend(item.on_interrupted.map(|policy| match policy {
        OnInterrupted::Retry => "runs again if interrupted".to_owned(),
        OnInterrupted::Fail => "fails if interrupted".to_owned(),
        OnInterrupted::Ask => "asks a person if interrupted".to_owned(),
    }));
    details.extend(item.queue.as_ref().map(|queue| format!("in queue {queue}")));
    details.extend(item.review.iter().flat_map(of_review));
    Outline {
        name: item.name.text.clone(),
        kind: item.kind.word().into(),
        detail: details.join(", "),
        steps,
    }
}

/// Describes the policy for failures, unless it is the default.
fn of_failures(policy: &ErrorPolicy) -> Vec<String> {
    let told = |on_error| match on_error {
        OnError::Skip => "skipped",
        OnError::Continue => "goes on",
        OnError::Pause => "asks a person",
        _ => "fails",
    };
    let classes = policy.classes.iter();
    let classes =
        classes.map(|(code, on_error)| format!("{} if it fails ({code})", told(*on_error)));
    let otherwise = (policy.otherwise != OnError::Fail)
        .then(|| format!("{} if it fails", told(policy.otherwise)));
    classes.chain(otherwise).collect()
}

fn of_items(file: &File, items: &[Item]) -> Vec<Outline> {
    items.iter().map(|item| of_item(file, item)).collect()
}

/// Returns the steps that run when others have ended.
fn of_after<'a>(
    file: &'a File,
    after: &'a [AfterItems],
) -> impl Iterator<Item = Outline> + use<'a> {
    after.iter().map(|AfterItems { on, items }| Outline {
        name: on.key().into(),
        kind: String::new(),
        detail: String::new(),
        steps: of_items(file, items),
    })
}

/// Returns the branches of a condition that have steps.
fn of_arms(file: &File, arms: [(&str, &[Item]); 2]) -> Vec<Outline> {
    let arms = arms.into_iter().filter(|(_, items)| !items.is_empty());
    arms.map(|(name, items)| Outline {
        name: name.into(),
        kind: String::new(),
        detail: String::new(),
        steps: of_items(file, items),
    })
    .collect()
}

/// Describes a human review.
fn of_review(review: &HumanReview) -> Vec<String> {
    let mut details = Vec::new();
    if review.confirmation.is_some() {
        details.push("asks before it begins".to_owned());
    }
    if let Some(form) = &review.user_input {
        let names = form.schema["properties"].as_object().into_iter().flatten();
        let names: Vec<&str> = names.map(|(name, _)| name.as_str()).collect();
        details.push(format!("asks for {}", listed(&names)));
    }
    if review.output_review.is_some() {
        details.push("a person reviews its output".to_owned());
    }
    if review.iteration_review.is_some() {
        details.push("a person reviews each turn".to_owned());
    }
    details.extend(review.on_reject.map(|on_reject| {
        let what = match on_reject {
            OnReject::Cancel => "the run is cancelled",
            OnReject::Fail => "fails",
            OnReject::Else => "the other steps are done",
            OnReject::Retry => "done again",
            _ => "left out",
        };
        format!("{what} if rejected")
    }));
    if let Some(timeout) = review.timeout_ms {
        let what = match review.on_timeout {
            Some(OnTimeout::Approve) => "as if approved",
            Some(OnTimeout::Reject) => "as if rejected",
            Some(OnTimeout::Default(_)) => "with a default answer",
            _ => "fails",
        };
        details.push(format!("after {} {what}", display(Duration::from_millis(timeout))));
    }
    details
}
