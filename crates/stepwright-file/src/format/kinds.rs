//! Steps and containers. One key determines the kind.

use super::content;
use super::fields::Fields;
use super::read::Reader;
use super::review::Asked;
use super::{Choice, Item, Kind, Limits, Test, Text, Word};
use crate::access::Refused;
use crate::source::Span;
use crate::suggest::listed;
use crate::template::{Flavour, Template};
use crate::tree::{Key, Node, Yaml};
use stepwright_core::path::name_mistake;
use stepwright_core::plan::{
    ErrorPolicy, ITERATIONS_MAX, Join, OnError, OnExhausted, RETRIES_MAX, Retry,
};
use stepwright_core::{ErrorCode, Fingerprint, OnInterrupted};

/// The keys that determine the kind of a step.
pub(crate) const KINDS: [&str; 19] = [
    "agent",
    "template",
    "value",
    "set_state",
    "increment_state",
    "append_state",
    "merge_state",
    "read_files",
    "write_file",
    "http_get",
    "shell",
    "sleep",
    "steps",
    "parallel",
    "loop",
    "if",
    "router",
    "map",
    "workflow",
];

/// The kinds that contain steps. They cannot be retried themselves.
const CONTAINERS: [&str; 7] = ["steps", "parallel", "loop", "if", "router", "map", "workflow"];

const JOINS: [(&str, Join); 3] =
    [("wait_all", Join::WaitAll), ("fail_fast", Join::FailFast), ("best_effort", Join::BestEffort)];

const ON_ERROR: [(&str, OnError); 4] = [
    ("fail", OnError::Fail),
    ("skip", OnError::Skip),
    ("continue", OnError::Continue),
    ("pause", OnError::Pause),
];

/// The classes of failures, with the names that events use.
const CODES: [(&str, ErrorCode); 12] = [
    ("failed", ErrorCode::Failed),
    ("panicked", ErrorCode::Panicked),
    ("timed_out", ErrorCode::TimedOut),
    ("bad_input", ErrorCode::BadInput),
    ("decision", ErrorCode::Decision),
    ("state", ErrorCode::State),
    ("model", ErrorCode::Model),
    ("tool", ErrorCode::Tool),
    ("limit", ErrorCode::Limit),
    ("exhausted", ErrorCode::Exhausted),
    ("rejected", ErrorCode::Rejected),
    ("outcome_unknown", ErrorCode::OutcomeUnknown),
];

/// The values of `on_interrupted`.
pub(super) const ON_INTERRUPTED: [(&str, OnInterrupted); 3] =
    [("retry", OnInterrupted::Retry), ("fail", OnInterrupted::Fail), ("ask", OnInterrupted::Ask)];

const ON_EXHAUSTED: [(&str, OnExhausted); 2] =
    [("fail", OnExhausted::Fail), ("continue", OnExhausted::Continue)];

impl Reader<'_> {
    pub(super) fn item(&mut self, node: &Node) -> Option<Item> {
        let mut fields = Fields::of(self, node, "a step")?;
        let around = std::mem::take(&mut self.state.texts);
        let name = match fields.word(self, "name") {
            Some(name) => Some(self.checked_name(name)?),
            None => None,
        };
        let on_error = self.on_error(&mut fields);
        let asked = fields.take("human_review").and_then(|(key, node)| self.review(key, node));
        let Some((key, word)) = self.kind_of(&mut fields, node) else {
            return name.map(unreadable);
        };
        let leaf = !CONTAINERS.contains(&word) && word != "sleep";
        let on_interrupted = match word {
            "sleep" => None,
            _ => fields.choice(self, "on_interrupted", &ON_INTERRUPTED),
        };
        let (retry, limits, history) = if leaf {
            let retry = self.retry(&mut fields);
            (retry, fields.limits(self, true), fields.history(self))
        } else if word == "sleep" {
            (None, Limits::default(), None)
        } else {
            (None, fields.limits(self, false), None)
        };
        let (_, value) = fields.take(word)?;
        let person_chooses = asked.as_ref().is_some_and(Asked::chooses);
        let person_accepts = asked.as_ref().is_some_and(Asked::accepts_turns);
        let kind = match word {
            "router" => self.router(key, value, person_chooses, &mut fields),
            "loop" => self.repeat(key, value, person_accepts, &mut fields),
            _ => self.kind(word, key, value, &mut fields),
        };
        fields.finish_with(self, |unknown| match unknown {
            "on_interrupted" if word == "sleep" => {
                Some("a `sleep` has no effect that could be repeated".into())
            }
            "retry" | "timeout" | "history" if word == "sleep" => {
                Some("a `sleep` does nothing but wait: it cannot fail or take too long".into())
            }
            "retry" | "history" if !leaf => {
                Some(format!("only steps have a `{unknown}`: give it to those in this `{word}`"))
            }
            _ => None,
        });
        let Some(kind) = kind else {
            return name.map(unreadable);
        };
        let review = asked.map(|asked| self.checked_review(asked, &kind, &on_error));
        let name = match name {
            Some(name) => name,
            None => self.derived_name(&kind, key)?,
        };
        let texts = std::mem::replace(&mut self.state.texts, around);
        let content = content::of_step(node, texts);
        let Limits { total: timeout, idle } = limits;
        Some(Item {
            name,
            kind,
            retry,
            timeout,
            idle,
            history,
            on_error,
            on_interrupted,
            review,
            content,
        })
    }

    /// Returns the one key that determines the kind of a step.
    fn kind_of<'n>(
        &mut self,
        fields: &mut Fields<'_>,
        node: &'n Node,
    ) -> Option<(&'n Key, &'static str)> {
        let Yaml::Map(map) = &node.value else { return None };
        let mut kinds = KINDS.iter().copied().filter(|kind| fields.has(kind));
        let Some(word) = kinds.next() else {
            let keys = map.iter().map(|(key, _)| key);
            let known = [
                "name",
                "on_error",
                "on_interrupted",
                "retry",
                "timeout",
                "history",
                "human_review",
                "prompt",
                "do",
                "then",
                "else",
            ];
            let odd = keys.clone().find(|key| !known.contains(&key.name.as_str()));
            let meant = odd.and_then(|key| crate::suggest::closest(&key.name, KINDS));
            let (span, message) = match odd {
                Some(key) => (key.span, format!("there is no kind of step `{}`", key.name)),
                None => (fields.span, "nothing says what kind of step this is".to_owned()),
            };
            let help = match meant {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("a step has one of the keys {}", listed(&KINDS)),
            };
            self.push(self.mistake(span, message).help(help));
            return None;
        };
        let others: Vec<&str> = kinds.collect();
        if !others.is_empty() {
            let all: Vec<&Key> = map
                .iter()
                .map(|(key, _)| key)
                .filter(|key| key.name == word || others.contains(&key.name.as_str()))
                .collect();
            let [first, second, ..] = all.as_slice() else { return None };
            let message =
                format!("a step is of one kind, not `{}` and `{}`", first.name, second.name);
            let mistake = self.mistake(second.span, message).label("another kind");
            let mistake = mistake.also(first.span, "one kind");
            self.push(mistake.help("make two steps of it"));
            return None;
        }
        let key = map.iter().map(|(key, _)| key).find(|key| key.name == word)?;
        Some((key, word))
    }

    fn kind(
        &mut self,
        word: &'static str,
        key: &Key,
        value: &Node,
        fields: &mut Fields<'_>,
    ) -> Option<Kind> {
        match word {
            "agent" => {
                let agent = self.word(value, "agent");
                let prompt = fields.take("prompt").map(|(_, node)| self.prompt(node));
                // An invalid prompt has been reported, but check the rest of the step too.
                Some(Kind::Agent { agent: agent?, prompt: prompt.flatten() })
            }
            "steps" => Some(Kind::Steps { body: self.items(value, "steps", key.span) }),
            "parallel" => {
                let mut settings = self.settings(value, "`parallel`")?;
                let join = settings.choice(self, "join", &JOINS).unwrap_or_default();
                let concurrency = self.concurrency(&mut settings);
                settings.finish(self);
                let branches = self.body(fields, "branches", key)?;
                Some(Kind::Parallel { join, concurrency, branches })
            }
            "if" => {
                let test = match &value.value {
                    Yaml::Bool(holds) => Some(Test::Constant(*holds)),
                    _ => self.expression(value, "if").map(Test::Expression),
                };
                let then =
                    fields.take("then").map(|(key, node)| self.items(node, "then", key.span));
                let otherwise =
                    fields.take("else").map(|(key, node)| self.items(node, "else", key.span));
                if then.is_none() && otherwise.is_none() {
                    let mistake = self.mistake(key.span, "the condition has no steps");
                    self.push(mistake.help("list them under `then:`, `else:` or both"));
                }
                // An invalid condition has been reported, but check the steps too.
                let test = test.unwrap_or(Test::Constant(true));
                let (then, otherwise) = (then.unwrap_or_default(), otherwise.unwrap_or_default());
                Some(Kind::Condition { test, then, otherwise })
            }
            "map" => {
                let mut settings = self.settings(value, "`map`")?;
                let over = settings.take("over");
                let over = over.and_then(|(_, node)| self.expression(node, "over"));
                let concurrency = self.concurrency(&mut settings);
                let join = settings.choice(self, "join", &JOINS).unwrap_or_default();
                settings.finish(self);
                let body = self.body(fields, "do", key)?;
                Some(Kind::Map { over, concurrency, join, body })
            }
            "workflow" => self.workflow(value),
            _ => self.function(word, key, value),
        }
    }

    fn repeat(
        &mut self,
        key: &Key,
        value: &Node,
        person_accepts: bool,
        fields: &mut Fields<'_>,
    ) -> Option<Kind> {
        let mut settings = self.settings(value, "`loop`")?;
        let bound = ITERATIONS_MAX.into();
        let missing = !settings.has("at_most");
        let at_most = settings.number(self, "at_most", (1, bound));
        if missing {
            let mistake = self.mistake(key.span, "the loop has no bound");
            let help = "say how many turns it takes at most: `loop: {at_most: 3}`";
            self.push(mistake.help(help));
        }
        let has_condition = person_accepts || settings.has("until");
        let until = settings.take("until");
        let until = until.and_then(|(_, node)| self.expression(node, "until"));
        let forward = settings.bool(self, "forward").unwrap_or(false);
        let on_exhausted = settings.take("on_exhausted").and_then(|(key, node)| {
            if !has_condition {
                let message = "a loop without a condition makes all its turns: it cannot run out";
                let mistake = self.mistake(key.span, message);
                self.push(
                    mistake.help("say when it has succeeded with `until:`, or leave this out"),
                );
            }
            self.one_of(node, "on_exhausted", &ON_EXHAUSTED)
        });
        settings.finish(self);
        let body = self.body(fields, "do", key)?;
        let at_most = at_most.and_then(|turns| u32::try_from(turns).ok()).unwrap_or(1);
        Some(Kind::Loop { at_most, until, forward, on_exhausted, body })
    }

    fn settings<'n>(&mut self, node: &'n Node, what: &'static str) -> Option<Fields<'n>> {
        static NONE: Node = Node { span: Span { start: 0, len: 0 }, value: Yaml::Map(Vec::new()) };
        match node.value {
            // `parallel:` without a value means the default settings.
            Yaml::Null => Fields::of(self, &NONE, what),
            _ => Fields::of(self, node, what),
        }
    }

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

    fn concurrency(&mut self, settings: &mut Fields<'_>) -> Option<u32> {
        let concurrency = settings.number(self, "concurrency", (1, 10_000));
        concurrency.and_then(|number| u32::try_from(number).ok())
    }

    fn router(
        &mut self,
        key: &Key,
        value: &Node,
        person_chooses: bool,
        fields: &mut Fields<'_>,
    ) -> Option<Kind> {
        let nothing = matches!(value.value, Yaml::Null);
        let choose = if person_chooses {
            if !nothing {
                let message = "a person chooses here, so that this is never asked";
                let help = "leave `router:` empty, or leave out `requires_route_selection`";
                self.push(self.mistake(value.span, message).help(help));
            }
            Some(Choice::Person)
        } else if nothing {
            let help = "write an expression such as `router: = input.kind`, or let a person \
                        choose with `human_review: {requires_route_selection: Which way?}`";
            self.push(self.mistake(key.span, "nothing says which way to go").help(help));
            None
        } else {
            self.choice(value)
        };
        let choices = self.body(fields, "choices", key)?;
        // An invalid choice has been reported, but check the steps too.
        let choose = choose.unwrap_or(Choice::Constant(Vec::new()));
        Some(Kind::Router { choose, choices })
    }

    fn choice(&mut self, value: &Node) -> Option<Choice> {
        match &value.value {
            Yaml::Text(text) if text.trim_start().starts_with('=') => {
                self.expression(value, "router").map(Choice::Expression)
            }
            Yaml::Text(text) => {
                Some(Choice::Constant(vec![Word { text: text.clone(), span: value.span }]))
            }
            Yaml::List(list) => {
                let words: Vec<_> =
                    list.iter().filter_map(|one| self.word(one, "a choice")).collect();
                Some(Choice::Constant(words))
            }
            _ => {
                self.wrong_type(
                    value,
                    "`router` is an expression, the name of a choice, or a list of names",
                );
                None
            }
        }
    }

    fn prompt(&mut self, node: &Node) -> Option<Text> {
        let (word, source) = self.text_or_file(node, "prompt")?;
        let mut written = self.written(&word, 0);
        written.source = source;
        let template = self.parsed(Template::parse(&word.text, Flavour::Plain), &written)?;
        Some(Text { template, written })
    }

    fn workflow(&mut self, value: &Node) -> Option<Kind> {
        let path = self.word(value, "workflow")?;
        match self.referred_workflow(&path.text) {
            Ok(file) => Some(Kind::Workflow { path, file: Box::new(file?) }),
            Err(Refused { why, help }) => {
                let message = format!("cannot use `{}`: {why}", path.text);
                let mistake = self.mistake(path.span, message).maybe_help(help);
                self.push(mistake);
                None
            }
        }
    }

    fn retry(&mut self, fields: &mut Fields<'_>) -> Option<Retry> {
        let (key, node) = fields.take("retry")?;
        let mut retry = Retry::default();
        let most = u64::from(RETRIES_MAX);
        if let Yaml::Number(number) = &node.value {
            if let Some(retries) = number.as_u64().filter(|number| *number <= most) {
                retry.retries = u32::try_from(retries).unwrap_or(RETRIES_MAX);
            } else {
                let message = format!("`retry` is a whole number from 0 to {most}");
                let mistake = self.mistake(node.span, message);
                self.push(mistake);
            }
            return Some(retry);
        }
        let mut settings = Fields::of(self, node, "`retry`")?;
        let is_said = settings.has("max");
        if !is_said {
            let mistake = self.mistake(key.span, "`retry` needs `max`");
            self.push(mistake.help("say how often it is tried again: `retry: {max: 2}`"));
        }
        if let Some(max) = settings.number(self, "max", (0, most)) {
            retry.retries = u32::try_from(max).unwrap_or(RETRIES_MAX);
        }
        let ms = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        if let Some(backoff) = settings.duration(self, "backoff") {
            retry.backoff_ms = ms(backoff);
            retry.backoff_max_ms = retry.backoff_max_ms.max(retry.backoff_ms);
        }
        if let Some(backoff) = settings.duration(self, "max_backoff") {
            retry.backoff_max_ms = ms(backoff);
        }
        if let Some((key, node)) = settings.take("on") {
            if is_said && retry.retries == 0 {
                let mistake = self.mistake(key.span, "a step with `on` is tried again");
                self.push(mistake.help("set `max` to at least 1"));
            }
            let codes = self.list(node, "on").unwrap_or_default();
            retry.on = codes.iter().filter_map(|code| self.one_of(code, "on", &CODES)).collect();
        }
        settings.finish(self);
        Some(retry)
    }

    /// Takes the policy for failures: a word, or a word for each class.
    fn on_error(&mut self, fields: &mut Fields<'_>) -> ErrorPolicy {
        let Some((_, node)) = fields.take("on_error") else { return ErrorPolicy::default() };
        let Yaml::Map(_) = &node.value else {
            return self.one_of(node, "on_error", &ON_ERROR).unwrap_or_default().into();
        };
        let Some(mut fields) = Fields::of(self, node, "`on_error`") else {
            return ErrorPolicy::default();
        };
        let otherwise = fields.choice(self, "otherwise", &ON_ERROR).unwrap_or_default();
        let mut policy = ErrorPolicy::from(otherwise);
        for (name, code) in CODES {
            if let Some(on_error) = fields.choice(self, name, &ON_ERROR) {
                policy = policy.but(code, on_error);
            }
        }
        fields.finish(self);
        policy
    }

    fn checked_name(&mut self, name: Word) -> Option<Word> {
        match name_mistake(&name.text) {
            None => Some(name),
            Some(what) => {
                let mistake = self.mistake(name.span, what);
                self.push(mistake.label("the name of a step"));
                None
            }
        }
    }

    fn derived_name(&mut self, kind: &Kind, key: &Key) -> Option<Word> {
        let text = match kind {
            Kind::Agent { agent, .. } => agent.text.clone(),
            Kind::Function(function) => function.word().to_owned(),
            Kind::Workflow { file, .. } => file.name.text.clone(),
            _ => {
                let message = format!("`{}` needs a `name`", key.name);
                let mistake = self.mistake(key.span, message);
                self.push(mistake.help("later steps, events and errors refer to it by name"));
                // Use any unique name, so that the steps inside can still be checked.
                format!("{} at {}", key.name, key.span.start)
            }
        };
        self.checked_name(Word { text, span: key.span })
    }
}

/// Returns a placeholder for a step with reported mistakes, so that references to it are valid.
fn unreadable(name: Word) -> Item {
    let (retry, timeout, idle, history) = (None, None, None, None);
    let (kind, on_error) = (Kind::Unreadable, ErrorPolicy::default());
    let (content, on_interrupted, review) = (Fingerprint::default(), None, None);
    Item { name, kind, retry, timeout, idle, history, on_error, on_interrupted, review, content }
}
