//! The native part of `Server`.

use crate::caller::{Caller, Manner};
use crate::driving::{Driving, Made};
use crate::enter::block;
use crate::errors::{plain_error, raise};
use crate::process::runtime;
use crate::stores::Store;
use crate::workflow::Workflow;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use stepwright_server::Mounted;
use stepwright_server::http::{Body, BodyDataStream, Method, Request};
use tokio_util::sync::CancellationToken;

/// A server of workflows, which another server may hold.
#[pyclass(frozen)]
pub(crate) struct Server {
    settings: Settings,
    mounted: Mutex<Option<Mounted>>,
    stop: CancellationToken,
}

struct Settings {
    served: Vec<(Py<Workflow>, bool)>,
    store: Py<Store>,
    name: Option<String>,
    hosts: Vec<String>,
    origins: Vec<String>,
    keys: Option<String>,
    insecure: bool,
}

/// A request as ASGI has it: the method, the path with the query, and the headers.
type Asked = (String, String, Vec<(Vec<u8>, Vec<u8>)>, Vec<u8>);

#[pymethods]
impl Server {
    #[new]
    #[pyo3(signature = (served, store, name, hosts, origins, keys, insecure))]
    fn new(
        served: Vec<(Py<Workflow>, bool)>,
        store: Py<Store>,
        name: Option<String>,
        hosts: Vec<String>,
        origins: Vec<String>,
        keys: Option<String>,
        insecure: bool,
    ) -> Self {
        let settings = Settings { served, store, name, hosts, origins, keys, insecure };
        Self { settings, mounted: Mutex::new(None), stop: CancellationToken::new() }
    }

    /// Serves at an address until the program is interrupted, or `stop` is called. `ready` gets the
    /// port.
    #[pyo3(signature = (host, port, ready, event_loop=None))]
    fn serve(
        &self,
        py: Python<'_>,
        host: String,
        port: u16,
        ready: &Bound<'_, PyAny>,
        event_loop: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let is_awaited = event_loop.is_some();
        let caller = Caller::of(py, event_loop, Manner::default())?;
        let server = self.build(py)?;
        let listener = TcpListener::bind((host.as_str(), port))?;
        ready.call1((listener.local_addr()?.port(),))?;
        let (stop, stopped) = (self.stop.clone(), self.stop.clone());
        // On threads of the runtime: the caller may be slow.
        let serving = runtime(py)?.spawn(async move { server.serve(listener, stop).await });
        let ended = async move {
            match serving.await {
                Ok(ended) => ended,
                Err(error) => {
                    Err(stepwright::Error::usage("the server was stopped").with_source(error))
                }
            }
        };
        let cancel = move || stopped.cancel();
        if is_awaited {
            let driving = Driving::new(caller, cancel, async move { nothing(ended.await) });
            return Ok(Py::new(py, driving)?.into_any());
        }
        nothing(block(py, &caller, cancel, ended)?)(py)
    }

    /// Begins to drive runs, for a server that holds this one.
    fn begin(&self, py: Python<'_>) -> PyResult<()> {
        let (mounted, stop) = (self.mounted(py)?, self.stop.clone());
        runtime(py)?.spawn(async move {
            if let Err(error) = mounted.drive(stop).await {
                tracing::error!(%error, "the runs of a server are not driven any more");
            }
        });
        Ok(())
    }

    /// Ends what was begun.
    fn stop(&self) {
        self.stop.cancel();
    }

    /// Returns `True` if other machines may reach it.
    fn is_open_elsewhere(&self) -> bool {
        self.settings.insecure || self.settings.keys.is_some()
    }

    /// Answers a request, with a status, headers and a body.
    fn answer(
        &self,
        py: Python<'_>,
        asked: Asked,
        event_loop: Bound<'_, PyAny>,
    ) -> PyResult<Driving> {
        let (method, path, headers, body) = asked;
        let wrong = |error: &dyn std::fmt::Display| PyValueError::new_err(error.to_string());
        let method = Method::from_bytes(method.as_bytes()).map_err(|error| wrong(&error))?;
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Body::from(body)).map_err(|error| wrong(&error))?;
        let mounted = self.mounted(py)?;
        let caller = Caller::of(py, Some(event_loop), Manner::default())?;
        // A task of its own: an answer goes on while the event loop is busy.
        let answering = runtime(py)?.spawn(async move { mounted.answer(request).await });
        Ok(Driving::new(caller, || {}, async move {
            let answer = answering.await;
            Box::new(move |py: Python<'_>| {
                let answer = answer.map_err(|error| PyValueError::new_err(error.to_string()))?;
                let (parts, body) = answer.into_parts();
                let headers: Vec<(Bound<'_, PyBytes>, Bound<'_, PyBytes>)> = parts
                    .headers
                    .iter()
                    .map(|(name, value)| {
                        let name = PyBytes::new(py, name.as_str().as_bytes());
                        (name, PyBytes::new(py, value.as_bytes()))
                    })
                    .collect();
                let body = Arc::new(tokio::sync::Mutex::new(body.into_data_stream()));
                let made = (parts.status.as_u16(), headers, Py::new(py, AnswerBody { body })?);
                Ok(made.into_pyobject(py)?.into_any().unbind())
            }) as Made
        }))
    }
}

impl Server {
    fn build(&self, py: Python<'_>) -> PyResult<stepwright_server::Server> {
        let Settings { served, store, name, hosts, origins, keys, insecure } = &self.settings;
        let mut builder = stepwright_server::Server::builder().insecure(*insecure);
        builder = builder.runs(stepwright::Runs::of(store.get().get(py)?));
        for (workflow, is_agent) in served {
            let workflow = workflow.get().built();
            builder = if *is_agent { builder.agent(workflow) } else { builder.workflow(workflow) };
        }
        if let Some(name) = name {
            builder = builder.name(name);
        }
        for host in hosts {
            builder = builder.host(host);
        }
        for origin in origins {
            builder = builder.origin(origin);
        }
        if let Some(file) = keys {
            builder = builder.keys(file);
        }
        builder.build().map_err(|error| raise(py, &error))
    }

    fn mounted(&self, py: Python<'_>) -> PyResult<Mounted> {
        let mut held = self.mounted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mounted) = &*held {
            return Ok(mounted.clone());
        }
        if self.stop.is_cancelled() {
            return Err(plain_error(py, "UsageError", "the server has ended".to_owned(), None));
        }
        let made = self.build(py)?.mounted(SocketAddr::from(([127, 0, 0, 1], 0)));
        *held = Some(made.clone());
        Ok(made)
    }
}

fn nothing(ended: Result<(), stepwright::Error>) -> Made {
    Box::new(move |py| match ended {
        Ok(()) => Ok(py.None()),
        Err(error) => Err(raise(py, &error)),
    })
}

/// The body of an answer.
#[pyclass(frozen)]
pub(crate) struct AnswerBody {
    body: Arc<tokio::sync::Mutex<BodyDataStream>>,
}

#[pymethods]
impl AnswerBody {
    /// Returns the next part, or `None` at the end.
    fn next(&self, py: Python<'_>, event_loop: Bound<'_, PyAny>) -> PyResult<Driving> {
        use futures_util::StreamExt as _;
        let caller = Caller::of(py, Some(event_loop), Manner::default())?;
        let body = self.body.clone();
        Ok(Driving::new(caller, || {}, async move {
            let part = body.lock().await.next().await;
            Box::new(move |py: Python<'_>| match part {
                Some(Ok(bytes)) => Ok(PyBytes::new(py, &bytes).into_any().unbind()),
                Some(Err(error)) => Err(PyValueError::new_err(error.to_string())),
                None => Ok(py.None()),
            }) as Made
        }))
    }
}
