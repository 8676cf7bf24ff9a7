//! The containers of a file. A kind is a file, with its reading and its building, and a line in
//! [`CONTAINERS`].

mod condition;
mod loops;
mod map;
mod parallel;
mod router;
mod steps;

use crate::format::Item;
use crate::format::form::{Form, Mapping, key, words};
use crate::format::reader::{ContainerKind, Fields, Reader};
use crate::source::Span;
use crate::tree::{Key, Node, Yaml};
use stepwright_core::plan::Join;

/// The kinds of containers.
pub(crate) const CONTAINERS: &[ContainerKind] =
    &[steps::KIND, parallel::KIND, loops::KIND, condition::KIND, router::KIND, map::KIND];

/// The maximum number of branches, or items, at once.
const CONCURRENCY_MAX: u64 = 10_000;

/// Sets the common options of a step or a container.
macro_rules! with_common {
    ($step:expr, $item:expr) => {{
        let step = $step.on_error($item.on_error.clone()).fingerprint($item.content.clone());
        let step = match $item.timeout {
            Some(timeout) => step.timeout(timeout),
            None => step,
        };
        let step = match $item.deadline.clone() {
            Some(deadline) => step.deadline_async(move |input: stepwright_core::StepInput| {
                let deadline = deadline.clone();
                async move { deadline.at("deadline", &input).await }
            }),
            None => step,
        };
        let step = match $item.on_interrupted {
            Some(policy) => step.on_interrupted(policy),
            None => step,
        };
        let step = match $item.queue.clone() {
            Some(queue) => step.queue(queue),
            None => step,
        };
        let step = match $item.budget.clone() {
            Some(budget) => step.budget(budget),
            None => step,
        };
        match $item.review.clone() {
            Some(review) => step.human_review(review),
            None => step,
        }
    }};
}
pub(crate) use with_common;

const JOINS: [(&str, Join); 4] = [
    ("wait_all", Join::WaitAll),
    ("fail_fast", Join::FailFast),
    ("best_effort", Join::BestEffort),
    ("first", Join::First),
];

static QUORUM: Mapping = Mapping {
    name: "join",
    what: "`join`",
    required: &[&["quorum"]],
    members: &[key("quorum", &CONCURRENCY, "How many branches must have an output.")],
};

const CONCURRENCY: Form = Form::Whole(1, CONCURRENCY_MAX);

/// The form of `join`.
const JOIN: Form = Form::Either(&[Form::Words(|| words(&JOINS)), Form::Mapping(&QUORUM)]);

impl Reader<'_> {
    /// Takes the settings of a container: a mapping, or nothing for the defaults.
    fn settings<'n>(&mut self, node: &'n Node, what: &'static str) -> Option<Fields<'n>> {
        static NONE: Node = Node { span: Span { start: 0, len: 0 }, value: Yaml::Map(Vec::new()) };
        match node.value {
            // `parallel:` without a value means the default settings.
            Yaml::Null => Fields::of(self, &NONE, what),
            _ => Fields::of(self, node, what),
        }
    }

    /// Takes the steps inside a container.
    fn body(
        &mut self,
        fields: &mut Fields<'_>,
        name: &'static str,
        kind: &Key,
    ) -> Option<Vec<Item>> {
        let Some((key, node)) = fields.take(name) else {
            let message = format!("`{}` needs `{name}`", kind.name);
            let help = format!("list its steps under `{name}:`, beside `{}:`", kind.name);
            self.push(self.mistake(kind.span, message).help(help));
            return None;
        };
        Some(self.items(node, name, key.span))
    }

    /// Takes the policy for the branches: a word, or `{quorum: 2}`.
    fn join(&mut self, settings: &mut Fields<'_>) -> Join {
        let Some((_, node)) = settings.take("join") else { return Join::default() };
        let Yaml::Map(_) = &node.value else {
            return self.one_of(node, "join", &JOINS).unwrap_or_default();
        };
        let Some(mut fields) = Fields::of(self, node, "`join`") else { return Join::default() };
        let help = "say how many branches must have an output: `join: {quorum: 2}`";
        if !fields.has("quorum") {
            self.push(self.mistake(node.span, "`join` needs `quorum`").help(help));
        }
        let quorum = fields.number(self, "quorum", (1, CONCURRENCY_MAX));
        fields.finish(self);
        let quorum = quorum.and_then(|needed| u32::try_from(needed).ok());
        quorum.map_or_else(Join::default, Join::Quorum)
    }

    fn concurrency(&mut self, settings: &mut Fields<'_>) -> Option<u32> {
        let concurrency = settings.number(self, "concurrency", (1, CONCURRENCY_MAX));
        concurrency.and_then(|number| u32::try_from(number).ok())
    }
}

/// Describes the settings of a container that runs several bodies at once.
fn of_join(join: Join, concurrency: Option<u32>) -> impl Iterator<Item = String> {
    let policy = match join {
        Join::FailFast => Some("fails fast".to_owned()),
        Join::BestEffort => Some("best effort".to_owned()),
        Join::First => Some("the first wins".to_owned()),
        Join::Quorum(needed) => Some(format!("{needed} are enough")),
        _ => None,
    };
    policy.into_iter().chain(concurrency.map(|n| format!("{n} at a time")))
}
