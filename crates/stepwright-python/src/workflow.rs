//! The native part of `Workflow`.

use crate::caller::{Caller, Manner};
use crate::convert::{data_from_python, data_to_python, with_bytes};
use crate::driving::{Driving, Made, answer};
use crate::enter::block;
use crate::errors::raise;
use crate::events::Events;
use crate::function::{Described, Function};
use crate::options::Request;
use crate::output::Output;
use crate::stores::Store;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::future::IntoFuture as _;
use std::io::{self, Write};
use std::sync::Arc;
use stepwright::term::{PrintResponse as _, Printing};
use stepwright::{BoxFuture, Error, RunOutput};
use stepwright_host::{HostFunction, Question, TakeUp, WorkflowSpec};

/// A workflow that was built.
#[pyclass(frozen)]
pub(crate) struct Workflow {
    workflow: stepwright::Workflow,
}

/// A run that is driven.
type Asked = BoxFuture<'static, Result<RunOutput, Error>>;

fn ended(answer: Result<RunOutput, Error>) -> Made {
    Box::new(move |py| match answer {
        Ok(output) => Ok(Py::new(py, Output::new(output))?.into_any()),
        Err(error) => Err(raise(py, &error)),
    })
}

impl Workflow {
    pub(crate) fn built(&self) -> &stepwright::Workflow {
        &self.workflow
    }

    /// Drives a run on this thread, or returns work for the event loop.
    fn drive(
        &self,
        py: Python<'_>,
        event_loop: Option<Bound<'_, PyAny>>,
        manner: Manner,
        run_id: String,
        begin: impl FnOnce(&Caller) -> PyResult<Asked>,
    ) -> PyResult<Py<PyAny>> {
        let begin = |caller: &Caller| -> PyResult<Asked> {
            let running = begin(caller)?;
            Ok(Box::pin(async move {
                let mut output = running.await?;
                with_bytes(&mut output.media);
                Ok(output)
            }))
        };
        let workflow = self.workflow.clone();
        let cancel = move || {
            workflow.cancel_now(&run_id);
        };
        let is_awaited = event_loop.is_some();
        let caller = Caller::of(py, event_loop, manner)?;
        let running = begin(&caller)?;
        if is_awaited {
            let driving = Driving::new(caller, cancel, async move { ended(running.await) });
            return Ok(Py::new(py, driving)?.into_any());
        }
        let answer = block(py, &caller, cancel, running);
        caller.close();
        ended(answer?)(py)
    }
}

#[pymethods]
impl Workflow {
    #[new]
    fn new(
        py: Python<'_>,
        spec: &Bound<'_, PyAny>,
        functions: Vec<Described>,
        store: Option<Py<Store>>,
    ) -> PyResult<Self> {
        let spec: WorkflowSpec = data_from_python(spec)?;
        let functions: Vec<Arc<dyn HostFunction>> = functions
            .into_iter()
            .map(|described| Arc::new(Function::new(described)) as Arc<dyn HostFunction>)
            .collect();
        let store = store.map(|store| store.get().get(py)).transpose()?;
        let built = stepwright_host::workflow(&spec, &functions, store);
        Ok(Self { workflow: built.map_err(|error| raise(py, &error))? })
    }

    #[getter]
    fn id(&self) -> &str {
        self.workflow.id().as_str()
    }

    #[getter]
    fn digest(&self) -> &str {
        self.workflow.digest()
    }

    fn plan<'p>(&self, py: Python<'p>) -> PyResult<Bound<'p, PyAny>> {
        data_to_python(py, self.workflow.plan())
    }

    #[pyo3(signature = (input, options, event_loop=None))]
    fn run(
        &self,
        py: Python<'_>,
        input: &Bound<'_, PyAny>,
        options: &Bound<'_, PyDict>,
        event_loop: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let request = Request::read(input, options)?;
        let (manner, run_id) = (request.manner(false), request.run_id().to_owned());
        self.drive(py, event_loop, manner, run_id, |caller| {
            Ok(Box::pin(request.run(&self.workflow, caller)?))
        })
    }

    #[pyo3(signature = (input, options, event_loop=None))]
    fn stream(
        &self,
        py: Python<'_>,
        input: &Bound<'_, PyAny>,
        options: &Bound<'_, PyDict>,
        event_loop: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Events> {
        let request = Request::read(input, options)?;
        let caller = Caller::of(py, event_loop, request.manner(true))?;
        let (workflow, run_id) = (self.workflow.clone(), request.run_id().to_owned());
        let stream = request.run(&self.workflow, &caller)?.stream();
        let cancel = move || {
            workflow.cancel_now(&run_id);
        };
        Ok(Events::new(caller, stream, cancel))
    }

    /// Begins a run that goes on by itself, and returns its output so far.
    fn background(
        &self,
        py: Python<'_>,
        input: &Bound<'_, PyAny>,
        options: &Bound<'_, PyDict>,
        event_loop: Bound<'_, PyAny>,
    ) -> PyResult<Driving> {
        let request = Request::read(input, options)?;
        let caller = Caller::of(py, Some(event_loop), Manner::default())?;
        let run = request.run(&self.workflow, &caller)?;
        let workflow = self.workflow.clone();
        Ok(Driving::new(caller, || {}, async move {
            let begun = async {
                let handle = run.background().await?;
                workflow.get_run(handle.run_id()).await
            };
            ended(begun.await)
        }))
    }

    /// Makes a run go on.
    #[pyo3(signature = (what, event_loop=None))]
    fn take_up(
        &self,
        py: Python<'_>,
        what: &Bound<'_, PyAny>,
        event_loop: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let what: TakeUp = data_from_python(what)?;
        let (manner, run_id) = (Manner { inline: true, reads: false }, what.run_id().to_owned());
        self.drive(py, event_loop, manner, run_id, |caller| {
            Ok(what.of(&self.workflow, caller.clone(), false).drive())
        })
    }

    /// Makes a run go on, and returns its events from now on.
    #[pyo3(signature = (what, all_events, event_loop=None))]
    fn take_up_stream(
        &self,
        py: Python<'_>,
        what: &Bound<'_, PyAny>,
        all_events: bool,
        event_loop: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Events> {
        let what: TakeUp = data_from_python(what)?;
        let caller = Caller::of(py, event_loop, Manner { inline: true, reads: true })?;
        let (workflow, run_id) = (self.workflow.clone(), what.run_id().to_owned());
        let stream = what.of(&self.workflow, caller.clone(), all_events).stream();
        let cancel = move || {
            workflow.cancel_now(&run_id);
        };
        Ok(Events::new(caller, stream, cancel))
    }

    /// Answers a question about what is stored.
    #[pyo3(signature = (question, event_loop=None))]
    fn ask(
        &self,
        py: Python<'_>,
        question: &Bound<'_, PyAny>,
        event_loop: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let question: Question = data_from_python(question)?;
        let asked = question.ask(self.workflow.clone());
        answer(py, event_loop, asked)
    }

    #[pyo3(signature = (input, options, printed, event_loop=None))]
    fn print_response(
        &self,
        py: Python<'_>,
        input: &Bound<'_, PyAny>,
        options: &Bound<'_, PyDict>,
        printed: Printed,
        event_loop: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let request = Request::read(input, options)?;
        let (manner, run_id) = (request.manner(true), request.run_id().to_owned());
        self.drive(py, event_loop, manner, run_id, |caller| {
            let printing = printed.of(request.run(&self.workflow, caller)?, caller);
            Ok(Box::pin(printing.into_future()))
        })
    }

    fn cli_app(&self, py: Python<'_>, asked: Conversation) -> PyResult<()> {
        let caller = Caller::of(py, None, Manner::default())?;
        let runtime = crate::process::runtime(py)?;
        let mut app = self.workflow.cli_app();
        let Conversation { session_id, user_id, user, emoji, input, exit_on, .. } = asked;
        if let Some(session) = session_id {
            app = app.session_id(session);
        }
        if let Some(id) = user_id {
            app = app.user_id(id);
        }
        if let Some(name) = user {
            app = app.user(name);
        }
        if let Some(emoji) = emoji {
            app = app.emoji(emoji);
        }
        if let Some(input) = input {
            app = app.input(input);
        }
        if let Some(words) = exit_on {
            app = app.exit_on(words);
        }
        if let Some(stream) = asked.stream {
            app = app.stream(stream);
        }
        if let Some(markdown) = asked.markdown {
            app = app.markdown(markdown);
        }
        if let Some(details) = asked.show_step_details {
            app = app.show_step_details(details);
        }
        let app = app.each_run(move |run| run.state(caller.clone()));
        let ended = py.detach(|| runtime.block_on(app.into_future()));
        ended.map(drop).map_err(|error| raise(py, &error))
    }
}

/// The options of a conversation at a terminal.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Conversation {
    session_id: Option<String>,
    user_id: Option<String>,
    user: Option<String>,
    emoji: Option<String>,
    input: Option<String>,
    exit_on: Option<Vec<String>>,
    stream: Option<bool>,
    markdown: Option<bool>,
    show_step_details: Option<bool>,
}

/// The options of a run that is printed.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Printed {
    stream: Option<bool>,
    markdown: Option<bool>,
    show_time: Option<bool>,
    show_step_details: Option<bool>,
    /// The file of Python to write to, if it is not the terminal.
    file: Option<Py<PyAny>>,
}

impl Printed {
    fn of(self, run: stepwright::Run, caller: &Caller) -> Printing {
        let mut printing = Printing::of(run);
        if let Some(stream) = self.stream {
            printing = printing.stream(stream);
        }
        if let Some(markdown) = self.markdown {
            printing = printing.markdown(markdown);
        }
        if let Some(show) = self.show_time {
            printing = printing.show_time(show);
        }
        if let Some(show) = self.show_step_details {
            printing = printing.show_step_details(show);
        }
        match self.file {
            Some(file) => printing.to(TextFile { file: Arc::new(file), caller: caller.clone() }),
            None => printing,
        }
    }
}

/// A text file of Python. It is written to on the caller's thread.
struct TextFile {
    file: Arc<Py<PyAny>>,
    caller: Caller,
}

impl TextFile {
    fn call(
        &self,
        call: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<()> + Send + 'static,
    ) -> io::Result<()> {
        let file = self.file.clone();
        if self.caller.home().is_here() {
            let called = Python::try_attach(|py| call(file.bind(py)));
            return called.unwrap_or(Ok(())).map_err(io::Error::other);
        }
        let here = move || drop(Python::try_attach(|py| call(file.bind(py))));
        self.caller.home().push(Box::new(here));
        Ok(())
    }
}

impl Write for TextFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        self.call(move |file| file.call_method1("write", (text,)).map(drop))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.call(|file| file.call_method0("flush").map(drop))
    }
}
