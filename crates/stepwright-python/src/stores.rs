//! Stores, which several workflows may share.

use crate::convert::data_from_python;
use crate::driving::answer;
use crate::errors::plain_error;
use crate::process;
use pyo3::prelude::*;
use stepwright::{AnyStore, Memory, Postgres, Sqlite};
use stepwright_host::MemoryQuestion;

/// A store. It is opened at its first use.
#[pyclass(frozen)]
pub(crate) struct Store {
    store: AnyStore,
    /// The process that made it: a forked child cannot use it.
    process: u32,
}

impl Store {
    fn of(store: AnyStore) -> Self {
        Self { store, process: std::process::id() }
    }

    pub(crate) fn get(&self, py: Python<'_>) -> PyResult<AnyStore> {
        process::check(py)?;
        let here = std::process::id();
        if here != self.process {
            let message = format!(
                "the store was made in process {}, and process {here} was forked from it",
                self.process
            );
            let hint = "make the store in the process that uses it";
            return Err(plain_error(py, "StoreError", message, Some(hint)));
        }
        Ok(self.store.clone())
    }
}

#[pymethods]
impl Store {
    #[staticmethod]
    fn memory() -> Self {
        Self::of(AnyStore::new(Memory::default()))
    }

    #[staticmethod]
    fn sqlite(path: &str) -> Self {
        Self::of(AnyStore::new(Sqlite::options(path).lazy()))
    }

    #[staticmethod]
    #[pyo3(signature = (address, schema=None))]
    fn postgres(py: Python<'_>, address: &str, schema: Option<&str>) -> PyResult<Self> {
        let mut options = Postgres::options(address);
        if let Some(schema) = schema {
            options = options.schema(schema);
        }
        let store = options.lazy().map_err(|error| {
            plain_error(py, "StoreError", error.to_string(), error.hint().as_deref())
        })?;
        Ok(Self::of(AnyStore::new(store)))
    }

    /// Answers a question about the memories of a user.
    #[pyo3(signature = (question, event_loop=None))]
    fn memories(
        &self,
        py: Python<'_>,
        question: &Bound<'_, PyAny>,
        event_loop: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let question: MemoryQuestion = data_from_python(question)?;
        let asked = question.ask(self.get(py)?);
        answer(py, event_loop, asked)
    }
}
