//! Steps and containers. One key determines the kind.

use super::changed_prompt;
use super::content;
use super::reader::{BuiltinKind, Fields, ReadContainer, Reader, WrittenContainer};
use super::review::Asked;
use super::used::USE;
use super::{AGENT, Item, Kind, Limits, TEAM, Text, Word};
use crate::access::Refused;
use crate::suggest::listed;
use crate::template::Flavour;
use crate::tree::{Key, Node, Yaml};
use std::sync::Arc;
use stepwright_core::dispatch::queue_mistake;
use stepwright_core::path::name_mistake;
use stepwright_core::plan::{After, ErrorPolicy, OnError, RETRIES_MAX, Retry};
use stepwright_core::{ErrorCode, ErrorId, Fingerprint, OnInterrupted};

/// The key of a file that is a step.
const WORKFLOW: &str = "workflow";

/// A kind of step, before its value is read.
#[derive(Clone, Copy)]
enum KindOf {
    Agent,
    Team,
    Builtin(BuiltinKind),
    Container(ReadContainer),
    Workflow,
}

pub(super) const ON_ERROR: [(&str, OnError); 4] = [
    ("fail", OnError::Fail),
    ("skip", OnError::Skip),
    ("continue", OnError::Continue),
    ("pause", OnError::Pause),
];

/// The classes of failures, with the names that events use.
pub(super) const CODES: [(&str, ErrorCode); 13] = [
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
    ("guardrail", ErrorCode::Guardrail),
];

/// The maximum factor by which the wait between attempts grows.
pub(super) const FACTOR_MAX: f64 = 100.0;

/// The values of `on_interrupted`.
pub(crate) const ON_INTERRUPTED: [(&str, OnInterrupted); 3] =
    [("retry", OnInterrupted::Retry), ("fail", OnInterrupted::Fail), ("ask", OnInterrupted::Ask)];

impl Reader<'_> {
    pub(super) fn item(&mut self, node: &Node) -> Option<Item> {
        let mut fields = Fields::of(self, node, "a step")?;
        let around = std::mem::take(&mut self.state.texts);
        let name = match fields.word(self, "name") {
            Some(name) => Some(self.checked_name(name)?),
            None => None,
        };
        // What it stands for could not be found, which has been reported.
        if fields.take(USE).is_some() {
            return name.map(unreadable);
        }
        let on_error = self.on_error(&mut fields);
        let asked = fields.take("human_review").and_then(|(key, node)| self.review(key, node));
        let Some((key, (word, kind_of))) = self.kind_of(&mut fields, node) else {
            return name.map(unreadable);
        };
        let (is_step, without) = match kind_of {
            KindOf::Agent | KindOf::Team => (true, &[][..]),
            KindOf::Builtin(builtin) => (true, builtin.without),
            KindOf::Container(_) | KindOf::Workflow => (false, &[][..]),
        };
        let has = |option| without.iter().all(|(lacking, _)| *lacking != option);
        let on_interrupted = if has("on_interrupted") {
            fields.choice(self, "on_interrupted", &ON_INTERRUPTED)
        } else {
            None
        };
        let retry = if is_step && has("retry") { self.retry(&mut fields) } else { None };
        let limits = if has("timeout") { fields.limits(self, is_step) } else { Limits::default() };
        let deadline = if has("deadline") { fields.take("deadline") } else { None };
        let deadline = deadline.and_then(|(_, node)| self.deadline(node));
        let queue = self.queue(&mut fields);
        let history = if is_step && has("history") { fields.history(self) } else { None };
        let is_container = matches!(kind_of, KindOf::Container(_));
        let on = match is_container {
            true => &[After::Failure, After::Always][..],
            false if has(After::Undo.key()) => &[After::Undo],
            false => &[],
        };
        let after = self.after(&mut fields, on);
        let workspace = if is_step { self.workspace(&mut fields) } else { None };
        let sandbox = if is_step { self.sandbox(&mut fields) } else { None };
        let budget = fields.take("budget").and_then(|(_, node)| self.budget(node, "budget"));
        let guardrails = if is_step { self.guardrails(&mut fields, true) } else { Vec::new() };
        let (_, value) = fields.take(word)?;
        let kind = match kind_of {
            KindOf::Agent => self.agent_step(value, &mut fields),
            KindOf::Team => self.team_step(value, &mut fields),
            KindOf::Builtin(builtin) => {
                let work = (builtin.read)(self, key, value);
                work.map(|work| Kind::Builtin { word, work })
            }
            KindOf::Container(read) => {
                let (fields, review) = (&mut fields, asked.as_ref().map(Asked::review));
                let mut written = WrittenContainer { key, value, fields, review };
                read(self, &mut written).map(Kind::Container)
            }
            KindOf::Workflow => self.workflow(value, &mut fields),
        };
        fields.finish_with(self, |unknown| {
            let reason = without.iter().find(|(lacking, _)| *lacking == unknown);
            match unknown {
                "retry" | "history" if !is_step => Some(format!(
                    "only steps have a `{unknown}`: give it to those in this `{word}`"
                )),
                "sandbox" | "workspace" if !is_step => Some(format!(
                    "give it to the steps in this `{word}`, or to the file for all of them"
                )),
                "guardrails" if !is_step => {
                    Some(format!("give them to the steps and agents in this `{word}`"))
                }
                "undo" if !is_step => Some(format!("give it to the steps in this `{word}`")),
                "finally" | "on_failure" if matches!(kind_of, KindOf::Workflow) => {
                    Some(format!("write `{unknown}` at the top of that file"))
                }
                "finally" | "on_failure" => {
                    Some(format!("put the step into `steps: […]`, and `{unknown}` beside that"))
                }
                _ => reason
                    .map(|(_, reason)| (*reason).to_owned())
                    .or_else(|| crate::suggest::other_way(unknown).map(str::to_owned)),
            }
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
        let container = matches!(kind_of, KindOf::Container(_)).then_some(word);
        let content = content::of_step(node, container, texts);
        let Limits { total: timeout, idle } = limits;
        Some(Item {
            name,
            kind,
            retry,
            timeout,
            idle,
            deadline,
            queue,
            history,
            on_error,
            on_interrupted,
            budget,
            sandbox,
            workspace,
            review,
            content,
            guardrails,
            after,
        })
    }

    /// Returns the kinds of steps with their keys.
    fn kinds(&self) -> Vec<(&'static str, KindOf)> {
        let kinds = self.state.kinds;
        let builtins = kinds.builtins.iter().map(|kind| (kind.key, KindOf::Builtin(*kind)));
        let containers = kinds.containers.iter();
        let containers = containers.map(|kind| (kind.key, KindOf::Container(kind.read)));
        let own = [(AGENT, KindOf::Agent), (TEAM, KindOf::Team)].into_iter();
        own.chain(builtins).chain(containers).chain([(WORKFLOW, KindOf::Workflow)]).collect()
    }

    /// Returns the keys that determine the kind of a step.
    fn words(&self) -> Vec<&'static str> {
        self.kinds().into_iter().map(|(word, _)| word).collect()
    }

    /// Returns the one key that determines the kind of a step.
    fn kind_of<'n>(
        &mut self,
        fields: &mut Fields<'_>,
        node: &'n Node,
    ) -> Option<(&'n Key, (&'static str, KindOf))> {
        let Yaml::Map(map) = &node.value else { return None };
        let mut kinds = self.kinds().into_iter().filter(|(word, _)| fields.has(word));
        let Some((word, kind)) = kinds.next() else {
            let keys = map.iter().map(|(key, _)| key);
            let known = [
                "name",
                "on_error",
                "on_interrupted",
                "retry",
                "timeout",
                "deadline",
                "queue",
                "history",
                "human_review",
                "budget",
                "prompt",
                "do",
                "then",
                "else",
                "finally",
                "on_failure",
                "undo",
                "with",
            ];
            let odd = keys.clone().find(|key| !known.contains(&key.name.as_str()));
            let words = self.words();
            let known = |meant: &&'static str| words.contains(meant);
            let mut keys = map.iter().map(|(key, _)| key.name.as_str());
            let elsewhere = keys.find_map(|key| crate::suggest::elsewhere(key).filter(known));
            let odd = match elsewhere {
                Some(meant) => {
                    let is_meant = |key: &str| crate::suggest::elsewhere(key) == Some(meant);
                    map.iter().map(|(key, _)| key).find(|key| is_meant(&key.name)).or(odd)
                }
                None => odd,
            };
            let meant = odd.and_then(|key| crate::suggest::closest(&key.name, self.words()));
            let meant = elsewhere.or(meant);
            let (span, message) = match odd {
                Some(key) => (key.span, format!("there is no kind of step `{}`", key.name)),
                None => (fields.span, "nothing says what kind of step this is".to_owned()),
            };
            let help = match meant {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("a step has one of the keys {}", listed(&self.words())),
            };
            self.push(self.mistake(span, message).help(help));
            return None;
        };
        let others: Vec<&str> = kinds.map(|(word, _)| word).collect();
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
            // Both name what holds steps.
            self.push(mistake.help(match (word, others.as_slice()) {
                ("loop" | "map", ["steps"]) | ("steps", ["loop" | "map"]) => {
                    "list the steps inside under `do:`"
                }
                _ => "make two steps of it",
            }));
            return None;
        }
        let key = map.iter().map(|(key, _)| key).find(|key| key.name == word)?;
        Some((key, (word, kind)))
    }

    fn agent_step(&mut self, value: &Node, fields: &mut Fields<'_>) -> Option<Kind> {
        let prompt = fields.take("prompt").map(|(_, node)| self.prompt(node));
        if let Yaml::Map(_) = &value.value {
            return self.harness_step(AGENT, value, prompt.flatten());
        }
        let agent = self.word(value, AGENT);
        // An invalid prompt has been reported, but check the rest of the step too.
        Some(Kind::Agent { word: AGENT, agent: agent?, prompt: prompt.flatten() })
    }

    fn team_step(&mut self, value: &Node, fields: &mut Fields<'_>) -> Option<Kind> {
        let prompt = fields.take("prompt").map(|(_, node)| self.prompt(node));
        let agent = self.word(value, TEAM);
        Some(Kind::Agent { word: TEAM, agent: agent?, prompt: prompt.flatten() })
    }

    fn prompt(&mut self, node: &Node) -> Option<Text> {
        let (mut word, mut source) = self.text_or_file(node, "prompt")?;
        if Arc::ptr_eq(&source, &self.source) && self.is_expression(&word, "prompt") {
            return None;
        }
        let changed = self.options.prompt.as_ref().is_some_and(|prompt| prompt.text == word.text);
        if changed {
            let (given, span) = changed_prompt::source(&word.text);
            (word.span, source) = (span, Arc::new(given));
        }
        let mut written = self.written(&word, 0);
        written.source = source;
        self.text(&word.text, Flavour::Plain, written)
    }

    fn workflow(&mut self, value: &Node, fields: &mut Fields<'_>) -> Option<Kind> {
        let with = fields.take("with");
        let with = with.and_then(|(_, node)| self.computed(node).map(|value| (value, node.span)));
        let path = self.word(value, "workflow")?;
        match self.referred_workflow(&path.text) {
            Ok(file) => Some(Kind::Workflow { path, file: Box::new(file?), with }),
            Err(Refused { why, help }) => {
                let message = format!("cannot use `{}`: {why}", path.text);
                let mistake = self.mistake(path.span, message).coded(ErrorId::INCLUDE_REFUSED);
                let mistake = mistake.maybe_help(help);
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
        if !is_said && !settings.has("times") {
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
        if let Some((_, node)) = settings.take("factor") {
            retry.factor = self.factor(node).unwrap_or(retry.factor);
        }
        if let Some(jitter) = settings.bool(self, "jitter") {
            retry.jitter = jitter;
        }
        if let Some((key, node)) = settings.take("on") {
            if is_said && retry.retries == 0 {
                let mistake = self
                    .mistake(key.span, "a step with `on` is tried again")
                    .coded(ErrorId::SETTING_USELESS);
                self.push(mistake.help("set `max` to at least 1"));
            }
            let codes = self.list(node, "on").unwrap_or_default();
            retry.on = codes.iter().filter_map(|code| self.one_of(code, "on", &CODES)).collect();
        }
        settings.finish_with(self, |unknown| match unknown {
            "times" => Some("write `max`: the number of retries".to_owned()),
            "delay" => Some("write `backoff`: the time before the next try, `2s`".to_owned()),
            _ => None,
        });
        Some(retry)
    }

    /// Parses the factor by which waits grow.
    fn factor(&mut self, node: &Node) -> Option<f64> {
        let range = 1.0..=FACTOR_MAX;
        let factor = match &node.value {
            Yaml::Number(number) => number.as_f64().filter(|factor| range.contains(factor)),
            _ => None,
        };
        if factor.is_none() {
            let message = format!("`factor` is a number from 1 to {FACTOR_MAX}");
            let mistake = self.mistake(node.span, message);
            self.push(mistake.help("`factor: 2` doubles the wait before each retry"));
        }
        factor
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

    /// Takes the queue of a step, a container or the file.
    pub(super) fn queue(&mut self, fields: &mut Fields<'_>) -> Option<String> {
        let name = fields.word(self, "queue")?;
        match queue_mistake(&name.text) {
            None => Some(name.text),
            Some(why) => {
                let what = format!("`{}` is no name of a queue: {why}", name.text);
                let mistake = self.mistake(name.span, what);
                self.push(mistake.help("name a queue of `stepwright worker --queues …`"));
                None
            }
        }
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
            Kind::Builtin { word, work } => work.is_agent().unwrap_or(word).to_owned(),
            Kind::Workflow { file, .. } => file.name.text.clone(),
            Kind::Container(_) | Kind::Unreadable => {
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
    let (retry, timeout, idle, history, deadline) = (None, None, None, None, None);
    let (kind, on_error) = (Kind::Unreadable, ErrorPolicy::default());
    let (content, on_interrupted, review) = (Fingerprint::default(), None, None);
    let (budget, sandbox, workspace) = (None, None, None);
    Item {
        name,
        kind,
        retry,
        timeout,
        idle,
        deadline,
        queue: None,
        history,
        on_error,
        on_interrupted,
        budget,
        sandbox,
        workspace,
        review,
        content,
        guardrails: Vec::new(),
        after: Vec::new(),
    }
}
