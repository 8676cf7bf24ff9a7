//! `stepwright login`, with an authorization server that checks what the specification asks for.

use crate::guarded::Guarded;
use crate::support::Place;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;

fn place(guarded: &Guarded) -> Place {
    Place::with(&file(guarded, "oauth: true"))
}

fn file(guarded: &Guarded, oauth: &str) -> String {
    format!(
        "format: 1\nname: Guarded\nmodel: offline\n\
         mcp: {{vault: {{url: '{}', {oauth}}}}}\n\
         agents: {{reader: {{tools: [mcp:vault]}}}}\nsteps: [{{agent: reader}}]\n",
        guarded.url
    )
}

/// Requests an address, and returns the one that the answer leads to.
fn visited(address: &str) -> Option<String> {
    let rest = address.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = BufReader::new(stream);
    let mut line = String::new();
    while answer.read_line(&mut line).unwrap() > 2 {
        if let Some(address) = line.strip_prefix("Location: ") {
            return Some(address.trim().to_owned());
        }
        line.clear();
    }
    let mut body = String::new();
    let _ = answer.read_to_string(&mut body);
    None
}

/// Logs in as a person does: opens the address in a browser.
fn logged_in(place: &Place) -> String {
    let mut child = place.command(["login", "flow.yaml"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    let mut next = line.split_whitespace().last().map(ToOwned::to_owned);
    while let Some(address) = next {
        next = visited(&address);
    }
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert!(child.wait().unwrap().success(), "{line}{rest}");
    rest
}

#[test]
fn a_person_logs_in_for_one_file() {
    let guarded = Guarded::start();
    let place = place(&guarded);
    let refused = place.ran(["run", "flow.yaml", "hi", "--no-db"]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("SW0616"), "{}", refused.stderr);
    assert!(refused.stderr.contains("log in with `stepwright login "), "{}", refused.stderr);
    assert!(refused.stderr.contains("flow.yaml vault`"), "{}", refused.stderr);
    assert!(logged_in(&place).contains("logged in at `vault`"));
    let ran = place.ran(["run", "flow.yaml", "hi", "--no-db"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    // Another file that names the same server does not get the tokens.
    place.write("other.yaml", file(&guarded, "oauth: true"));
    let other = place.ran(["run", "other.yaml", "hi", "--no-db"]);
    assert!(other.stderr.contains("SW0616"), "{}", other.stderr);
    assert_eq!(guarded.log(), ["register", "code"]);
}

#[test]
fn a_file_without_a_login_says_what_to_write() {
    let guarded = Guarded::start();
    let place = Place::with(&file(&guarded, "prefix: v"));
    let refused = place.ran(["run", "flow.yaml", "hi", "--no-db"]);
    assert!(refused.stderr.contains("`headers` with a token, or `oauth: true`"), "{refused:?}");
    let refused = place.ran(["login", "flow.yaml"]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("has no MCP server with a login"), "{refused:?}");
    let refused = place.ran(["login", "flow.yaml", "vault"]);
    assert!(refused.stderr.contains("has no MCP server `vault` with a login"), "{refused:?}");
}
