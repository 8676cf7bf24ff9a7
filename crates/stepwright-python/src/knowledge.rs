//! The native part of `Knowledge`.

use crate::convert::data_from_python;
use crate::driving::answer;
use pyo3::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use stepwright::Error;
use stepwright::knowledge::{
    Document, DocumentKind, Knowledge as _, LazyKnowledge, Passage, SourceInfo,
};
use stepwright_host::KnowledgeSpec;

/// Documents in a file of `SQLite`.
#[pyclass(frozen)]
pub(crate) struct Knowledge {
    knowledge: LazyKnowledge,
}

/// A question to knowledge, or a change of it.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Asked {
    Add { source: String, text: String, kind: Option<String> },
    Remove { source: String },
    Sources {},
    Search { query: String, limit: usize },
}

#[pymethods]
impl Knowledge {
    #[new]
    fn new(py: Python<'_>, spec: &Bound<'_, PyAny>) -> PyResult<Self> {
        let spec: KnowledgeSpec = data_from_python(spec)?;
        let made = stepwright_host::knowledge(&spec);
        Ok(Self { knowledge: made.map_err(|error| crate::errors::raise(py, &error))? })
    }

    /// Answers a question.
    #[pyo3(signature = (question, event_loop=None))]
    fn ask(
        &self,
        py: Python<'_>,
        question: &Bound<'_, PyAny>,
        event_loop: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let asked = answered(self.knowledge.clone(), data_from_python(question)?);
        answer(py, event_loop, asked)
    }
}

async fn answered(knowledge: LazyKnowledge, asked: Asked) -> Result<Value, Error> {
    Ok(match asked {
        Asked::Add { source, text, kind } => {
            let kind = match kind {
                None => DocumentKind::of_path(&source),
                Some(name) => kind_of(&name)?,
            };
            let added = knowledge.add(Document::new(source, text, kind)).await?;
            json!(added.chunks().unwrap_or_default())
        }
        Asked::Remove { source } => json!(knowledge.remove(&source).await?),
        Asked::Sources {} => {
            let sources = knowledge.sources().await?;
            sources.into_iter().map(source_row).collect()
        }
        Asked::Search { query, limit } => {
            let passages = knowledge.search(&query, limit).await?;
            let row = |found: Passage| json!({"source": found.source, "text": found.text});
            passages.into_iter().map(row).collect()
        }
    })
}

fn source_row(SourceInfo { source, kind, chunks, .. }: SourceInfo) -> Value {
    json!({"source": source, "kind": kind, "chunks": chunks})
}

fn kind_of(name: &str) -> Result<DocumentKind, Error> {
    let kinds = [DocumentKind::Text, DocumentKind::Markdown, DocumentKind::Html, DocumentKind::Csv];
    kinds.into_iter().find(|kind| kind.as_str() == name).ok_or_else(|| {
        Error::usage(format!("`{name}` is no kind of document"))
            .with_hint("use `text`, `markdown`, `html` or `csv`")
    })
}
