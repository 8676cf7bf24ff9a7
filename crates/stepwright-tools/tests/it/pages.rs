//! Pages and requests, and the servers that they must not reach.

use crate::call;
use crate::server::{Answer, Server};
use serde_json::json;
use std::time::Duration;
use stepwright_tools::{Http, WebPage, Wikipedia};

const PAGE: &str = "<!doctype html><html><head><title>T</title><script>evil()</script></head>\
                    <body><h1>News</h1><p>It rains &amp; pours.</p></body></html>";

#[tokio::test]
async fn a_page_is_read_as_text() {
    let server = Server::of([("/", Answer::ok(PAGE))]).await;
    let told = call(WebPage::new().private(true), "read_page", json!({"url": server.url()})).await;
    assert_eq!((told.text.as_str(), told.is_error), ("News\nIt rains & pours.", false));
}

#[tokio::test]
async fn a_request_has_a_method_headers_and_a_body() {
    let server = Server::of([("/x", Answer::Give(422, "", "no".into()))]).await;
    let arguments = json!({
        "method": "post", "url": format!("{}/x", server.url()),
        "headers": {"X-Own": "1"}, "json": {"a": 1},
    });
    let kit = || Http::new().private(true).acts(true);
    let told = call(kit(), "http_request", arguments).await;
    assert_eq!((told.text.as_str(), told.is_error), ("status 422\n\nno", false));
    let asked = server.asked().remove(0).to_ascii_lowercase();
    assert!(asked.starts_with("post /x http/1.1"), "{asked}");
    assert!(asked.contains("x-own: 1") && asked.contains("content-type: application/json"));
    assert!(asked.ends_with(r#"{"a":1}"#), "{asked}");
    let url = server.url();
    for (arguments, wanted) in [
        (json!({"method": "TRACE", "url": url}), "`method` is `TRACE`; it must be one of GET"),
        (json!({"method": "GET", "url": url, "headers": {"Host": "x"}}), "`Host` cannot be set"),
        (json!({"method": "GET", "url": url, "headers": {"A\r\nB": "x"}}), "is not valid"),
        (json!({"method": "GET", "url": url, "headers": {"A": "x\r\nB: y"}}), "is not valid"),
        (json!({"method": "POST", "url": url, "body": "a", "json": 1}), "both `body` and `json`"),
        (json!({"method": "GET", "url": "file:///etc/passwd"}), "no address that begins with"),
    ] {
        let told = call(kit(), "http_request", arguments).await;
        assert!(told.is_error && told.text.contains(wanted), "{}", told.text);
    }
    assert_eq!(server.asked().len(), 1);
}

/// Each form of an address of this machine, by number and by name.
#[tokio::test]
async fn private_addresses_are_refused_before_anything_is_sent() {
    let server = Server::of([("/", Answer::ok(PAGE))]).await;
    let port = server.url().rsplit(':').next().unwrap().to_owned();
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::]",
        "localhost",
        "LOCALHOST",
        "10.0.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "[fd00:ec2::254]",
    ] {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}:{port}/");
            for (kit, tool) in [(true, "read_page"), (false, "http_get")] {
                let arguments = json!({ "url": url });
                let told = if kit {
                    call(WebPage::new(), tool, arguments).await
                } else {
                    call(Http::new(), tool, arguments).await
                };
                assert!(told.is_error, "{url}: {}", told.text);
                assert!(told.text.contains("private address"), "{url}: {}", told.text);
            }
        }
    }
    assert_eq!(server.asked().len(), 0);
}

#[tokio::test]
async fn a_redirect_to_a_private_address_is_refused() {
    let secret = Server::of([("/", Answer::ok("secret"))]).await;
    let by_name = secret.url().replace("127.0.0.1", "localhost");
    for target in [secret.url().to_owned(), by_name] {
        let head: &'static str = format!("location: {target}/\r\n").leak();
        let door = Server::of([("/", Answer::Give(302, head, String::new()))]).await;
        let host = door.url().trim_start_matches("http://").to_owned();
        // The first server is allowed by its address and port, and the second one is not.
        let kit = WebPage::new().private_hosts([host]);
        let told = call(kit, "read_page", json!({"url": door.url()})).await;
        assert_eq!(door.asked().len(), 1, "{}", told.text);
        assert!(told.is_error && told.text.contains("private address"), "{}", told.text);
    }
    assert_eq!(secret.asked().len(), 0);
}

#[tokio::test]
async fn bodies_that_are_too_large_or_have_no_end_are_refused() {
    let large = Answer::Give(200, "content-type: text/plain\r\n", "a".repeat(300_000));
    let endless = Answer::Endless;
    let server =
        Server::of([("/large", large), ("/endless", endless), ("/silent", Answer::Silence)]);
    let server = server.await;
    let url = |path: &str| json!({"url": format!("{}{path}", server.url())});
    let get = || Http::new().private(true).timeout(Duration::from_secs(20));
    let told = call(get(), "http_get", url("/large")).await;
    assert!(told.is_error && told.text.contains("more than 200000 bytes"), "{}", told.text);
    let told = call(get(), "http_get", url("/endless")).await;
    assert!(told.is_error && told.text.contains("more than 200000 bytes"), "{}", told.text);
    let told = call(WebPage::new().private(true), "read_page", url("/endless")).await;
    assert!(told.is_error && told.text.contains("more than 5242880 bytes"), "{}", told.text);
    let quick = Http::new().private(true).timeout(Duration::from_millis(50));
    let told = call(quick, "http_get", url("/silent")).await;
    assert!(told.is_error && told.text.contains("took longer than 50ms"), "{}", told.text);
}

#[tokio::test]
async fn wikipedia_is_searched_and_read() {
    let found = json!({"query": {"search": [
        {"title": "Forth Bridge", "snippet": "a <span class='match'>bridge</span> &amp; more"},
        {"title": "Other", "snippet": ""},
    ]}});
    let server = Server::of([("/w/api.php", Answer::ok(found.to_string()))]).await;
    let kit = || Wikipedia::new().base_url(server.url());
    let arguments = json!({"query": "forth", "max_results": 1});
    let told = call(kit(), "search_wikipedia", arguments).await;
    let wanted = json!([{
        "title": "Forth Bridge", "url": format!("{}/wiki/Forth_Bridge", server.url()),
        "snippet": "a bridge & more",
    }]);
    assert_eq!(told.text, wanted.to_string());
    assert!(server.asked()[0].contains("srsearch=forth&srlimit=1"), "{}", server.asked()[0]);
    let page = json!({"query": {"pages": [{"title": "A", "extract": "The text."}]}});
    let server = Server::of([("/w/api.php", Answer::ok(page.to_string()))]).await;
    let kit = || Wikipedia::new().base_url(server.url());
    assert_eq!(call(kit(), "read_wikipedia", json!({"title": "A"})).await.text, "The text.");
    for (answer, told) in [
        (json!({"query": {"pages": [{"title": "A", "missing": true}]}}), "there is no article `A`"),
        (json!({"error": {"info": "too many"}}), "Wikipedia refused the request: too many"),
        (json!("x"), "Wikipedia answered in an unknown form"),
    ] {
        let server = Server::of([("/w/api.php", Answer::ok(answer.to_string()))]).await;
        let kit = Wikipedia::new().base_url(server.url());
        let outcome = call(kit, "read_wikipedia", json!({"title": "A"})).await;
        assert!(outcome.is_error && outcome.text.contains(told), "{}", outcome.text);
    }
}
