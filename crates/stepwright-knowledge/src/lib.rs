//! Knowledge for Stepwright agents: documents are cut into chunks, embedded, and found by full text
//! and vectors together.
//!
//! ```
//! use stepwright_agent::Agent;
//! use stepwright_knowledge::{
//!     Document, HashEmbedder, Knowledge as _, KnowledgeTool, SqliteKnowledge,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), stepwright_core::Error> {
//! let handbook = SqliteKnowledge::in_memory(HashEmbedder::default()).await?;
//! let text = "# Returns\n\nGoods can be sent back for 30 days.";
//! handbook.add(Document::markdown("returns.md", text)).await?;
//!
//! let found = handbook.search("How long can goods be sent back?", 3).await?;
//! assert_eq!(found[0].source, "returns.md");
//!
//! let agent = Agent::builder("Desk")
//!     .model("offline")?
//!     .tool(KnowledgeTool::new(handbook))
//!     .build()?;
//! assert_eq!(agent.tools()[0].name, "search_knowledge");
//! # Ok(()) }
//! ```

mod chunks;
mod csv;
mod document;
mod embedder;
mod hashed;
mod knowledge;
mod lazy;
mod openai;
mod retrieval;
mod sqlite;
mod vectors;
mod words;

pub use chunks::{CHUNK_BYTES, CHUNK_BYTES_MAX, Chunk, cut};
pub use document::{DOCUMENT_BYTES_MAX, Document, DocumentKind};
pub use embedder::{AnyEmbedder, DIMENSIONS_MAX, EMBEDDED_AT_ONCE_MAX, EmbedError, Embedder};
pub use hashed::HashEmbedder;
pub use knowledge::{Added, Knowledge, PASSAGES_MAX, Passage, SourceInfo};
pub use lazy::LazyKnowledge;
pub use openai::{EMBEDDINGS_BYTES_MAX, EMBEDDINGS_TIMEOUT, OpenAiEmbedder};
pub use retrieval::{KNOWLEDGE_EFFECT, KnowledgeContext, KnowledgeTool, PASSAGES};
pub use sqlite::{CANDIDATES, SqliteKnowledge};
