//! `wait_for`: an event from outside that the run waits for.

use crate::budget::Budget;
use crate::duration::{self, display};
use crate::effects;
use crate::format::form::{Form, Mapping, key};
use crate::format::reader::{BuiltinKind, Fields, Reader};
use crate::format::{Builtin, Computed, Expr, Referring};
use crate::reference::{OwnedValues, Reference, Values};
use crate::system::{Granted, refused};
use crate::tree::{Key, Node, Yaml};
use crate::work::{evaluate, value_of};
use serde_json::Value;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::awaited::key_text;
use stepwright_core::wait::check_event_name;
use stepwright_core::{
    BoxFuture, Content, ErrorId, EventMatch, OnInterrupted, StepContext, StepError, StepInput,
    StepOutput,
};

const WAITS: &str = "a `wait_for` does nothing but wait: give its own `timeout` under `wait_for`";

pub(super) const KIND: BuiltinKind = BuiltinKind {
    key: "wait_for",
    read,
    effects: effects::NONE,
    without: &[
        ("on_interrupted", "a `wait_for` has no effect that could be repeated"),
        ("retry", "a `wait_for` receives one event, and does not fail for a while"),
        ("timeout", WAITS),
        ("deadline", "give it to a container around this step, or a `timeout` under `wait_for`"),
        ("history", "a `wait_for` does nothing but wait"),
    ],
    form: &Form::Either(&[Form::Text, Form::Mapping(&SETTINGS)]),
    about: "Waits for an event from outside. Its payload is the output.",
};

static SETTINGS: Mapping = Mapping {
    name: "wait_for",
    what: "`wait_for`",
    required: &[&["event"]],
    members: &[
        key("event", &Form::Text, "The name of the event, such as `order.paid`."),
        key("key", &Form::Any, "The key that the event must have, or an expression for it."),
        key("match", &Form::Expression, "The condition that the payload, `event`, must meet."),
        key(
            "timeout",
            &Form::Either(&[Form::Duration, Form::Expression]),
            "How long it waits. Then it fails, unless it has a `default`.",
        ),
        key("default", &Form::Any, "The output if no event comes in time."),
        key("message", &Form::Text, "A text for people who look at the run."),
    ],
};

#[derive(Debug)]
struct WaitFor {
    event: Arc<str>,
    key: Option<Computed>,
    condition: Option<Condition>,
    timeout: Option<Timeout>,
    default: Option<Computed>,
    message: Arc<str>,
}

/// A condition on the event, with its references to other values.
#[derive(Debug)]
struct Condition {
    expr: Expr,
    references: Vec<Reference>,
}

#[derive(Debug)]
enum Timeout {
    Constant(Duration),
    Computed(Expr),
}

/// Parses `order.paid` or `{event: order.paid, …}`.
fn read(reader: &mut Reader<'_>, _: &Key, value: &Node) -> Option<Arc<dyn Builtin>> {
    if let Yaml::Text(_) = value.value {
        let event = reader.event(value, "wait_for")?;
        return Some(Arc::new(WaitFor::new(event)));
    }
    let mut fields = Fields::of(reader, value, "`wait_for`")?;
    let event = fields.need(reader, "event", "write the name of the event: `event: order.paid`");
    let event = event.and_then(|(_, node)| reader.event(node, "event"));
    let mut wait = WaitFor::new(event.clone().unwrap_or_default());
    wait.key = fields.take("key").and_then(|(_, node)| reader.event_key(node));
    wait.condition = fields.take("match").and_then(|(_, node)| reader.event_condition(node));
    let timeout = fields.take("timeout");
    wait.timeout = timeout.and_then(|(_, node)| reader.event_timeout(node));
    let default = fields.take("default");
    wait.default = default.and_then(|(_, node)| reader.computed(node));
    if let (Some((key, _)), None) = (default, timeout) {
        let mistake = reader.mistake(key.span, "`default` needs a `timeout`");
        reader.push(mistake.help("say how long to wait: `timeout: 2d`"));
    }
    wait.message = fields.word(reader, "message").map(|word| word.text.into()).unwrap_or_default();
    fields.finish(reader);
    event.map(|_| -> Arc<dyn Builtin> { Arc::new(wait) })
}

impl Reader<'_> {
    /// Parses the name of an event.
    fn event(&mut self, node: &Node, name: &str) -> Option<Arc<str>> {
        let word = self.word(node, name)?;
        if let Err(error) = check_event_name(&word.text) {
            let mistake = self.mistake(word.span, error.to_string());
            let help = error.hint().map(ToOwned::to_owned);
            self.push(mistake.coded(ErrorId::EVENT_INVALID).maybe_help(help));
            return None;
        }
        Some(word.text.into())
    }

    /// Parses the key of an event.
    fn event_key(&mut self, node: &Node) -> Option<Computed> {
        let key = self.computed(node)?;
        let is_wrong = match &key {
            Computed::Literal(value) => key_text(value).is_none(),
            Computed::Expression(_) => false,
            Computed::List(_) | Computed::Object(_) => true,
        };
        if is_wrong {
            self.wrong_type(node, "`key` is a text or a number, or an expression for one");
            return None;
        }
        Some(key)
    }

    /// Parses the condition on an event.
    fn event_condition(&mut self, node: &Node) -> Option<Condition> {
        let expr = self.expression(node, "match")?;
        if let Some(mistake) = expr.expression.event_mistake() {
            let written = expr.written.clone();
            return self.parsed(Err(vec![mistake]), &written);
        }
        let references = expr.expression.references_beside_event();
        Some(Condition { expr, references })
    }

    fn event_timeout(&mut self, node: &Node) -> Option<Timeout> {
        match &node.value {
            Yaml::Text(text) if text.trim_start().starts_with('=') => {
                self.expression(node, "timeout").map(Timeout::Computed)
            }
            _ => self.duration(node, "timeout").map(Timeout::Constant),
        }
    }
}

impl Condition {
    fn referring(&self) -> Referring<'_> {
        // The shape of the event is not known.
        Referring { references: &self.references, expression: None, ..Referring::from(&self.expr) }
    }
}

impl WaitFor {
    fn new(event: Arc<str>) -> Self {
        Self { event, key: None, condition: None, timeout: None, default: None, message: "".into() }
    }

    async fn key(&self, values: &OwnedValues) -> Result<Option<String>, StepError> {
        let Some(key) = &self.key else { return Ok(None) };
        match value_of(key, values.clone()).await? {
            value if key_text(&value).is_some() => Ok(key_text(&value)),
            Value::Null => Err(refused("the `key` of a `wait_for` is null")
                .with_hint("leave out `key`, so that events with any key are received")),
            other => Err(refused(format!(
                "the `key` of a `wait_for` is a text or a number, not {other}"
            ))),
        }
    }

    async fn condition(&self, values: &OwnedValues) -> Result<Option<EventMatch>, StepError> {
        let Some(condition) = &self.condition else { return Ok(None) };
        let expression = condition.expr.expression.clone();
        let read =
            move |values: &Values<'_>, budget: &Budget<'_>| expression.event_match(values, budget);
        evaluate(values.clone(), read).await.map(Some)
    }

    async fn timeout(&self, values: &OwnedValues) -> Result<Option<Duration>, StepError> {
        let expr = match &self.timeout {
            None => return Ok(None),
            Some(Timeout::Constant(timeout)) => return Ok(Some(*timeout)),
            Some(Timeout::Computed(expr)) => expr.clone(),
        };
        match value_of(&Computed::Expression(expr), values.clone()).await? {
            Value::String(text) => duration::parse(text.trim()).map(Some).map_err(|why| {
                refused(format!("`timeout` is a duration, but `{text}` {why}"))
                    .with_hint("a duration has a unit: `500ms`, `30s`, `5m`, `1h30m`")
            }),
            other => Err(refused(format!("`timeout` needs a text such as `2d`, not {other}"))),
        }
    }
}

impl Builtin for WaitFor {
    fn referring(&self) -> Vec<Referring<'_>> {
        let computed = self.key.iter().chain(&self.default).flat_map(Computed::expressions);
        let timeout = self.timeout.iter().filter_map(|timeout| match timeout {
            Timeout::Computed(expr) => Some(expr),
            Timeout::Constant(_) => None,
        });
        let condition = self.condition.iter().map(Condition::referring);
        computed.chain(timeout).map(Into::into).chain(condition).collect()
    }

    fn asks(&self) -> bool {
        true
    }

    fn details(&self) -> Option<String> {
        let mut text = self.event.to_string();
        let key = self.key.as_ref().map(|key| match key {
            Computed::Expression(expr) => expr.expression.text().trim().to_owned(),
            Computed::Literal(value) => key_text(value).unwrap_or_default(),
            _ => String::new(),
        });
        if let Some(key) = key {
            let _ = write!(text, ", key {key}");
        }
        if let Some(condition) = &self.condition {
            let _ = write!(text, ", if {}", condition.expr.expression.text().trim());
        }
        if let Some(Timeout::Constant(timeout)) = &self.timeout {
            let _ = write!(text, ", for {}", display(*timeout));
        }
        Some(text)
    }

    fn on_interrupted(&self) -> OnInterrupted {
        OnInterrupted::Retry
    }

    fn execute<'a>(
        &'a self,
        input: StepInput,
        cx: StepContext,
        _: &'a Granted,
    ) -> BoxFuture<'a, Result<StepOutput, StepError>> {
        Box::pin(async move {
            let values = OwnedValues::of(input);
            let mut wait = cx.wait_for::<Value>(&self.event).message(self.message.clone());
            if let Some(key) = self.key(&values).await? {
                wait = wait.key(key);
            }
            if let Some(condition) = self.condition(&values).await? {
                wait = wait.matching(condition);
            }
            if let Some(timeout) = self.timeout(&values).await? {
                wait = wait.timeout(timeout);
            }
            if let Some(default) = &self.default {
                wait = wait.default_payload(value_of(default, values).await?);
            }
            Ok(Content::from(wait.await?).into())
        })
    }
}
