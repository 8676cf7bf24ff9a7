//! `sleep`: a time or a moment that the run waits for.

use super::passed_on;
use crate::duration::{self, display};
use crate::effects;
use crate::format::form::{Form, Mapping, key};
use crate::format::reader::{BuiltinKind, Fields, Reader};
use crate::format::{Builtin, Expr, Moment, Referring};
use crate::reference::OwnedValues;
use crate::system::{Granted, refused};
use crate::tree::{Key, Node, Yaml};
use crate::work::evaluate;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::{BoxFuture, OnInterrupted, StepContext, StepError, StepInput, StepOutput};

const WAITS: &str = "a `sleep` does nothing but wait: it cannot take too long";

pub(super) const KIND: BuiltinKind = BuiltinKind {
    key: "sleep",
    read,
    effects: effects::NONE,
    without: &[
        ("on_interrupted", "a `sleep` has no effect that could be repeated"),
        ("retry", WAITS),
        ("timeout", WAITS),
        ("deadline", "a `sleep` does nothing but wait: give it to a container around this step"),
        ("history", WAITS),
    ],
    form: &Form::Either(&[FOR, Form::Mapping(&SETTINGS)]),
    about: "Waits for a time, or until a moment.",
};

/// A duration, or an expression for one.
const FOR: Form = Form::Either(&[Form::Duration, Form::Expression]);

static SETTINGS: Mapping = Mapping {
    name: "sleep",
    what: "`sleep`",
    required: &[&["duration"], &["until"]],
    members: &[
        key("duration", &FOR, "How long it waits."),
        key("until", &Form::Text, "The moment, or an expression for it."),
        key("zone", &Form::Text, "The time zone of a moment without one, such as `Europe/Berlin`."),
    ],
};

#[derive(Debug)]
enum Sleep {
    For(Duration),
    /// An expression for a duration.
    ForComputed(Expr),
    Until(Moment),
}

/// Parses `1h`, `{duration: 1h}` or `{until: …, zone: …}`.
fn read(reader: &mut Reader<'_>, _: &Key, value: &Node) -> Option<Arc<dyn Builtin>> {
    let sleep = if let Yaml::Map(_) = value.value {
        let mut fields = Fields::of(reader, value, "`sleep`")?;
        let duration = fields.take("duration");
        let until = fields.take("until");
        let zone_of = fields.take("zone");
        fields.finish(reader);
        let zone = zone_of.and_then(|(_, node)| reader.zone(node));
        match (duration, until) {
            (Some((_, node)), None) => {
                if let Some((key, _)) = zone_of {
                    let mistake = reader.mistake(key.span, "only `until` has a time zone");
                    reader.push(mistake.help("leave it out"));
                }
                reader.for_duration(node, "duration")
            }
            (None, Some((_, node))) => reader.moment(node, "until", zone).map(Sleep::Until),
            (Some(_), Some((key, _))) => {
                let mistake = reader.mistake(key.span, "`sleep` has a `duration` or an `until`");
                reader.push(mistake.label("both").help("keep one of them"));
                None
            }
            (None, None) => {
                let how = "how long: `duration: 1h`, or until when: `until: = …`";
                reader.lacks(value, "sleep", "duration", how);
                None
            }
        }
    } else {
        reader.for_duration(value, "sleep")
    };
    Some(Arc::new(sleep?))
}

impl Reader<'_> {
    /// Parses a duration, or an expression for one.
    fn for_duration(&mut self, node: &Node, name: &str) -> Option<Sleep> {
        match &node.value {
            Yaml::Text(text) if text.trim_start().starts_with('=') => {
                self.expression(node, name).map(Sleep::ForComputed)
            }
            _ => self.duration(node, name).map(Sleep::For),
        }
    }
}

impl Sleep {
    fn expression(&self) -> Option<&Expr> {
        match self {
            Self::ForComputed(expr) => Some(expr),
            Self::Until(moment) => moment.expression(),
            Self::For(_) => None,
        }
    }
}

impl Builtin for Sleep {
    fn referring(&self) -> Vec<Referring<'_>> {
        self.expression().into_iter().map(Into::into).collect()
    }

    fn details(&self) -> Option<String> {
        Some(match self {
            Self::For(duration) => display(*duration),
            Self::ForComputed(expr) => expr.expression.text().trim().to_owned(),
            Self::Until(moment) => format!("until {}", moment.shown()),
        })
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
            match self {
                Self::For(duration) => cx.sleep_for("sleep", *duration).await?,
                Self::ForComputed(expr) => {
                    let text = computed(expr, &input).await?;
                    let duration = duration::parse(text.trim()).map_err(|why| {
                        refused(format!("`sleep` is a duration, but `{text}` {why}"))
                            .with_hint("a duration has a unit: `500ms`, `30s`, `5m`, `1h30m`")
                    })?;
                    cx.sleep_for("sleep", duration).await?;
                }
                Self::Until(moment) => {
                    let until = moment.at("until", &input).await?;
                    cx.sleep_until(until).await?;
                }
            }
            Ok(passed_on(&input))
        })
    }
}

/// Evaluates an expression whose value must be a text.
async fn computed(expr: &Expr, input: &StepInput) -> Result<String, StepError> {
    let expression = expr.expression.clone();
    let value = evaluate(OwnedValues::of(input.clone()), move |values, budget| {
        expression.value(values, budget)
    });
    match value.await? {
        Value::String(text) => Ok(text),
        other => Err(refused(format!("a `sleep` needs a text such as `30s`, not {other}"))),
    }
}
