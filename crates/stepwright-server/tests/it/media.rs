//! The bytes of media of runs.

use crate::client::Client;
use crate::keys::key;
use crate::world::{World, workflows};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt as _;
use std::sync::Arc;
use stepwright_core::media::StoredMedia;
use stepwright_core::{Media, MediaKind, Memory};
use stepwright_engine::Parts;
use stepwright_server::{ApiKeys, Role};
use tokio::sync::Semaphore;

/// An image that is too large for a fact.
fn photo() -> Vec<u8> {
    let mut photo = b"\x89PNG\r\n".to_vec();
    photo.extend((0..10_000_u32).flat_map(u32::to_le_bytes));
    photo
}

fn hash(bytes: &[u8]) -> String {
    StoredMedia::of(bytes.into()).sha256.to_string()
}

/// Makes a run of Anna with these media in the store of a server.
async fn run(store: &Memory, run: &str, media: impl IntoIterator<Item = Media>) {
    let plain = workflows(store.clone(), &Arc::new(Semaphore::new(0))).remove(0);
    let parts = media.into_iter().fold(Parts::default().text("x"), Parts::media);
    plain.run(parts).run_id(run).user_id("anna").await.unwrap();
}

async fn sent(client: &Client, run: &str, hash: &str) -> (StatusCode, HeaderMap, Vec<u8>) {
    let answer = client.send(Method::GET, &format!("/v1/runs/{run}/media/{hash}"), "").await;
    let (parts, body) = answer.into_parts();
    (parts.status, parts.headers, body.collect().await.unwrap().to_bytes().to_vec())
}

#[tokio::test]
async fn an_image_is_sent_as_it_is_and_not_twice() {
    let store = Memory::default();
    let world = World::with(store.clone(), |server| server);
    run(&store, "r-1", [Media::bytes(MediaKind::Image, photo()).with_name("a.png")]).await;
    let (status, headers, bytes) = sent(&world.client, "r-1", &hash(&photo())).await;
    assert_eq!((status.as_u16(), bytes), (200, photo()));
    assert_eq!(headers["content-type"], "image/png");
    assert_eq!(headers["content-length"], photo().len().to_string());
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["cache-control"], "private, no-cache");
    assert!(headers["content-security-policy"].to_str().unwrap().contains("sandbox"));
    assert!(!headers.contains_key("content-disposition"), "a browser may show it");
    let again = world.client.with("if-none-match", headers["etag"].to_str().unwrap());
    let (status, _, bytes) = sent(&again, "r-1", &hash(&photo())).await;
    assert_eq!((status.as_u16(), bytes.len()), (304, 0));
    for (run, hash) in [("r-1", hash(b"other")), ("r-1", "abc".into()), ("r-2", hash(&photo()))] {
        assert_eq!(sent(&world.client, run, &hash).await.0, 404, "{run} {hash}");
    }
    world.end().await;
}

#[tokio::test]
async fn what_a_browser_could_execute_is_an_attachment() {
    let page = b"<script>alert(1)</script>".to_vec();
    let files = [
        (
            Media::bytes(MediaKind::File, page.clone()).with_mime("text/html").with_name("a.html"),
            "text/html",
            "attachment; filename=\"a.html\"",
        ),
        (
            Media::bytes(MediaKind::Image, page.clone()).with_mime("image/svg+xml"),
            "image/svg+xml",
            "attachment; filename=\"image.bin\"",
        ),
        (
            Media::bytes(MediaKind::File, page.clone()).with_name("../b\r\n\"ü.pdf"),
            "application/pdf",
            "attachment; filename=\"b__.pdf\"; filename*=UTF-8''b%22%C3%BC.pdf",
        ),
        (
            Media::bytes(MediaKind::File, page.clone()).with_mime("text/html\r\nx: y"),
            "application/octet-stream",
            "attachment; filename=\"file.bin\"",
        ),
    ];
    let store = Memory::default();
    let world = World::with(store.clone(), |server| server);
    for (nth, (media, kind, disposition)) in files.into_iter().enumerate() {
        let name = format!("r-{nth}");
        run(&store, &name, [media]).await;
        // Its bytes stand in the fact, and have a hash all the same.
        let (status, headers, bytes) = sent(&world.client, &name, &hash(&page)).await;
        assert_eq!((status.as_u16(), &bytes), (200, &page), "{kind}");
        assert_eq!(headers["content-type"], kind);
        assert_eq!(headers["content-disposition"], disposition);
        assert!(!headers.contains_key("x"));
    }
    world.end().await;
}

#[tokio::test]
async fn another_user_does_not_get_the_bytes_whose_hash_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let keys = ApiKeys::in_file(&path);
    let key = |user| key(&keys, Role::Admin, Some(user));
    let store = Memory::default();
    let world = World::with(store.clone(), |server| server.keys(&path));
    let (anna, ben) = (world.client.with_key(&key("anna")), world.client.with_key(&key("ben")));
    run(&store, "anna:1", [Media::bytes(MediaKind::Image, photo())]).await;
    let run = workflows(store, &Arc::new(Semaphore::new(0))).remove(0).run("x");
    run.run_id("ben:1").user_id("ben").await.unwrap();
    assert_eq!(sent(&anna, "anna:1", &hash(&photo())).await.0, 200);
    assert_eq!(sent(&ben, "anna:1", &hash(&photo())).await.0, 404);
    assert_eq!(sent(&ben, "ben:1", &hash(&photo())).await.0, 404, "the hash is no right to read");
    assert_eq!(sent(&world.client, "anna:1", &hash(&photo())).await.0, 401);
    world.end().await;
}
