//! Requests that the server refuses before a handler sees them.

use crate::world::World;
use serde_json::json;
use stepwright_server::BODY_BYTES_MAX;

#[tokio::test]
async fn a_host_that_is_not_this_machine_is_refused() {
    let world = World::start();
    let rebound = world.client.with("host", "evil.example:7777");
    assert_eq!(rebound.get("/v1/workflows").await.status, 421);
    assert_eq!(world.client.with("host", "LOCALHOST:1").get("/v1/workflows").await.status, 200);
    world.end().await;
}

#[tokio::test]
async fn a_page_of_another_origin_starts_nothing() {
    let world = World::start();
    let page = world.client.with("origin", "https://evil.example");
    let answer = page.post("/v1/workflows/plain/runs", json!({"input": "x"})).await;
    assert_eq!(answer.status, 403);
    assert_eq!(world.client.get("/v1/runs").await.json()["runs"], json!([]));
    // A form of such a page needs no permission of the browser, and is no JSON.
    let form = world.client.post_text("/v1/workflows/plain/runs", "text/plain", "{}").await;
    assert_eq!(form.status, 415);
    let allowed = world.client.with("origin", "http://localhost:3000").get("/v1/runs").await;
    assert_eq!(allowed.headers["access-control-allow-origin"], "http://localhost:3000");
    let foreign = page.get("/v1/runs").await;
    assert!(!foreign.headers.contains_key("access-control-allow-origin"));
    world.end().await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let world = World::start();
    let body = vec![b' '; BODY_BYTES_MAX + 1];
    let answer = world.client.post_text("/v1/workflows/plain/runs", "application/json", body).await;
    assert_eq!(answer.status, 413);
    world.end().await;
}

#[tokio::test]
async fn a_server_that_others_reach_needs_keys_or_permission() {
    let server = || {
        let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
        let memory = stepwright_core::Memory::default();
        let workflows = crate::world::workflows(memory.clone(), &gate);
        stepwright_server::Server::builder().store(memory).workflow(&workflows[0])
    };
    let listener = || std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    stop.cancel();
    let refused = server().build().unwrap().serve(listener(), stop.clone()).await.unwrap_err();
    assert!(refused.to_string().contains("has no keys"), "{refused}");
    server().insecure(true).build().unwrap().serve(listener(), stop).await.unwrap();
}

#[tokio::test]
async fn a_path_that_is_no_text_and_a_wrong_method_are_problems() {
    let world = World::start();
    let path = world.client.get("/v1/runs/%FF%FE").await;
    assert_eq!((path.status.as_u16(), &path.json()["detail"]), (400, &json!(WRONG_PATH)));
    let path = world.client.get("/workflows/%FF/runs").await;
    assert_eq!((path.status.as_u16(), path.json()), (400, json!({"detail": WRONG_PATH})));
    assert_eq!(world.client.get("/v1/runs/%C3%A9").await.status, 404, "it is UTF-8");
    for (path, allowed) in [("/v1/runs/x/cancel", "POST"), ("/workflows/x/runs/y/cancel", "POST")] {
        let answer = world.client.get(path).await;
        assert_eq!(answer.status, 405, "{path}");
        assert_eq!(answer.headers["allow"], allowed, "{path}");
    }
    world.end().await;
}

const WRONG_PATH: &str = "the path is not UTF-8";

#[test]
fn a_host_with_a_scheme_or_a_port_is_refused() {
    let memory = stepwright_core::Memory::default();
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let workflows = crate::world::workflows(memory.clone(), &gate);
    let server = |host: &str| {
        let server = stepwright_server::Server::builder().store(memory.clone());
        server.workflow(&workflows[0]).host(host).build()
    };
    for host in ["http://x", "x/y", "x:7777", ""] {
        let error = server(host).unwrap_err();
        assert_eq!(error.to_string(), format!("invalid host `{host}`"));
    }
    for host in ["app.example.org", "[fd00::1]"] {
        assert!(server(host).is_ok(), "{host}");
    }
}
