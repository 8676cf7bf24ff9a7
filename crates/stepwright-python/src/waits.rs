//! Functions that wait for a person or a time, and effects that happen once.
//!
//! A function cannot be left in its middle and gone on with in another process. So it raises what
//! it waits for, and is called again from its beginning when the answer is there.

use crate::convert::from_python;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stepwright::{StepContext, StepError};

/// The answers that an execution of a function has got, by the keys of its questions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers(Arc<Mutex<HashMap<String, Value>>>);

impl Answers {
    pub(crate) fn get(&self, key: &str) -> Option<Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    pub(crate) fn set(&self, key: String, value: Value) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, value);
    }
}

/// The event that a function waits for.
pub(crate) enum Awaited {
    /// An answer of a person.
    Answer(Question),
    /// A time, in seconds from now.
    Sleep(f64),
    /// Until the value of an effect is recorded.
    Once(Value),
}

/// A question to a person.
pub(crate) struct Question {
    message: Option<String>,
    schema: Option<Value>,
    timeout: Option<f64>,
    default: Option<Value>,
}

/// The event that a function waits for, with its name.
pub(crate) struct Waits {
    name: String,
    awaited: Awaited,
}

/// The key under which an answer is kept.
pub(crate) fn key(kind: &str, name: &str) -> String {
    format!("{kind} {name}")
}

impl Waits {
    /// Reads the exception that a function raises to wait.
    pub(crate) fn of(raised: &Bound<'_, PyAny>) -> PyResult<Self> {
        let told = raised.getattr("request")?.cast_into::<PyDict>()?;
        let item = |name: &str| -> PyResult<Option<Bound<'_, PyAny>>> {
            Ok(told.get_item(name)?.filter(|item| !item.is_none()))
        };
        let text = |name: &str| item(name)?.map(|item| item.extract::<String>()).transpose();
        let number = |name: &str| item(name)?.map(|item| item.extract::<f64>()).transpose();
        let data = |name: &str| item(name)?.map(|item| from_python(&item)).transpose();
        let name = text("name")?.unwrap_or_default();
        let awaited = match text("kind")?.as_deref() {
            Some("sleep") => Awaited::Sleep(number("seconds")?.unwrap_or_default()),
            Some("once") => Awaited::Once(data("value")?.unwrap_or_default()),
            _ => Awaited::Answer(Question {
                message: text("message")?,
                schema: data("schema")?,
                timeout: number("timeout")?,
                default: told.get_item("default")?.map(|item| from_python(&item)).transpose()?,
            }),
        };
        Ok(Self { name, awaited })
    }

    /// Waits, and keeps the answer.
    pub(crate) async fn answered(
        self,
        cx: &StepContext,
        answers: &Answers,
    ) -> Result<(), StepError> {
        let Self { name, awaited } = self;
        let (key, value) = match awaited {
            Awaited::Sleep(time) => {
                let time = seconds("seconds", time)?;
                cx.sleep_for(&name, time).await?;
                (key("sleep", &name), Value::Null)
            }
            Awaited::Once(value) => {
                let work = async move { Ok::<Value, StepError>(value) };
                let kept = cx.once::<Value, StepError, _>(&name, work).await?;
                (key("once", &name), kept)
            }
            Awaited::Answer(question) => {
                let Question { message, schema, timeout, default } = question;
                let mut wait = cx.wait::<Value>(&name);
                if let Some(message) = message {
                    wait = wait.message(message);
                }
                if let Some(schema) = schema {
                    wait = wait.schema(schema);
                }
                if let Some(timeout) = timeout {
                    wait = wait.timeout(seconds("timeout", timeout)?);
                }
                if let Some(default) = default {
                    wait = wait.default_answer(default);
                }
                (key("wait", &name), wait.await?)
            }
        };
        answers.set(key, value);
        Ok(())
    }
}

fn seconds(name: &str, seconds: f64) -> Result<Duration, StepError> {
    Duration::try_from_secs_f64(seconds).map_err(|_| {
        StepError::terminal(format!("`{name}` must be a number of seconds, and is {seconds}"))
    })
}
