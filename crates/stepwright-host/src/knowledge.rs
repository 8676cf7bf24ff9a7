//! Knowledge that is opened at its first use.

use crate::agent_spec::KnowledgeSpec;
use std::path::PathBuf;
use std::sync::Arc;
use stepwright::knowledge::{
    Added, AnyEmbedder, Document, HashEmbedder, Knowledge, OpenAiEmbedder, Passage, SourceInfo,
    SqliteKnowledge,
};
use stepwright::{BoxFuture, Error};
use tokio::sync::OnceCell;

/// Knowledge in a file of `SQLite`, which is opened at its first use, because a definition is made
/// where nothing can wait. Cheap to clone; clones share the file.
///
/// ```
/// use stepwright::knowledge::{Document, Knowledge as _};
/// use stepwright_host::{KnowledgeSpec, knowledge};
/// # let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
/// # let file = std::env::temp_dir().join(format!("host-knowledge-{}.db", std::process::id()));
/// # let spec = KnowledgeSpec { file: file.display().to_string(), ..KnowledgeSpec::default() };
/// let handbook = knowledge(&spec)?;
/// # runtime.block_on(async {
/// handbook.add(Document::text("a.txt", "The office opens at nine.")).await?;
/// assert_eq!(handbook.search("office", 1).await?[0].source, "a.txt");
/// # std::fs::remove_file(&file).ok();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct LazyKnowledge(Arc<Inner>);

struct Inner {
    file: PathBuf,
    embedder: AnyEmbedder,
    opened: OnceCell<SqliteKnowledge>,
}

/// Makes knowledge of its specification. Nothing is opened yet.
///
/// # Errors
/// If the file has no name, or the address of the embedder is none.
pub fn knowledge(spec: &KnowledgeSpec) -> Result<LazyKnowledge, Error> {
    if spec.file.is_empty() {
        return Err(Error::usage("knowledge needs a file"));
    }
    let embedder = match &spec.embedder {
        None => AnyEmbedder::new(HashEmbedder::default()),
        Some(named) => {
            let made = OpenAiEmbedder::new(&named.base_url, &named.model)?;
            AnyEmbedder::new(match &named.api_key {
                Some(key) => made.key(key),
                None => made,
            })
        }
    };
    let (file, opened) = (PathBuf::from(&spec.file), OnceCell::new());
    Ok(LazyKnowledge(Arc::new(Inner { file, embedder, opened })))
}

impl LazyKnowledge {
    async fn opened(&self) -> Result<&SqliteKnowledge, Error> {
        let Inner { file, embedder, opened } = &*self.0;
        opened.get_or_try_init(|| SqliteKnowledge::open(file, embedder.clone())).await
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
}

impl std::fmt::Debug for LazyKnowledge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LazyKnowledge").field(&self.0.file).finish()
    }
}
