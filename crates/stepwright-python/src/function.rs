//! A function of Python in the table of a workflow.

use crate::answer::{Answer, Ended};
use crate::caller::{Caller, Gone};
use crate::convert::{
    bridge, content_from_python, content_to_python, data_from_python, from_python,
    members_to_python, to_python,
};
use crate::errors::step_error;
use crate::input::Input;
use crate::waits::{Answers, Waits};
use pyo3::exceptions::{PyException, PyKeyboardInterrupt, PySystemExit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};
use serde_json::{Map, Value};
use std::sync::Arc;
use stepwright::{Content, Media, Patch, StepContext, StepError, StepInput, StepOutput};
use stepwright_host::Asked;

/// A function as Python describes it.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Described {
    pub(crate) name: String,
    call: Py<PyAny>,
    /// `sync`, `generator`, `async` or `async_generator`.
    kind: String,
    /// The first argument: `nothing`, `input`, `text`, `content`, `outputs` or `arguments`.
    takes: String,
    /// Makes the first argument of the content.
    convert: Option<Py<PyAny>>,
    /// The names of the steps whose outputs `outputs` has.
    names: Vec<String>,
    /// `true` if it takes `session_state`.
    state: bool,
    /// `true` if it takes `run_context`.
    context: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sync,
    Generator,
    Async,
    AsyncGenerator,
}

/// A function of Python.
#[derive(Clone)]
pub(crate) struct Function(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) of: Described,
    pub(crate) kind: Kind,
}

/// The arguments of a call, with what is read after it.
pub(crate) struct Prepared {
    pub(crate) arguments: Py<PyTuple>,
    pub(crate) keywords: Option<Py<PyDict>>,
    pub(crate) changed: Option<Changed>,
}

/// The session state as a function got it.
pub(crate) struct Changed {
    before: Arc<Map<String, Value>>,
    state: Py<PyAny>,
}

impl Function {
    pub(crate) fn new(of: Described) -> Self {
        let kind = match &*of.kind {
            "generator" => Kind::Generator,
            "async" => Kind::Async,
            "async_generator" => Kind::AsyncGenerator,
            _ => Kind::Sync,
        };
        Self(Arc::new(Inner { of, kind }))
    }

    pub(crate) fn callable(&self) -> &Py<PyAny> {
        &self.0.of.call
    }

    /// Makes the arguments of a call.
    pub(crate) fn prepare(
        &self,
        py: Python<'_>,
        asked: Asked,
        cx: Option<&StepContext>,
        answers: &Answers,
    ) -> PyResult<Prepared> {
        let Described { takes, convert, names, state, context, .. } = &self.0.of;
        let mut keywords: Option<Bound<'_, PyDict>> = None;
        let mut changed = None;
        let (first, before) = match asked {
            Asked::Tool(arguments) => {
                let Value::Object(arguments) = arguments else {
                    return Err(pyo3::exceptions::PyTypeError::new_err("arguments must be named"));
                };
                keywords = Some(members_to_python(py, &arguments)?);
                if let Some(convert) = convert {
                    let made = convert.bind(py).call1((keywords.take(),))?;
                    keywords = Some(made.cast_into::<PyDict>()?);
                }
                (None, None)
            }
            Asked::Check(value) => (Some(to_python(py, &value)?), None),
            Asked::Step(input) | Asked::Decision(input) => {
                let before = state.then(|| input.state.clone());
                (first(py, takes, names, input, cx.map(|cx| (cx, answers)))?, before)
            }
            _ => (None, None),
        };
        if *context && let Some(cx) = cx {
            let run = cx.run();
            let keys = (
                run.run_id.as_str(),
                run.session_id.as_str(),
                run.user_id.as_ref().map(stepwright::UserId::as_str),
                run.workflow_id.as_str(),
                &*run.workflow_name,
                cx.path().as_str(),
            );
            let made = bridge(py, "run_context")?.call1(keys)?;
            keywords.get_or_insert_with(|| PyDict::new(py)).set_item("run_context", made)?;
        }
        if let Some(before) = before {
            let state = members_to_python(py, &before)?;
            let keywords = keywords.get_or_insert_with(|| PyDict::new(py));
            keywords.set_item("session_state", &state)?;
            changed = Some(Changed { before, state: state.into_any().unbind() });
        }
        let arguments = match first {
            Some(first) => {
                let first = match convert {
                    Some(convert) if takes != "arguments" => convert.bind(py).call1((first,))?,
                    _ => first,
                };
                PyTuple::new(py, [first])?
            }
            None => PyTuple::empty(py),
        };
        let keywords = keywords.map(Bound::unbind);
        Ok(Prepared { arguments: arguments.unbind(), keywords, changed })
    }

    /// Makes the output of what the function returned.
    pub(crate) fn returned(
        py: Python<'_>,
        value: &Bound<'_, PyAny>,
        changed: Option<Changed>,
    ) -> Result<StepOutput, StepError> {
        let unfit = |error: PyErr| step_error(py, error).and_terminal();
        let mut output = match value.is_exact_instance(step_output_class(py).map_err(unfit)?) {
            true => output_of_class(value).map_err(unfit)??,
            false => StepOutput::from(content_from_python(value).map_err(unfit)?),
        };
        if let Some(Changed { before, state }) = changed {
            let after = from_python(state.bind(py)).map_err(unfit)?;
            if let Value::Object(after) = after {
                add_changes(&mut output, &before, after);
            }
        }
        Ok(output)
    }
}

/// Records the changes of the session state.
fn add_changes(output: &mut StepOutput, before: &Map<String, Value>, after: Map<String, Value>) {
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        output.patches.push(Patch::set(key, Value::Null));
    }
    for (key, value) in after {
        if before.get(&key) != Some(&value) {
            output.patches.push(Patch::set(key, value));
        }
    }
}

pub(crate) fn step_output_class(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let class = CLASS.get_or_try_init(py, || -> PyResult<Py<PyAny>> {
        Ok(py.import("stepwright.types")?.getattr("StepOutput")?.unbind())
    })?;
    Ok(class.bind(py))
}

/// Reads a `StepOutput`. One without success is a failure of the step.
fn output_of_class(value: &Bound<'_, PyAny>) -> PyResult<Result<StepOutput, StepError>> {
    let py = value.py();
    let content = value.getattr(intern!(py, "content"))?;
    let content = match content.is_none() {
        true => Content::default(),
        false => content_from_python(&content)?,
    };
    if !value.getattr(intern!(py, "success"))?.is_truthy()? {
        let error = value.getattr(intern!(py, "error"))?;
        let message = match error.is_none() {
            true => content.text().into_owned(),
            false => error.str()?.to_cow()?.into_owned(),
        };
        return Ok(Err(StepError::new(message)));
    }
    let mut output = StepOutput::from(content);
    output.stop = value.getattr(intern!(py, "stop"))?.is_truthy()?;
    let kinds =
        [intern!(py, "images"), intern!(py, "videos"), intern!(py, "audio"), intern!(py, "files")];
    for kind in kinds {
        let items = value.getattr(kind)?;
        if !items.is_none() && items.is_truthy()? {
            let items = bridge(py, "media")?.call1((kind, items))?;
            output.media.extend(data_from_python::<Vec<Media>>(&items)?);
        }
    }
    Ok(Ok(output))
}

/// Makes the first argument of a step's function or a decider.
fn first<'p>(
    py: Python<'p>,
    takes: &str,
    names: &[String],
    input: StepInput,
    surroundings: Option<(&StepContext, &Answers)>,
) -> PyResult<Option<Bound<'p, PyAny>>> {
    Ok(Some(match takes {
        "nothing" => return Ok(None),
        "text" => pyo3::types::PyString::new(py, &input.text()).into_any(),
        "content" => content_to_python(py, input.content())?,
        "outputs" => {
            let mut outputs = Vec::with_capacity(names.len());
            for name in names {
                let content = input.step(name).map(|content| content_to_python(py, content));
                outputs.push((name.as_str(), content.transpose()?));
            }
            bridge(py, "outputs")?.call1((outputs,))?
        }
        _ => {
            let surroundings = surroundings.map(|(cx, answers)| (cx.clone(), answers.clone()));
            Bound::new(py, Input::new(input, surroundings))?.into_any()
        }
    }))
}

/// Shows a piece that a generator gave.
pub(crate) fn emit(piece: &Bound<'_, PyAny>, cx: Option<&StepContext>) -> PyResult<()> {
    let Some(cx) = cx else { return Ok(()) };
    if let Ok(text) = piece.cast::<pyo3::types::PyString>() {
        cx.emit(text.to_cow()?.into_owned());
        return Ok(());
    }
    let name = piece.get_type().name()?.to_cow()?.into_owned();
    cx.custom(name, from_python(piece)?);
    Ok(())
}

/// Converts what a function raised. An exception that ends the program also ends the run.
pub(crate) fn raised(py: Python<'_>, error: PyErr, caller: &Caller) -> StepError {
    let ends = error.is_instance_of::<PyKeyboardInterrupt>(py);
    if ends || error.is_instance_of::<PySystemExit>(py) {
        caller.interrupt(error.clone_ref(py));
        return step_error(py, error).and_terminal();
    }
    step_error(py, error)
}

/// Converts what a function raised, or reads what it waits for. `caller` is that of a function
/// which may end the program.
pub(crate) fn raised_or_waits(py: Python<'_>, error: PyErr, caller: Option<&Caller>) -> Answer {
    if !error.is_instance_of::<PyException>(py)
        && waits_class(py).is_ok_and(|class| error.is_instance(py, class))
    {
        let waits = Waits::of(error.value(py));
        return waits.map(Ended::Waits).map_err(|error| step_error(py, error));
    }
    Err(match caller {
        Some(caller) => raised(py, error, caller),
        None => step_error(py, error),
    })
}

fn waits_class(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let class = CLASS.get_or_try_init(py, || bridge(py, "Waits").map(Bound::unbind))?;
    Ok(class.bind(py))
}

pub(crate) fn gone<T>(_: Gone) -> Result<T, StepError> {
    Err(StepError::terminal("the thread or event loop that the run belongs to has ended"))
}
