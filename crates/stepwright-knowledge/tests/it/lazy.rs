//! Knowledge that is opened at its first use.

use stepwright_knowledge::{
    Added, Document, HashEmbedder, Knowledge as _, LazyKnowledge, OpenAiEmbedder, SqliteKnowledge,
};

#[tokio::test]
async fn a_file_is_made_at_the_first_use_and_shared_by_clones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("handbook.db");
    let handbook = LazyKnowledge::open(&path, HashEmbedder::default());
    let clone = handbook.clone();
    assert!(!path.exists());
    let page = Document::text("a.txt", "The office opens at nine.");
    assert_eq!(handbook.add(page).await.unwrap(), Added::New(1));
    assert!(path.exists());
    assert_eq!(clone.search("office", 1).await.unwrap()[0].source, "a.txt");
    assert!(clone.remove("a.txt").await.unwrap());
    assert!(handbook.sources().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_file_that_must_exist_is_asked_for_again_until_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("handbook.db");
    let late = LazyKnowledge::open_existing(&path, None);
    let missing = late.search("office", 1).await.unwrap_err();
    assert!(missing.to_string().starts_with("there is no knowledge in"), "{missing}");
    let written = SqliteKnowledge::open_full_text(&path).await.unwrap();
    written.add(Document::text("a.txt", "The office opens at nine.")).await.unwrap();
    assert_eq!(late.search("office", 1).await.unwrap()[0].source, "a.txt");
}

#[test]
fn a_run_needs_the_permission_for_an_embedder_elsewhere_before_the_file_is_opened() {
    let embedder = OpenAiEmbedder::new("http://127.0.0.1:9/v1", "small").unwrap();
    let remote = LazyKnowledge::open("handbook.db", embedder);
    assert!(remote.remote_model().unwrap().contains("small"), "{:?}", remote.remote_model());
    let local = LazyKnowledge::open("handbook.db", HashEmbedder::default());
    assert_eq!(local.remote_model(), None);
}
