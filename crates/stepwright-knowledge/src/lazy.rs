//! Knowledge that is opened at its first use.

use crate::document::Document;
use crate::embedder::{AnyEmbedder, Embedder};
use crate::knowledge::{Added, Knowledge, Passage, SourceInfo};
use crate::sqlite::SqliteKnowledge;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use stepwright_core::{BoxFuture, Error};
use tokio::sync::OnceCell;

/// Knowledge in a file of SQLite that is opened at its first use, for definitions that are made
/// where nothing can wait. Cheap to clone; clones share the file.
///
/// ```
/// use stepwright_knowledge::{Document, HashEmbedder, Knowledge as _, LazyKnowledge};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("handbook.db");
/// let handbook = LazyKnowledge::open(&path, HashEmbedder::default());
/// assert!(!path.exists());
/// handbook.add(Document::text("a.txt", "The office opens at nine.")).await?;
/// assert!(path.exists());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct LazyKnowledge(Arc<Inner>);

struct Inner {
    path: PathBuf,
    embedder: Option<AnyEmbedder>,
    /// `true` if a file that does not exist is made.
    makes: bool,
    opened: OnceCell<SqliteKnowledge>,
}

impl LazyKnowledge {
    /// Names the file at `path`, which is made if there is none: see [`SqliteKnowledge::open`].
    pub fn open(path: impl Into<PathBuf>, embedder: impl Embedder) -> Self {
        Self::of(path.into(), Some(AnyEmbedder::new(embedder)), true)
    }

    /// Names the file at `path`, which must exist when it is used: see
    /// [`SqliteKnowledge::open_existing`].
    pub fn open_existing(path: impl Into<PathBuf>, embedder: Option<AnyEmbedder>) -> Self {
        Self::of(path.into(), embedder, false)
    }

    fn of(path: PathBuf, embedder: Option<AnyEmbedder>, makes: bool) -> Self {
        Self(Arc::new(Inner { path, embedder, makes, opened: OnceCell::new() }))
    }

    async fn opened(&self) -> Result<&SqliteKnowledge, Error> {
        let Inner { path, embedder, makes, opened } = &*self.0;
        let open = || SqliteKnowledge::open_at(path, embedder.clone(), *makes);
        opened.get_or_try_init(open).await
    }
}

impl Knowledge for LazyKnowledge {
    fn add(&self, document: Document) -> BoxFuture<'_, Result<Added, Error>> {
        Box::pin(async move { self.opened().await?.add(document).await })
    }

    fn remove<'a>(&'a self, source: &'a str) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async move { self.opened().await?.remove(source).await })
    }

    fn sources(&self) -> BoxFuture<'_, Result<Vec<SourceInfo>, Error>> {
        Box::pin(async move { self.opened().await?.sources().await })
    }

    fn search<'a>(
        &'a self,
        query: &'a str,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Passage>, Error>> {
        Box::pin(async move { self.opened().await?.search(query, limit).await })
    }

    fn remote_model(&self) -> Option<&str> {
        self.0.embedder.as_ref().filter(|embedder| embedder.is_remote()).map(Embedder::id)
    }
}

impl fmt::Debug for LazyKnowledge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LazyKnowledge").field(&self.0.path).finish()
    }
}
