//! Documents are added, updated and removed by the hash of their content.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use stepwright_core::{BoxFuture, ErrorId};
use stepwright_knowledge::{
    Added, Document, EmbedError, Embedder, HashEmbedder, Knowledge as _, SqliteKnowledge,
};

/// Counts the texts that are embedded, and fails from the `fails_at`-th call.
#[derive(Clone)]
struct Counting {
    texts: Arc<AtomicUsize>,
    fails: bool,
}

impl Counting {
    fn new() -> Self {
        Self { texts: Arc::default(), fails: false }
    }
    fn count(&self) -> usize {
        self.texts.load(Ordering::Relaxed)
    }
}

impl Embedder for Counting {
    fn id(&self) -> &'static str {
        "counting"
    }
    fn embed<'a>(
        &'a self,
        texts: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Vec<f32>>, EmbedError>> {
        self.texts.fetch_add(texts.len(), Ordering::Relaxed);
        Box::pin(async move {
            if self.fails {
                return Err(EmbedError::new(ErrorId::MODEL_OVERLOADED, "busy"));
            }
            HashEmbedder::default().embed(texts).await
        })
    }
}

fn page(parts: &[&str]) -> Document {
    let text: Vec<String> =
        parts.iter().map(|part| format!("# {part}\n\nAll about {part}.")).collect();
    Document::markdown("page.md", text.join("\n\n"))
}

#[tokio::test]
async fn an_unchanged_document_is_not_embedded_again_and_a_changed_one_only_where_it_changed() {
    let embedder = Counting::new();
    let knowledge = SqliteKnowledge::in_memory(embedder.clone()).await.unwrap();
    assert_eq!(knowledge.add(page(&["ants", "bees"])).await.unwrap(), Added::New(2));
    assert_eq!(embedder.count(), 2);
    assert_eq!(knowledge.add(page(&["ants", "bees"])).await.unwrap(), Added::Unchanged);
    assert_eq!(embedder.count(), 2);
    assert_eq!(knowledge.add(page(&["ants", "cats"])).await.unwrap(), Added::Updated(2));
    assert_eq!(embedder.count(), 3, "only `cats` is new");
    let found = knowledge.search("bees", 9).await.unwrap();
    assert!(found.iter().all(|passage| !passage.text.contains("bees")), "{found:?}");
    let found = knowledge.search("cats", 1).await.unwrap();
    assert_eq!(found[0].heading, "cats");
}

#[tokio::test]
async fn a_removed_source_is_found_no_more() {
    let knowledge = SqliteKnowledge::in_memory(HashEmbedder::default()).await.unwrap();
    knowledge.add(page(&["ants"])).await.unwrap();
    knowledge.add(Document::text("other", "All about bees.")).await.unwrap();
    assert!(knowledge.remove("page.md").await.unwrap());
    assert!(!knowledge.remove("page.md").await.unwrap());
    let found = knowledge.search("ants", 9).await.unwrap();
    assert!(found.iter().all(|passage| passage.source == "other"), "{found:?}");
    let sources = knowledge.sources().await.unwrap();
    assert_eq!(sources.len(), 1);
    assert_eq!((sources[0].source.as_str(), sources[0].chunks), ("other", 1));
}

#[tokio::test]
async fn a_document_that_cannot_be_embedded_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k.db");
    let good = SqliteKnowledge::open(&path, Counting::new()).await.unwrap();
    good.add(page(&["ants"])).await.unwrap();
    let bad = Counting { fails: true, ..Counting::new() };
    let bad = SqliteKnowledge::open(&path, bad).await.unwrap();
    let error = bad.add(page(&["bees"])).await.unwrap_err();
    assert_eq!((error.id(), error.to_string().as_str()), (ErrorId::MODEL_OVERLOADED, "busy"));
    assert_eq!(good.search("ants", 1).await.unwrap()[0].heading, "ants");
}

#[tokio::test]
async fn a_file_is_opened_again_with_the_same_embedder_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k.db");
    let first = SqliteKnowledge::open(&path, HashEmbedder::new(64)).await.unwrap();
    first.add(page(&["ants"])).await.unwrap();
    // What one handle adds, another finds.
    let second = SqliteKnowledge::open(&path, HashEmbedder::new(64)).await.unwrap();
    assert_eq!(second.search("ants", 1).await.unwrap().len(), 1);
    first.add(Document::text("b", "All about bees.")).await.unwrap();
    assert_eq!(second.search("bees", 1).await.unwrap()[0].source, "b");
    let error = SqliteKnowledge::open(&path, HashEmbedder::new(32)).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("`hash:64`") && text.contains("`hash:32`"), "{text}");
}

#[tokio::test]
async fn a_file_of_something_else_is_refused_and_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "not a database, but a text of some length".repeat(40)).unwrap();
    let error = SqliteKnowledge::open(&text, HashEmbedder::default()).await.unwrap_err();
    assert_eq!(error.id(), ErrorId::DATABASE_DAMAGED, "{error}");
    assert!(std::fs::read_to_string(&text).unwrap().starts_with("not a database"));
}

#[tokio::test]
async fn mistakes_in_documents_are_named() {
    let knowledge = SqliteKnowledge::in_memory(HashEmbedder::default()).await.unwrap();
    let error = knowledge.add(Document::text("a.txt", "  ")).await.unwrap_err();
    assert_eq!(error.to_string(), "the document `a.txt` has no text");
    let error = knowledge.add(Document::text(" ", "text")).await.unwrap_err();
    assert_eq!(error.to_string(), "a document has no name of its source");
}

#[tokio::test]
async fn a_byte_order_mark_belongs_to_no_document() {
    let knowledge = SqliteKnowledge::in_memory(HashEmbedder::default()).await.unwrap();
    knowledge.add(Document::markdown("a.md", "\u{feff}# Ants\n\nAll about ants.")).await.unwrap();
    let found = knowledge.search("ants", 1).await.unwrap();
    assert!(!format!("{found:?}").contains("feff"), "{found:?}");
    // The same document without it has not changed.
    let added = knowledge.add(Document::markdown("a.md", "# Ants\n\nAll about ants.")).await;
    assert_eq!(added.unwrap(), Added::Unchanged);
}

#[tokio::test]
async fn a_document_and_a_question_may_have_no_word() {
    let knowledge = SqliteKnowledge::in_memory(HashEmbedder::new(1)).await.unwrap();
    knowledge.add(Document::text("signs", "🦀 → !")).await.unwrap();
    let found = knowledge.search("???", 1).await.unwrap();
    assert_eq!(found[0].source, "signs");
}
