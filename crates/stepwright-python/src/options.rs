//! The options of a run.

use crate::caller::{Caller, Manner};
use crate::convert::{content_from_python, data_from_python};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use serde_json::{Map, Value};
use std::time::Duration;
use stepwright::{Content, Media, Parts, Run, Workflow, real_world};

/// The options of a run, as far as Python gives them.
#[derive(Default)]
pub(crate) struct Options {
    run_id: Option<String>,
    session_id: Option<String>,
    user_id: Option<String>,
    session_state: Option<Map<String, Value>>,
    additional_data: Option<Map<String, Value>>,
    metadata: Option<Map<String, Value>>,
    media: Vec<Media>,
    timeout: Option<f64>,
    stream_events: bool,
    debug_mode: Option<bool>,
}

impl Options {
    fn read(given: &Bound<'_, PyDict>) -> PyResult<Self> {
        let mut options = Self::default();
        for (name, value) in given {
            if value.is_none() {
                continue;
            }
            let name = name.cast::<PyString>()?.to_cow()?;
            match &*name {
                "run_id" => options.run_id = Some(value.extract()?),
                "session_id" => options.session_id = Some(value.extract()?),
                "user_id" => options.user_id = Some(value.extract()?),
                "session_state" => options.session_state = Some(data_from_python(&value)?),
                "additional_data" => options.additional_data = Some(data_from_python(&value)?),
                "metadata" => options.metadata = Some(data_from_python(&value)?),
                "media" => options.media = data_from_python(&value)?,
                "timeout" => options.timeout = Some(value.extract()?),
                "stream_events" => options.stream_events = value.extract()?,
                "debug_mode" => options.debug_mode = Some(value.extract()?),
                other => {
                    let message = format!("a run has no option {other:?}");
                    return Err(PyTypeError::new_err(message));
                }
            }
        }
        Ok(options)
    }
}

/// The input and the options of a run.
pub(crate) struct Request {
    input: Content,
    options: Options,
    run_id: String,
}

impl Request {
    pub(crate) fn read(input: &Bound<'_, PyAny>, options: &Bound<'_, PyDict>) -> PyResult<Self> {
        let options = Options::read(options)?;
        let input = content_from_python(input)?;
        let chosen = options.run_id.clone();
        let run_id = chosen.unwrap_or_else(|| real_world().run_id().to_string());
        Ok(Self { input, options, run_id })
    }

    pub(crate) fn run_id(&self) -> &str {
        &self.run_id
    }

    /// Returns what the caller wants. Functions may hold the caller unless a timeout watches them.
    pub(crate) fn manner(&self, reads: bool) -> Manner {
        Manner { inline: self.options.timeout.is_none(), reads }
    }

    pub(crate) fn run(self, workflow: &Workflow, caller: &Caller) -> PyResult<Run> {
        let Self { input, options, run_id } = self;
        let mut run = match options.media.is_empty() {
            true => workflow.run(input),
            false => {
                let parts = Parts::default().text(input.text().into_owned());
                workflow.run(options.media.into_iter().fold(parts, Parts::media))
            }
        };
        run = run.run_id(run_id).stream_events(options.stream_events).state(caller.clone());
        if let Some(session) = options.session_id {
            run = run.session_id(session);
        }
        if let Some(user) = options.user_id {
            run = run.user_id(user);
        }
        if let Some(state) = options.session_state {
            run = run.session_state(state);
        }
        if let Some(data) = options.additional_data {
            run = run.additional_data(data);
        }
        if let Some(metadata) = options.metadata {
            run = run.metadata(metadata);
        }
        if let Some(timeout) = options.timeout {
            run = run.timeout(seconds(timeout)?);
        }
        if let Some(debug) = options.debug_mode {
            run = run.debug_mode(debug);
        }
        Ok(run)
    }
}

/// Reads a time in seconds.
pub(crate) fn seconds(seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(|_| {
        let message = format!("`timeout` must be a number of seconds, and is {seconds}");
        pyo3::exceptions::PyValueError::new_err(message)
    })
}
