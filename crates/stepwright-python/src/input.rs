//! The input of a step, as Python sees it.

use crate::convert::{
    bridge, content_from_python, content_to_python, data_from_python, data_to_python, from_python,
    members_to_python, to_python, with_bytes,
};
use crate::waits::{Answers, key};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::Arc;
use stepwright::{StepContext, StepInput, StepOutput};
use stepwright_core::executor::RunInput;

/// The input of a step, and what surrounds it. Nothing is converted before it is read.
#[pyclass(frozen, name = "StepInput", module = "stepwright")]
#[expect(clippy::struct_field_names, reason = "the engine calls it so")]
pub(crate) struct Input {
    input: StepInput,
    cx: Option<StepContext>,
    answers: Answers,
}

impl Input {
    pub(crate) fn new(input: StepInput, surroundings: Option<(StepContext, Answers)>) -> Self {
        let (cx, answers) = surroundings.unzip();
        Self { input, cx, answers: answers.unwrap_or_default() }
    }
}

#[pymethods]
impl Input {
    #[new]
    #[pyo3(signature = (input=None, previous_step_content=None, additional_data=None))]
    fn made(
        input: Option<Bound<'_, PyAny>>,
        previous_step_content: Option<Bound<'_, PyAny>>,
        additional_data: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let content = input.as_ref().map(content_from_python).transpose()?.unwrap_or_default();
        let data = additional_data.as_ref().map(data_from_python).transpose()?;
        let additional_data = data.unwrap_or_default();
        let run = Arc::new(RunInput { content, additional_data, ..RunInput::default() });
        let previous = previous_step_content.as_ref().map(content_from_python).transpose()?;
        let previous = previous.map(|content| Arc::new(StepOutput::from(content)));
        Ok(Self::new(StepInput { run, previous, ..StepInput::default() }, None))
    }

    /// The input of the run.
    #[getter]
    fn input<'p>(&self, py: Python<'p>) -> PyResult<Bound<'p, PyAny>> {
        content_to_python(py, &self.input.run.content)
    }

    /// The input of the run, by its older name.
    #[getter]
    fn message<'p>(&self, py: Python<'p>) -> PyResult<Bound<'p, PyAny>> {
        self.input(py)
    }

    /// The output of the previous step, or `None` for the first step.
    #[getter]
    fn previous_step_content<'p>(&self, py: Python<'p>) -> PyResult<Bound<'p, PyAny>> {
        match &self.input.previous {
            Some(previous) => content_to_python(py, &previous.content),
            None => Ok(py.None().into_bound(py)),
        }
    }

    /// The content that a step works on: the output of the previous step, or the input of the run.
    #[getter]
    fn content<'p>(&self, py: Python<'p>) -> PyResult<Bound<'p, PyAny>> {
        content_to_python(py, self.input.content())
    }

    /// The content as text.
    #[getter]
    fn text(&self) -> String {
        self.input.text()
    }

    /// The outputs of the earlier steps, by their names.
    #[getter]
    fn previous_step_outputs<'p>(&self, py: Python<'p>) -> PyResult<Bound<'p, PyAny>> {
        bridge(py, "outputs_by_name")?.call1((self.earlier(py)?,))
    }

    /// The additional data of the run.
    #[getter]
    fn additional_data<'p>(&self, py: Python<'p>) -> PyResult<Bound<'p, PyAny>> {
        Ok(members_to_python(py, &self.input.run.additional_data)?.into_any())
    }

    /// A copy of the session state. Changes of it are not kept: take `session_state` for that.
    #[getter]
    fn session_state<'p>(&self, py: Python<'p>) -> PyResult<Bound<'p, PyAny>> {
        Ok(members_to_python(py, &self.input.state)?.into_any())
    }

    /// The item of a map, or `None` elsewhere.
    #[getter]
    fn item<'p>(&self, py: Python<'p>) -> PyResult<Bound<'p, PyAny>> {
        match &self.input.item {
            Some(item) => content_to_python(py, item),
            None => Ok(py.None().into_bound(py)),
        }
    }

    /// The number of the turn or the item, from 1. 0 elsewhere.
    #[getter]
    fn nth(&self) -> u32 {
        self.input.nth
    }

    /// The values that a person entered for this step.
    #[getter]
    fn user_input<'p>(&self, py: Python<'p>) -> PyResult<Bound<'p, PyAny>> {
        match &self.input.user_input {
            Some(values) => to_python(py, values),
            None => Ok(py.None().into_bound(py)),
        }
    }

    /// Images, videos, audio and files.
    #[getter]
    fn media<'p>(&self, py: Python<'p>) -> PyResult<Bound<'p, PyAny>> {
        let mut media = self.input.media();
        with_bytes(&mut media);
        data_to_python(py, &media)
    }

    /// The path of the step, such as `Facts/web`.
    #[getter]
    fn step_id(&self) -> Option<String> {
        self.cx.as_ref().map(|cx| cx.path().to_string())
    }

    /// The id of the run.
    #[getter]
    fn run_id(&self) -> Option<String> {
        self.cx.as_ref().map(|cx| cx.run().run_id.to_string())
    }

    /// The number of this attempt, from 1.
    #[getter]
    fn attempt(&self) -> u32 {
        self.cx.as_ref().map_or(1, StepContext::attempt)
    }

    /// The same text in every attempt of this step, also after a crash. Pass it to a service that
    /// recognises repeated requests.
    #[getter]
    fn idempotency_key(&self) -> Option<String> {
        self.cx.as_ref().map(StepContext::idempotency_key)
    }

    /// Returns the content of an earlier step by its name, or `None`.
    fn get_step_content<'p>(&self, py: Python<'p>, name: &str) -> PyResult<Bound<'p, PyAny>> {
        match self.input.step(name) {
            Some(content) => content_to_python(py, content),
            None => Ok(py.None().into_bound(py)),
        }
    }

    /// Returns the output of an earlier step by its name, or `None`.
    fn get_step_output<'p>(&self, py: Python<'p>, name: &str) -> PyResult<Bound<'p, PyAny>> {
        match self.input.step(name) {
            Some(content) => {
                let outputs = vec![(name, content_to_python(py, content)?)];
                bridge(py, "outputs")?.call1((outputs,))?.get_item(0)
            }
            None => Ok(py.None().into_bound(py)),
        }
    }

    /// Returns the contents of all earlier steps as one text, each under its name.
    fn get_all_previous_content(&self) -> String {
        let earlier =
            self.input.scope.leaves().into_iter().map(|entry| {
                format!("=== {} ===\n{}", entry.name(), entry.output().content.text())
            });
        earlier.collect::<Vec<_>>().join("\n\n")
    }

    /// Returns the content of the last step, or `None` if this is the first one.
    fn get_last_step_content<'p>(&self, py: Python<'p>) -> PyResult<Bound<'p, PyAny>> {
        self.previous_step_content(py)
    }

    /// Returns the input of the run as text.
    fn get_input_as_string(&self) -> String {
        self.input.run.content.text().into_owned()
    }

    /// Shows a piece of the step's answer to the readers of the run.
    fn emit(&self, text: String) {
        if let Some(cx) = &self.cx {
            cx.emit(text);
        }
    }

    /// Reports what the step does, and how much of it is done, from 0 to 1.
    #[pyo3(signature = (content, fraction=None))]
    fn progress(&self, content: String, fraction: Option<f64>) {
        match (&self.cx, fraction) {
            (Some(cx), Some(fraction)) => cx.progress(fraction, content),
            (Some(cx), None) => cx.note(content),
            (None, _) => {}
        }
    }

    /// Shows an event of your own to the readers of the run.
    fn custom_event(&self, name: String, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let data = from_python(data)?;
        if let Some(cx) = &self.cx {
            cx.custom(name, data);
        }
        Ok(())
    }

    /// Asks a person, and returns the answer.
    ///
    /// The run pauses. When the answer is there, the function is called again from its beginning,
    /// and this returns the answer.
    #[pyo3(signature = (name, message=None, *, schema=None, timeout=None, **default))]
    fn wait<'p>(
        &self,
        py: Python<'p>,
        name: &str,
        message: Option<String>,
        schema: Option<Bound<'p, PyAny>>,
        timeout: Option<f64>,
        default: Option<Bound<'p, PyDict>>,
    ) -> PyResult<Bound<'p, PyAny>> {
        match self.answer("wait", name)? {
            Some(answer) => to_python(py, &answer),
            None => {
                let told = (name, message, schema, timeout, default);
                Err(PyErr::from_value(bridge(py, "waits")?.call1(told)?))
            }
        }
    }

    /// Waits for a time that survives the process.
    fn sleep(&self, py: Python<'_>, name: &str, seconds: f64) -> PyResult<()> {
        match self.answer("sleep", name)? {
            Some(_) => Ok(()),
            None => Err(PyErr::from_value(bridge(py, "sleeps")?.call1((name, seconds))?)),
        }
    }

    /// Calls a function once for all attempts, and returns what it returned.
    fn once<'p>(
        &self,
        py: Python<'p>,
        key: &str,
        function: &Bound<'p, PyAny>,
    ) -> PyResult<Bound<'p, PyAny>> {
        if let Some(kept) = self.answer("once", key)? {
            return to_python(py, &kept);
        }
        if let Some(kept) = self.cx.as_ref().and_then(|cx| cx.recorded(key)) {
            return to_python(py, &kept);
        }
        let value = function.call0()?;
        Err(PyErr::from_value(bridge(py, "keeps")?.call1((key, value))?))
    }

    /// Returns `True` if the run has been cancelled. Long functions that are not async should ask.
    fn is_cancelled(&self) -> bool {
        self.cx.as_ref().is_some_and(StepContext::is_cancelled)
    }

    fn __repr__(&self) -> String {
        format!("StepInput(input={:?}, content={:?})", self.input.run.content.text(), self.text())
    }
}

impl Input {
    fn answer(&self, kind: &str, name: &str) -> PyResult<Option<serde_json::Value>> {
        if self.cx.is_none() {
            let what = "this input belongs to no run, so nothing can be waited for";
            return Err(pyo3::exceptions::PyRuntimeError::new_err(what));
        }
        Ok(self.answers.get(&key(kind, name)))
    }

    fn earlier<'p>(&self, py: Python<'p>) -> PyResult<Vec<(String, Bound<'p, PyAny>)>> {
        let one = |name: &str, output: &StepOutput| -> PyResult<_> {
            Ok((name.to_owned(), content_to_python(py, &output.content)?))
        };
        let leaves = self.input.scope.leaves().into_iter();
        leaves.map(|entry| one(entry.name(), entry.output())).collect()
    }
}
