//! `http`, against a server in this process.

use crate::runs::{fails, gives, workflow};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use stepwright_core::Content;
use stepwright_file::{Definition, Options};

/// A request as a server got it.
#[derive(Debug)]
pub(crate) struct Got {
    /// The method and the address.
    line: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    fn read(stream: &TcpStream) -> Self {
        let mut reader = BufReader::new(stream);
        let mut line = || {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            line.trim_end().to_owned()
        };
        let first = line();
        let lines = std::iter::from_fn(|| Some(line()).filter(|line| !line.is_empty()));
        let headers: Vec<(String, String)> = lines
            .map(|line| {
                let (name, value) = line.split_once(": ").unwrap();
                (name.to_lowercase(), value.to_owned())
            })
            .collect();
        let mut got = Self { line: first, headers, body: String::new() };
        let length = got.header("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        got.body = String::from_utf8(body).unwrap();
        got.line = got.line.trim_end_matches(" HTTP/1.1").to_owned();
        got
    }
}

/// Starts a server that answers every request with this.
pub(crate) fn server(answer: &str) -> (String, Receiver<Got>) {
    let answer = answer.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (requests, received) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = requests.send(Got::read(&stream));
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (address, received)
}

pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

fn ok() -> String {
    answer("200 OK", "", "done")
}

/// Runs a step with these keys of `http` against a server, and returns its request.
async fn sent(keys: &str, input: Value) -> Got {
    let (address, requests) = server(&ok());
    let step = format!("  - {{name: send, http: {{url: \"{address}/p\", {keys}}}}}\n");
    gives(&step, input, json!("done")).await;
    requests.recv().unwrap()
}

fn mistakes(step: &str) -> Vec<(String, String)> {
    let text = format!("format: 1\nname: Example\nsteps:\n  - {step}\n");
    let mistakes = Definition::parse(&text, "e.yaml", &Options::default()).unwrap_err();
    let told =
        |m: &stepwright_file::Diagnostic| (m.message.clone(), m.help.clone().unwrap_or_default());
    mistakes.iter().map(told).collect()
}

#[tokio::test]
async fn a_request_has_a_method_a_query_headers_and_a_body() {
    let keys = "method: PUT, query: {q: '{{ input.q }}', n: 3, tag: [a, 'b c']}, \
                headers: {X-Own: '{{ input.q }}!', Accept: text/plain}, body: 'Hi {{ input.q }}'";
    let got = sent(keys, json!({"q": "ä&b"})).await;
    assert_eq!(got.line, "PUT /p?q=%C3%A4%26b&n=3&tag=a&tag=b+c");
    // A header may have any text of one line.
    assert_eq!(got.header("accept"), Some("text/plain"));
    assert_eq!(got.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(got.header("x-own"), Some("ä&b!"));
    assert_eq!(got.body, "Hi ä&b");
}

#[tokio::test]
async fn a_body_is_json_or_a_form() {
    let input = json!({"text": "a \"b\"", "more": {"x": [1, true], "y": null}});
    let keys =
        "method: POST, json: {text: '= input.text', n: 1, deep: [{k: '= size(input.text)'}]}";
    let got = sent(keys, input.clone()).await;
    assert_eq!(got.header("content-type"), Some("application/json"));
    let expected = json!({"text": "a \"b\"", "n": 1, "deep": [{"k": 5}]});
    assert_eq!(serde_json::from_str::<Value>(&got.body).unwrap(), expected);
    let got = sent("method: POST, form: {text: '{{ input.text }}', n: 1}", input.clone()).await;
    assert_eq!(got.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(got.body, "text=a+%22b%22&n=1");
    // One expression for all pairs.
    let got = sent("method: POST, form: '= input.more', query: '= input.more'", input).await;
    assert_eq!((&*got.body, &*got.line), ("x=1&x=true", "POST /p?x=1&x=true"));
    // The content type of the file counts.
    let keys = "method: POST, headers: {content-type: application/ld+json}, json: [1]";
    let got = sent(keys, json!(1)).await;
    assert_eq!(got.header("content-type"), Some("application/ld+json"));
}

#[tokio::test]
async fn credentials_go_into_their_header() {
    let got = sent("auth: {bearer: '{{ input }}'}", json!("t-1")).await;
    assert_eq!(got.header("authorization"), Some("Bearer t-1"));
    let got = sent("auth: {basic: {user: ada, password: '{{ input }}'}}", json!("p w")).await;
    assert_eq!(got.header("authorization"), Some("Basic YWRhOnAgdw=="));
    // A value cannot begin another header.
    let step = "  - {http: {url: \"http://127.0.0.1:1/\", headers: {x: '{{ input }}'}}}\n";
    let error = fails(step, json!("a\r\nEvil: b")).await;
    assert!(error.to_string().ends_with("the header `x` cannot have this value"), "{error}");
}

#[tokio::test]
async fn a_request_that_changes_something_has_a_key_where_it_is_asked_for() {
    let got = sent("method: POST, idempotency_key: true", json!(1)).await;
    let key = got.header("idempotency-key").unwrap().to_owned();
    assert!(key.ends_with(":send"), "{key}");
    let got = sent("method: POST, idempotency_key: X-Request-Id", json!(1)).await;
    assert!(got.header("x-request-id").unwrap().ends_with(":send"));
    // The key is the same in every attempt.
    let (address, requests) = server(&answer("503 Busy", "", ""));
    let step = format!(
        "  - {{name: grüße, retry: {{max: 2, backoff: 1ms}}, \
         http: {{url: \"{address}\", method: POST, idempotency_key: true}}}}\n"
    );
    fails(&step, json!(1)).await;
    let keys: Vec<String> =
        requests.try_iter().map(|got| got.header("idempotency-key").unwrap().to_owned()).collect();
    assert_eq!(keys.len(), 3);
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    assert!(keys[0].ends_with(":gr%C3%BC%C3%9Fe"), "{keys:?}");
}

/// An answer whose body is cut off.
fn cut() -> String {
    "HTTP/1.1 200 OK\r\nContent-Length: 90\r\nConnection: close\r\n\r\ndo".to_owned()
}

/// Runs a request with two retries against a server that loses the answer. Returns the number of
/// requests, and the question or the failure.
async fn lost(answer: &str, keys: &str, policy: &str) -> (usize, String) {
    let (address, requests) = server(answer);
    let step = format!(
        "  - {{name: s, retry: {{max: 2, backoff: 1ms}}{policy}, \
         http: {{url: \"{address}\"{keys}}}}}\n"
    );
    let told = match workflow(&step).run(Content::from(json!(1))).await {
        Ok(paused) => paused.requirements[0].message.to_string(),
        Err(error) => error.to_string(),
    };
    (requests.try_iter().count(), told)
}

#[tokio::test]
async fn a_request_whose_answer_is_lost_is_repeated_only_if_that_changes_nothing() {
    for answer in [String::new(), cut()] {
        for keys in [", method: POST", ", method: PUT", ", method: DELETE"] {
            let (times, told) = lost(&answer, keys, "").await;
            assert_eq!(times, 1, "{keys}: {told}");
            assert!(told.starts_with("Was `s` done?"), "{told}");
        }
        // The policy of the step wins.
        for policy in [", on_interrupted: ask", ", on_interrupted: fail"] {
            for keys in ["", ", method: POST, idempotency_key: true"] {
                assert_eq!(lost(&answer, keys, policy).await.0, 1, "{keys}{policy}");
            }
        }
        for (keys, policy) in [
            ("", ""),
            (", method: POST, idempotency_key: true", ""),
            (", method: POST", ", on_interrupted: retry"),
        ] {
            assert_eq!(lost(&answer, keys, policy).await.0, 3, "{keys}{policy}");
        }
    }
    // A request that never reached a server is not one of them.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let step = format!(
        "  - {{name: s, retry: {{max: 2, backoff: 1ms}}, \
         http: {{url: \"http://{free}\", method: POST}}}}\n"
    );
    let error = fails(&step, json!(1)).await.to_string();
    assert!(error.contains("cannot be fetched") && !error.contains("may have"), "{error}");
}

#[tokio::test]
async fn a_post_that_was_done_is_not_repeated_because_of_its_page() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (lines, received) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let line = Got::read(&stream).line;
            let is_post = line.starts_with("POST");
            let _ = lines.send(line);
            let head = "Location: /page\r\n";
            let answer = if is_post { answer("303 Other", head, "") } else { String::new() };
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    let step = format!(
        "  - {{name: s, retry: {{max: 2, backoff: 1ms}}, \
         http: {{url: \"{address}\", method: POST}}}}\n"
    );
    let paused = workflow(&step).run(Content::from(json!(1))).await.unwrap();
    assert!(paused.is_paused(), "{paused:?}");
    assert_eq!(received.try_iter().collect::<Vec<_>>(), ["POST /", "GET /page"]);
}

#[tokio::test]
async fn nothing_is_undone_from_a_request_on_whose_answer_is_lost() {
    for answer in [String::new(), cut()] {
        let (address, _requests) = server(&answer);
        let (undoing, undone) = server(&ok());
        let undo = format!("undo: [{{http: {{url: \"{undoing}\", method: POST}}}}]");
        let steps = format!(
            "  - {{name: a, value: 1, {undo}}}\n  \
             - {{name: s, http: {{url: \"{address}\", method: POST}}, {undo}}}\n"
        );
        fails(&steps, json!(1)).await;
        assert_eq!(undone.try_iter().count(), 0);
    }
}

#[tokio::test]
async fn a_body_is_what_its_server_declares_or_an_error() {
    let json = "Content-Type: application/json\r\n";
    let encoded = |name: &str| format!("Content-Type: text/plain\r\nContent-Encoding: {name}\r\n");
    let fetching = |status: &str, head: &str, body: &str, keys: &str| {
        let (address, requests) = server(&answer(status, head, body));
        (format!("  - {{name: s, http: {{url: \"{address}\"{keys}}}}}\n"), requests)
    };
    for (head, body, why) in [
        (json, "oops", "the answer is `application/json`, and its body is not JSON"),
        (json, "[NaN]", "the answer is `application/json`, and its body is not JSON"),
        (json, "{\"a\":1}\n{\"a\":2}", "the answer is `application/json`, and its body is not"),
        (&encoded("br"), "x", "answered with the content encoding `br`"),
        (&encoded("zstd, identity"), "x", "answered with the content encoding `zstd, identity`"),
        (&encoded("deflate"), "x", "answered with the content encoding `deflate`"),
    ] {
        for keys in ["", ", result: full"] {
            let (step, _requests) = fetching("200 OK", head, body, keys);
            let error = fails(&step, json!(1)).await.to_string();
            assert!(error.contains(why), "{error}");
        }
    }
    for (status, head, body, expected) in [
        ("200 OK", json, "{\"a\": 1}", json!({"a": 1})),
        ("200 OK", json, "", json!("")),
        ("200 OK", &encoded("identity"), "x", json!("x")),
        ("200 OK", &encoded("br"), "", json!("")),
    ] {
        let (step, _requests) = fetching(status, head, body, "");
        gives(&step, json!(1), expected).await;
    }
    // A proxy says in its own words that the server is away.
    let (step, _requests) = fetching("502 Bad Gateway", json, "<h1>away</h1>", ", result: full");
    gives(&format!("{step}  - value: '= previous.body'\n"), json!(1), json!("<h1>away</h1>")).await;
}

#[tokio::test]
async fn a_full_result_has_the_status_the_headers_and_the_body() {
    let head = "X-One: a\r\nX-One: b\r\nContent-Type: application/problem+json\r\n";
    let (address, _requests) = server(&answer("404 Not Found", head, "{\"why\":1}"));
    let step = format!("  - {{name: s, http: {{url: \"{address}\", result: full}}}}\n");
    let rest = "  - {value: {status: '= previous.status', one: '= previous.headers[\"x-one\"]', \
                why: '= previous.body.why'}}\n";
    let expected = json!({"status": 404, "one": "a, b", "why": 1});
    gives(&format!("{step}{rest}"), json!(1), expected).await;
    // Otherwise the status is a failure.
    let step = format!("  - {{name: s, http: {{url: \"{address}\"}}}}\n");
    let error = fails(&step, json!(1)).await;
    assert!(error.to_string().ends_with("answered 404 Not Found"), "{error}");
}

#[tokio::test]
async fn a_redirect_to_another_server_carries_no_header_of_the_step() {
    let (other, requests) = server(&ok());
    let (first, firsts) = server(&answer("302 Found", &format!("Location: {other}/moved\r\n"), ""));
    let keys = "headers: {X-Key: k, Accept: text/plain}, auth: {bearer: t}, query: {key: k}";
    let step = format!("  - {{http: {{url: \"{first}/p\", {keys}}}}}\n");
    gives(&step, json!(1), json!("done")).await;
    let got = firsts.recv().unwrap();
    assert_eq!((got.header("x-key"), got.header("authorization")), (Some("k"), Some("Bearer t")));
    let got = requests.recv().unwrap();
    assert_eq!(got.line, "GET /moved");
    assert_eq!((got.header("x-key"), got.header("authorization")), (None, None));
    assert_eq!(got.header("accept"), Some("text/plain"));
    // A POST that was done leads to a page; a body is not sent to another server.
    let step = format!(
        "  - {{http: {{url: \"{first}\", method: POST, json: [1], auth: {{bearer: t}}}}}}\n"
    );
    gives(&step, json!(1), json!("done")).await;
    let got = requests.recv().unwrap();
    assert_eq!((&*got.line, &*got.body, got.header("content-type")), ("GET /moved", "", None));
    let (first, _firsts) =
        server(&answer("307 Moved", &format!("Location: {other}/moved\r\n"), ""));
    let step = format!("  - {{http: {{url: \"{first}\", method: POST, json: [1]}}}}\n");
    let error = fails(&step, json!(1)).await;
    assert!(error.to_string().ends_with("to another server: `127.0.0.1`"), "{error}");
    assert!(requests.try_recv().is_err());
}

#[tokio::test]
async fn a_redirect_within_a_server_repeats_the_request() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let served = std::thread::spawn(move || {
        let answers = [answer("308 Moved", "Location: /new\r\n", ""), ok()];
        answers.map(|answer| {
            let (mut stream, _) = listener.accept().unwrap();
            let got = Got::read(&stream);
            stream.write_all(answer.as_bytes()).unwrap();
            got
        })
    });
    let step = format!(
        "  - {{http: {{url: \"{address}\", method: PATCH, json: {{a: 1}}, auth: {{bearer: t}}}}}}\n"
    );
    gives(&step, json!(1), json!("done")).await;
    let [_, got] = tokio::task::spawn_blocking(|| served.join().unwrap()).await.unwrap();
    assert_eq!((&*got.line, &*got.body), ("PATCH /new", "{\"a\":1}"));
    assert_eq!(got.header("authorization"), Some("Bearer t"));
}

#[tokio::test]
async fn the_character_set_of_a_page_is_honoured() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            Got::read(&stream);
            let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\
                         Content-Length: 4\r\nConnection: close\r\n\r\ncaf\xe9";
            stream.write_all(head).unwrap();
        }
    });
    gives(&format!("  - {{http_get: \"{address}\"}}\n"), json!(1), json!("café")).await;
    gives(&format!("  - {{http: {{url: \"{address}\"}}}}\n"), json!(1), json!("café")).await;
}

#[test]
fn requests_that_cannot_be_are_refused_with_a_help() {
    let url = "url: 'http://a.example'";
    for (keys, message, help) in [
        ("method: POST", "`http` needs `url`", "say where to send it: `url: https://example.org`"),
        (
            &*format!("{url}, method: post"),
            "`post` is not a method: methods are in upper case",
            "write `POST`",
        ),
        (&format!("{url}, json: [1]"), "a GET has no body", "add `method: POST`"),
        (
            &format!("{url}, method: HEAD, body: x"),
            "a HEAD has no body",
            "choose another `method`, or pass it with `query`",
        ),
        (
            &format!("{url}, method: POST, json: 1, form: {{a: b}}"),
            "a request has one body, not `json` and `form`",
            "",
        ),
        (
            &format!("{url}, method: POST, json: '{{\"a\": \"{{{{ input }}}}\"}}'"),
            "`json` is a value, not a template",
            "write a mapping, in which texts that begin with `=` are expressions: \
             `json: {text: \"= input\"}`; `body` is a template",
        ),
        (
            &format!("{url}, headers: {{'a b': x}}"),
            "`a b` cannot name a header",
            "names are made of letters, digits and `-`",
        ),
        (
            &format!("{url}, headers: {{Content-Length: 3}}"),
            "`content-length` is set by the request itself",
            "leave it out",
        ),
        (
            &format!("{url}, headers: {{A: x, a: y}}"),
            "`a` is there twice",
            "case does not count in a header",
        ),
        (
            &format!("{url}, query: {{q: '= input'}}"),
            "`q` is a template, not an expression",
            "write `q: \"{{ input }}\"`, or one expression for all of them",
        ),
        (
            &format!("{url}, auth: {{}}"),
            "`auth` is either `bearer` or `basic`",
            "write `auth: {bearer: \"{{ secrets.API_KEY }}\"}`",
        ),
        (
            &format!("{url}, auth: {{bearer: t}}, headers: {{Authorization: x}}"),
            "`auth` and the header `authorization` are the same",
            "keep one of them",
        ),
        (
            &format!("{url}, idempotency_key: true"),
            "a GET changes nothing, so that it needs no idempotency key",
            "leave it out",
        ),
    ] {
        let expected = (message.to_owned(), help.to_owned());
        assert_eq!(mistakes(&format!("{{http: {{{keys}}}}}")), [expected], "{keys}");
    }
    let [(message, help)] = &mistakes("{http_get: {url: 'https://a', method: POST}}")[..] else {
        panic!()
    };
    assert_eq!(message, "`http_get` has no key `method`");
    assert_eq!(help, "`http` has `method`; `http_get` is its short form for a page");
    let [(message, help)] = &mistakes("{http: 'https://a.example'}")[..] else { panic!() };
    assert_eq!(message, "`http` is a mapping, with at least a `url`");
    assert_eq!(help, "write `http: {method: POST, url: …}`, or `http_get: https://a.example`");
}

/// Returns the policies of steps for attempts that a crash interrupted.
fn policies(steps: &str) -> Vec<String> {
    let text = format!("format: 1\nname: Example\nsteps:\n{steps}");
    let definition = Definition::parse(&text, "e.yaml", &Options::default()).unwrap();
    let plan = serde_json::to_string(definition.build().unwrap().plan()).unwrap();
    let policies = plan.split("\"on_interrupted\":\"").skip(1);
    policies.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

#[test]
fn a_request_that_may_have_changed_something_is_not_repeated_by_itself() {
    let request =
        |keys: &str| format!("  - {{name: s, http: {{url: 'http://a.example'{keys}}}}}\n");
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        assert_eq!(policies(&request(&format!(", method: {method}"))), ["ask"], "{method}");
    }
    // The default is left out of a plan.
    let unless = |policies: Vec<String>| policies.iter().all(|policy| policy == "retry");
    for keys in ["", ", method: HEAD", ", method: POST, idempotency_key: true"] {
        assert!(unless(policies(&request(keys))), "{keys}");
    }
    assert_eq!(policies("  - {append_file: log.txt}\n"), ["ask"]);
}
