//! The options of a run.

use crate::caller::Caller;
use crate::convert::{content_from_python, data_from_python};
use pyo3::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::time::Duration;
use stepwright::{Content, Media, Parts, Run, Workflow, real_world};

/// The options of a run, field by field as Python writes them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
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

/// The input and the options of a run.
pub(crate) struct Request {
    input: Content,
    options: Options,
    run_id: String,
}

impl Request {
    pub(crate) fn read(input: &Bound<'_, PyAny>, options: &Bound<'_, PyAny>) -> PyResult<Self> {
        let options: Options = data_from_python(options)?;
        let input = content_from_python(input)?;
        let chosen = options.run_id.clone();
        let run_id = chosen.unwrap_or_else(|| real_world().run_id().to_string());
        Ok(Self { input, options, run_id })
    }

    pub(crate) fn run_id(&self) -> &str {
        &self.run_id
    }

    /// Returns `true` if functions may compute on the caller's thread: no timeout watches them.
    pub(crate) fn may_compute(&self) -> bool {
        self.options.timeout.is_none()
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
