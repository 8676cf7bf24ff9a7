//! `sleep`: a time or a moment that the run waits for.

use super::passed_on;
use crate::duration::{self, display};
use crate::effects;
use crate::format::form::{Form, Mapping, key};
use crate::format::reader::{BuiltinKind, Fields, Reader};
use crate::format::{Builtin, Expr, Referring};
use crate::functions::{moment, zone};
use crate::reference::OwnedValues;
use crate::system::{Granted, refused};
use crate::tree::{Key, Node, Yaml};
use crate::work::evaluate;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::{
    BoxFuture, OnInterrupted, StepContext, StepError, StepInput, StepOutput, Timestamp,
};

const WAITS: &str = "a `sleep` does nothing but wait: it cannot take too long";

pub(super) const KIND: BuiltinKind = BuiltinKind {
    key: "sleep",
    read,
    effects: effects::NONE,
    without: &[
        ("on_interrupted", "a `sleep` has no effect that could be repeated"),
        ("retry", WAITS),
        ("timeout", WAITS),
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
    /// A moment, in a time zone if it has none itself.
    Until {
        moment: Moment,
        zone: Option<String>,
    },
}

#[derive(Debug)]
enum Moment {
    Constant(String),
    Computed(Expr),
}

/// Parses `1h`, `{duration: 1h}` or `{until: …, zone: …}`.
fn read(reader: &mut Reader<'_>, _: &Key, value: &Node) -> Option<Arc<dyn Builtin>> {
    let sleep = if let Yaml::Map(_) = value.value {
        let mut fields = Fields::of(reader, value, "`sleep`")?;
        let duration = fields.take("duration");
        let until = fields.take("until");
        let zone_of = fields.take("zone");
        fields.finish(reader);
        let zone_word = zone_of.and_then(|(_, node)| reader.word(node, "zone"));
        if let Some(word) = &zone_word
            && let Err(why) = zone(Some(&word.text))
        {
            let mistake = reader.mistake(word.span, why);
            reader.push(mistake);
        }
        match (duration, until) {
            (Some((_, node)), None) => {
                if let Some((key, _)) = zone_of {
                    let mistake = reader.mistake(key.span, "only `until` has a time zone");
                    reader.push(mistake.help("leave it out"));
                }
                reader.for_duration(node, "duration")
            }
            (None, Some((_, node))) => {
                let zone = zone_word.map(|word| word.text);
                reader.until(node, zone.as_deref()).map(|moment| Sleep::Until { moment, zone })
            }
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

    /// Parses a moment, or an expression for one.
    fn until(&mut self, node: &Node, zone_name: Option<&str>) -> Option<Moment> {
        let word = self.word(node, "until")?;
        if word.text.trim_start().starts_with('=') {
            return self.expression(node, "until").map(Moment::Computed);
        }
        let parsed = zone(zone_name).and_then(|zone| moment(&word.text, &zone));
        if let Err(why) = parsed {
            let mistake = self.mistake(word.span, format!("`until` is a moment, but {why}"));
            self.push(mistake.help("an expression begins with `=`: `until: = input.at`"));
            return None;
        }
        Some(Moment::Constant(word.text))
    }
}

impl Sleep {
    fn expression(&self) -> Option<&Expr> {
        match self {
            Self::ForComputed(expr) | Self::Until { moment: Moment::Computed(expr), .. } => {
                Some(expr)
            }
            _ => None,
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
            Self::Until { moment: Moment::Constant(moment), .. } => format!("until {moment}"),
            Self::Until { moment: Moment::Computed(expr), .. } => {
                format!("until {}", expr.expression.text().trim())
            }
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
                Self::Until { moment: written, zone: name } => {
                    let text = match written {
                        Moment::Constant(text) => text.clone(),
                        Moment::Computed(expr) => computed(expr, &input).await?,
                    };
                    let until = zone(name.as_deref()).and_then(|zone| moment(&text, &zone));
                    let until =
                        until.map_err(|why| refused(format!("`until` is a moment, but {why}")))?;
                    let millis = u64::try_from(until.as_millisecond()).unwrap_or_default();
                    cx.sleep_until(Timestamp(millis)).await?;
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
