//! Knowledge of its specification.

use crate::agent_spec::KnowledgeSpec;
use stepwright::Error;
use stepwright::knowledge::{AnyEmbedder, HashEmbedder, LazyKnowledge, OpenAiEmbedder};

/// Makes knowledge of its specification. Nothing is opened yet, because a definition is made where
/// nothing can wait.
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
    Ok(LazyKnowledge::open(&spec.file, embedder))
}
