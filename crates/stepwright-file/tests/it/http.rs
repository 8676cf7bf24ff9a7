//! `http_get`, against a server in this process.

use crate::runs::{fails, gives};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use stepwright_core::error::ErrorCode;

/// Answers every request with this, as often as it is asked.
fn server(answer: impl Into<Vec<u8>>) -> String {
    asked(answer).0
}

/// Starts a server. The receiver gets each request.
fn asked(answer: impl Into<Vec<u8>>) -> (String, Receiver<String>) {
    let answer = answer.into();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (requests, received) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap_or(0);
            let _ = requests.send(String::from_utf8_lossy(&request[..read]).to_lowercase());
            let _ = stream.write_all(&answer);
        }
    });
    (address, received)
}

fn moved_to(place: &str) -> String {
    format!(
        "HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\nConnection: \
         close\r\n\r\n"
    )
}

/// 1 000 times the letter `a`, compressed.
const COMPRESSED: &[u8] = b"\
    \x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x4b\x4c\x1c\x05\xa3\x60\x14\x0c\x77\x00\x00\x03\xda\
    \x38\x9a\xe8\x03\x00\x00";

fn file(address: &str, more: &str) -> String {
    format!("  - {{name: page, http_get: {{url: \"{address}/{{{{ input }}}}\"{more}}}}}\n")
}

#[tokio::test]
async fn text_is_text_and_json_is_a_value() {
    let text = server("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
    gives(&file(&text, ""), json!("x"), json!("hello")).await;
    let value = server(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: \
         7\r\nConnection: close\r\n\r\n{\"a\":1}",
    );
    gives(&file(&value, ""), json!("x"), json!({"a": 1})).await;
}

#[tokio::test]
async fn cookies_are_a_list_and_other_headers_of_one_name_are_joined() {
    let page = server(
        "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT\r\n\
         Set-Cookie: b=2\r\nVary: Accept\r\nVary: Cookie\r\nContent-Length: 0\r\n\
         Connection: close\r\n\r\n",
    );
    let steps = format!("  - {{http: {{url: \"{page}\", result: full}}}}\n")
        + "  - {name: v, value: {cookies: \"= previous.headers['set-cookie']\", \
            vary: \"= previous.headers.vary\"}}\n";
    let cookies = ["a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT", "b=2"];
    gives(&steps, json!("x"), json!({"cookies": cookies, "vary": "Accept, Cookie"})).await;
}

#[tokio::test]
async fn what_goes_wrong_is_told() {
    let none = server("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let error = fails(&file(&none, ""), json!("x")).await;
    assert!(error.to_string().ends_with("answered 404 Not Found"), "{error}");
    let long = server("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
    let error = fails(&file(&long, ", max_bytes: 4"), json!("x")).await;
    assert!(error.to_string().ends_with("has more than 4 bytes"), "{error}");
    assert_eq!(error.hint(), Some("raise `max_bytes`, or ask for less"));
    let error = fails("  - {name: page, http_get: \"{{ input }}\"}\n", json!("file:///etc")).await;
    assert!(error.to_string().contains("is no address that begins with `https://`"), "{error}");
}

#[tokio::test]
async fn a_compressed_page_is_expanded_up_to_the_limit() {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\nConnection: \
         close\r\n\r\n",
        COMPRESSED.len()
    );
    let (address, requests) = asked([head.as_bytes(), COMPRESSED].concat());
    gives(&file(&address, ", max_bytes: 1000"), json!("x"), json!("a".repeat(1000))).await;
    let request = requests.recv().unwrap();
    assert!(request.contains("\r\naccept-encoding: gzip\r\n"), "{request}");
    assert!(request.contains("\r\nuser-agent: stepwright/"), "{request}");
    let error = fails(&file(&address, ", max_bytes: 999"), json!("x")).await;
    assert!(error.to_string().ends_with("has more than 999 bytes"), "{error}");
}

#[tokio::test]
async fn redirects_are_followed_without_the_address_that_they_came_from() {
    let (page, requests) =
        asked("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
    let first = server(moved_to(&format!("{page}/moved")));
    gives(&file(&first, ""), json!("x?key=secret"), json!("hello")).await;
    let request = requests.recv().unwrap();
    assert!(request.starts_with("get /moved "), "{request}");
    assert!(!request.contains("secret"), "{request}");
}

#[tokio::test]
async fn redirects_in_a_circle_end() {
    let (address, requests) = asked(moved_to("/again"));
    let error = fails(&file(&address, ""), json!("x")).await;
    assert!(error.to_string().ends_with("cannot be fetched: too many redirects"), "{error}");
    assert_eq!(requests.try_iter().count(), 11);
    // Nothing but HTTP is fetched.
    let address = server(moved_to("file:///etc/hostname"));
    let error = fails(&file(&address, ""), json!("x")).await;
    assert!(error.to_string().ends_with("answered 302 Found"), "{error}");
}

#[tokio::test]
async fn a_server_that_hangs_is_left_after_the_timeout() {
    // It is connected to, and never accepts.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let silent = fails(&file(&address, ", timeout: 20ms"), json!("x")).await;
    // This one hangs in the middle of its page.
    let address = server("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let halting = format!("http://{}", listener.local_addr().unwrap());
    let halt = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello").unwrap();
        // Until the client goes away.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let halted = fails(&file(&halting, ", timeout: 20ms"), json!("x")).await;
    // The server sees that the connection was closed.
    tokio::task::spawn_blocking(|| halt.join().unwrap()).await.unwrap();
    for error in [silent, halted] {
        assert!(error.to_string().ends_with("took longer than 20ms"), "{error}");
        assert_eq!(error.hint(), Some("raise `timeout`"));
        let step = error.output().and_then(|output| output.step_results[0].error.clone()).unwrap();
        assert_eq!(step.code, ErrorCode::TimedOut);
    }
    // A page that ends too early is no page.
    let error = fails(&file(&address, ""), json!("x")).await;
    assert!(error.to_string().contains("cannot be fetched"), "{error}");
}

#[tokio::test]
async fn addresses_that_a_browser_would_repair_are_refused() {
    for (input, character, encoded) in [
        ("http://127.0.0.1:1/a b", "' '", "%20"),
        ("http://127.0.0.1:1/a\nb", "'\\n'", "%0A"),
        ("http://good.example\\@127.0.0.1:1/", "'\\\\'", "%5C"),
        ("http://127.0.0.1:1/\u{a0}", "'\\u{a0}'", "%C2%A0"),
    ] {
        let error =
            fails("  - {name: page, http_get: \"{{ input ~ 'x' }}\"}\n", json!(input)).await;
        let expected = format!("is not a valid address: it contains {character}");
        assert!(error.to_string().ends_with(&expected), "{error}");
        assert_eq!(error.hint(), Some(&*format!("write `{encoded}` instead")));
    }
}

#[tokio::test]
async fn a_value_stays_within_its_part_of_an_address() {
    let (address, requests) =
        asked("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    for (url, input, wanted) in [
        ("/users/{{ input }}/drafts", json!("42#"), "/users/42%23/drafts"),
        ("/users/{{ input }}/drafts", json!("a/../b?c"), "/users/a%2f..%2fb%3fc/drafts"),
        ("?q={{ input }}", json!("a&admin=1#x"), "/?q=a%26admin%3d1%23x"),
        ("/{{ input | urlencode }}", json!("a b"), "/a%20b"),
        ("/?{{ input | urlencode }}", json!({"a": "x y", "b": 1}), "/?a=x%20y&b=1"),
        ("/x{% for part in input %}/{{ part }}{% endfor %}", json!(["a", "b c"]), "/x/a/b%20c"),
    ] {
        let text = format!("  - {{name: page, http_get: '{address}{url}'}}\n");
        gives(&text, input, json!("ok")).await;
        let request = requests.recv().unwrap();
        assert!(request.starts_with(&format!("get {wanted} ")), "{url}: {request}");
    }
    // An address that is one value is used as it is.
    let whole = "  - {name: page, http_get: '{{ input }}'}\n";
    gives(whole, json!(format!("{address}/a/b?c=d%20e")), json!("ok")).await;
    assert!(requests.recv().unwrap().starts_with("get /a/b?c=d%20e "));
    for dots in ["..", ".", "%2E%2e"] {
        let text =
            format!("  - {{name: page, http_get: '{address}/users/{{{{ input }}}}/drafts'}}\n");
        if dots.starts_with('%') {
            gives(&text, json!(dots), json!("ok")).await;
            assert!(requests.recv().unwrap().starts_with("get /users/%252e%252e/drafts "));
            continue;
        }
        let error = fails(&text, json!(dots)).await;
        assert!(error.to_string().contains("a part of the address `.` or `..`"), "{error}");
    }
    assert_eq!(requests.try_iter().count(), 0);
}

#[test]
fn no_value_of_a_run_chooses_the_server_of_a_secret() {
    let parse = |request: &str| {
        let text = format!(
            "format: 1\nname: T\nsecrets: [KEY]\nvars: {{base: 'https://a.org'}}\nsteps:\n\
             - {{name: a, http: {{{request}}}}}\n"
        );
        let variables = stepwright_file::Variables::from([("KEY", "hunter2-hunter2")]);
        let options = stepwright_file::Options { variables, ..Default::default() };
        let read = stepwright_file::Definition::parse(&text, "t.yaml", &options);
        read.map_or_else(|mistakes| mistakes.to_string(), |_| "none".to_owned())
    };
    let auth = "auth: {bearer: '{{ secrets.KEY }}'}";
    for url in ["http://127.0.0.1:7{{ input }}", "https://{{ input }}/x", "{{ input }}.org/x"] {
        let told = parse(&format!("url: '{url}'"));
        assert!(told.contains("a value of the run is part of the host"), "{url}: {told}");
    }
    for more in [auth, "headers: {x-key: '{{ secrets.KEY }}'}", "query: {k: '{{ secrets.KEY }}'}"] {
        for url in ["{{ input }}", "{{ input.url }}?page=2"] {
            let told = parse(&format!("url: '{url}', {more}"));
            assert!(told.contains("the server that gets this secret"), "{url} {more}: {told}");
        }
    }
    for url in ["{{ vars.base }}/{{ input }}", "https://a.org/{{ input }}", "https://a.org"] {
        assert_eq!(parse(&format!("url: '{url}', {auth}")), "none", "{url}");
    }
    for url in ["{{ input }}", "{{ vars.base }}", "https://{{ vars.base }}:1/{{ input }}"] {
        assert_eq!(parse(&format!("url: '{url}'")), "none", "{url}");
    }
}
