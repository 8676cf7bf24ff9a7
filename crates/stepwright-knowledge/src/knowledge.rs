//! The trait of knowledge.

use crate::document::Document;
use stepwright_core::{BoxFuture, Error};

/// The largest number of passages of one search.
pub const PASSAGES_MAX: usize = 100;

/// A passage that a search has found.
///
/// ```
/// use stepwright_knowledge::Passage;
/// fn cited(passage: &Passage) -> String {
///     format!("{} ({})", passage.text, passage.source)
/// }
/// assert_eq!(cited(&Passage { source: "a.md".into(), text: "Yes.".into(), ..Passage::default() }),
///     "Yes. (a.md)");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Passage {
    /// The source of its document.
    pub source: String,
    /// The headings above it. Empty if it has none.
    pub heading: String,
    /// The text.
    pub text: String,
    /// The rank among all passages, of the search by words and the one by vectors together. Only
    /// scores of one search can be compared.
    pub score: f64,
}

/// The effect of adding a document.
///
/// ```
/// use stepwright_knowledge::Added;
/// assert!(Added::Unchanged.chunks().is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// The source is new, with this many chunks.
    New(usize),
    /// The source had another content, and has this many chunks now.
    Updated(usize),
    /// The source has this content already. Nothing was embedded.
    Unchanged,
}

impl Added {
    /// Returns the number of chunks, if any were written.
    pub fn chunks(self) -> Option<usize> {
        match self {
            Self::New(chunks) | Self::Updated(chunks) => Some(chunks),
            Self::Unchanged => None,
        }
    }
}

/// A source of knowledge.
///
/// ```
/// use stepwright_knowledge::SourceInfo;
/// assert_eq!(SourceInfo::default().chunks, 0);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceInfo {
    /// The name.
    pub source: String,
    /// The kind of the document, such as `markdown`.
    pub kind: String,
    /// The hash of its content.
    pub hash: String,
    /// The number of its chunks.
    pub chunks: usize,
}

/// Documents that can be searched.
///
/// [`SqliteKnowledge`](crate::SqliteKnowledge) is one. Implement the trait to search a service of
/// your own: [`KnowledgeTool`](crate::KnowledgeTool) and
/// [`KnowledgeContext`](crate::KnowledgeContext) take any.
///
/// ```
/// use stepwright_core::Error;
/// use stepwright_knowledge::{Knowledge, Passage};
/// async fn first(knowledge: &impl Knowledge, query: &str) -> Result<Option<Passage>, Error> {
///     Ok(knowledge.search(query, 1).await?.into_iter().next())
/// }
/// ```
pub trait Knowledge: Send + Sync + 'static {
    /// Adds a document, or replaces the one of the same source. A document with the same content is
    /// passed over.
    ///
    /// # Errors
    /// Fails if the document is empty or too large, or if it cannot be embedded or stored. Then
    /// nothing is changed.
    fn add(&self, document: Document) -> BoxFuture<'_, Result<Added, Error>>;

    /// Removes a source. Returns `false` if there is none of that name.
    ///
    /// # Errors
    /// Fails if the store does.
    fn remove<'a>(&'a self, source: &'a str) -> BoxFuture<'a, Result<bool, Error>>;

    /// Lists the sources by name.
    ///
    /// # Errors
    /// Fails if the store does.
    fn sources(&self) -> BoxFuture<'_, Result<Vec<SourceInfo>, Error>>;

    /// Returns the passages that fit a query best, at most `limit` and [`PASSAGES_MAX`].
    ///
    /// # Errors
    /// Fails if the query cannot be embedded, or if the store fails.
    fn search<'a>(
        &'a self,
        query: &'a str,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Passage>, Error>>;

    /// Returns the model that a search asks outside of this process, if it does. A run then needs
    /// the permission `model` for it.
    fn remote_model(&self) -> Option<&str> {
        None
    }
}
