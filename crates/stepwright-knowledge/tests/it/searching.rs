//! Searches by words and by vectors together.

use stepwright_core::BoxFuture;
use stepwright_knowledge::{
    Document, EmbedError, Embedder, HashEmbedder, Knowledge as _, SqliteKnowledge,
};

/// Knows two meanings: vehicles and food.
struct Meanings;

impl Embedder for Meanings {
    fn id(&self) -> &'static str {
        "meanings"
    }
    fn embed<'a>(
        &'a self,
        texts: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Vec<f32>>, EmbedError>> {
        let has = |text: &str, words: &[&str]| {
            let text = text.to_lowercase();
            if words.iter().any(|word| text.contains(word)) { 1.0 } else { 0.01 }
        };
        let vectors = texts.iter().map(|text| {
            let vehicles = has(text, &["car", "bus", "automobile"]);
            vec![vehicles, has(text, &["bread", "soup", "dinner"]), 0.02]
        });
        Box::pin(std::future::ready(Ok(vectors.collect())))
    }
}

#[tokio::test]
async fn a_passage_is_found_by_its_meaning_without_a_common_word() {
    let knowledge = SqliteKnowledge::in_memory(Meanings).await.unwrap();
    knowledge.add(Document::text("street", "A bus stops at the corner.")).await.unwrap();
    knowledge.add(Document::text("kitchen", "Soup needs an hour.")).await.unwrap();
    let found = knowledge.search("automobile", 1).await.unwrap();
    assert_eq!(found[0].source, "street");
}

#[tokio::test]
async fn a_passage_is_found_by_a_rare_word_that_its_vector_does_not_know() {
    let knowledge = SqliteKnowledge::in_memory(Meanings).await.unwrap();
    for nth in 0..60 {
        let text = format!("Car number {nth} is on the road.");
        knowledge.add(Document::text(format!("car {nth}"), text)).await.unwrap();
    }
    let part = "The part XK-4471 fits every engine.";
    knowledge.add(Document::text("part", part)).await.unwrap();
    // Each of the two searches has its best passage among the first two.
    let found = knowledge.search("XK-4471", 2).await.unwrap();
    assert!(found.iter().any(|passage| passage.source == "part"), "{found:?}");
}

#[tokio::test]
async fn queries_are_words_and_no_syntax() {
    let knowledge = SqliteKnowledge::in_memory(HashEmbedder::default()).await.unwrap();
    knowledge.add(Document::text("a", "Ants live in the ground.")).await.unwrap();
    for query in ["ants AND", "\"ants", "ants*", "NOT ants", "heading:ants", "(ants", "ants; --"] {
        let found = knowledge.search(query, 1).await.unwrap();
        assert_eq!(found[0].source, "a", "{query}");
    }
    assert!(knowledge.search("  ", 3).await.unwrap().is_empty());
    assert!(knowledge.search("ants", 0).await.unwrap().is_empty());
}

#[tokio::test]
async fn empty_knowledge_finds_nothing() {
    let knowledge = SqliteKnowledge::in_memory(HashEmbedder::default()).await.unwrap();
    assert!(knowledge.search("ants", 3).await.unwrap().is_empty());
}
