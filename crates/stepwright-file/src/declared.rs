//! The values that a file declares at its top: variables, the environment, and secrets.

use crate::options::Options;
use crate::system::{may_read, variable};
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;
use stepwright_core::redact::SECRET_BYTES_MIN;

/// The values that a file declares.
#[derive(Default)]
pub(crate) struct Declared {
    pub(crate) vars: Map<String, Value>,
    /// The names of `env` and `secrets`.
    pub(crate) env_names: Vec<String>,
    pub(crate) secret_names: Vec<String>,
    /// The values of those that may be read.
    pub(crate) env: Map<String, Value>,
    pub(crate) secrets: Map<String, Value>,
    /// The others.
    pub(crate) lacking: Vec<Lacking>,
}

/// A variable of the environment that has no value here.
#[derive(Clone, Debug)]
pub(crate) struct Lacking {
    pub(crate) name: String,
    pub(crate) why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    NotAllowed,
    NotSet,
    NotText,
    TooShort,
}

impl Declared {
    /// Finds the values of the names. A file gets those that the caller allows.
    pub(crate) fn find(
        vars: Map<String, Value>,
        env_names: Vec<String>,
        secret_names: Vec<String>,
        options: &Options,
    ) -> Arc<Self> {
        let mut declared = Self { vars, ..Self::default() };
        for name in &env_names {
            match value(name, options) {
                Ok(value) => drop(declared.env.insert(name.clone(), value.into())),
                Err(why) => declared.lacking.push(Lacking { name: name.clone(), why }),
            }
        }
        for name in &secret_names {
            match value(name, options) {
                Ok(value) if value.trim().len() < SECRET_BYTES_MIN => {
                    let why = Why::TooShort;
                    declared.lacking.push(Lacking { name: name.clone(), why });
                }
                Ok(value) => drop(declared.secrets.insert(name.clone(), value.into())),
                Err(why) => declared.lacking.push(Lacking { name: name.clone(), why }),
            }
        }
        Arc::new(Self { env_names, secret_names, ..declared })
    }
}

impl Declared {
    pub(crate) fn vars_named(&self) -> Vec<&str> {
        self.vars.keys().map(String::as_str).collect()
    }

    pub(crate) fn env_named(&self) -> Vec<&str> {
        self.env_names.iter().map(String::as_str).collect()
    }

    pub(crate) fn secret_named(&self) -> Vec<&str> {
        self.secret_names.iter().map(String::as_str).collect()
    }
}

fn value(name: &str, options: &Options) -> Result<String, Why> {
    if let Some(value) = options.variables.get(name) {
        return Ok(value.to_owned());
    }
    if !may_read(name, &options.pass_env) {
        return Err(Why::NotAllowed);
    }
    let value = variable(name).ok_or(Why::NotSet)?.into_string().map_err(|_| Why::NotText)?;
    if value.is_empty() { Err(Why::NotSet) } else { Ok(value) }
}

impl Lacking {
    /// Returns the message and the hint.
    pub(crate) fn told(&self) -> (String, String) {
        let name = &self.name;
        match self.why {
            Why::NotAllowed => (
                format!("the file reads the environment variable `{name}`, which is not allowed"),
                format!(
                    "if you trust the file, allow it: `--pass-env {name}`, or `Options::pass_env`"
                ),
            ),
            Why::NotSet => (
                format!("the environment variable `{name}`, which the file declares, is not set"),
                "set it where this runs, or leave it out of the file".to_owned(),
            ),
            Why::NotText => (
                format!("the environment variable `{name}` is not Unicode text"),
                "set it to a text".to_owned(),
            ),
            Why::TooShort => (
                format!("the secret `{name}` has fewer than {SECRET_BYTES_MIN} bytes"),
                "so short a text cannot be removed from outputs: declare it under `env`".to_owned(),
            ),
        }
    }
}

impl fmt::Debug for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values of secrets are not for logs.
        f.debug_struct("Declared")
            .field("vars", &self.vars)
            .field("env", &self.env_names)
            .field("secrets", &self.secret_names)
            .finish_non_exhaustive()
    }
}
