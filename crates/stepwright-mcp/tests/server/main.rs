//! An MCP server that misbehaves, for tests. It knows the protocol by heart and shares no code with
//! the client.
//!
//! Each call of a tool that acts is a line in the file `LOG`, and so is each cancellation.

#![allow(
    clippy::exit,
    clippy::needless_pass_by_value,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program for tests"
)]

use serde_json::{Value, json};
use std::io::{BufRead as _, Write as _};

fn send(message: &Value) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{message}").unwrap();
    out.flush().unwrap();
}

fn answer(id: &Value, result: Value) {
    send(&json!({"jsonrpc": "2.0", "id": id, "result": result}));
}

/// Returns a notification to the one that listens, if one does.
fn notification(method: &str, listener: &Value, params: &Value) -> Value {
    let mut params = params.clone();
    if !listener.is_null() {
        params["_meta"] = json!({"io.modelcontextprotocol/subscriptionId": listener});
    }
    json!({"jsonrpc": "2.0", "method": format!("notifications/{method}"), "params": params})
}

fn refuse(id: &Value, code: i64, message: &str) {
    send(&json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}));
}

fn text(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}

fn log(line: &str) {
    let Ok(path) = std::env::var("LOG") else { return };
    let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
    writeln!(file.unwrap(), "{line}").unwrap();
}

/// Notes a request about the list of tools, for tests that count them.
fn log_list(line: &str) {
    if std::env::var("LOG_LISTS").is_ok() {
        log(line);
    }
}

fn tools(mode: &str, has_grown: bool) -> Value {
    let tool = |name: &str, annotations: Value| {
        json!({
            "name": name,
            "description": format!("The tool {name}."),
            "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}},
            "annotations": annotations,
        })
    };
    if mode == "many" {
        return (0..200).map(|nth| tool(&format!("tool.{nth}"), json!({}))).collect();
    }
    let safe = json!({"readOnlyHint": true});
    let mut all: Vec<Value> = [
        "echo",
        "image",
        "structured",
        "described",
        "repeated",
        "listed",
        "roots",
        "fail",
        "refuse",
        "slow",
        "env",
        "die_reading",
        "rubbish",
    ]
    .map(|name| tool(name, safe.clone()))
    .into();
    all.push(tool("put", json!({"idempotentHint": true, "destructiveHint": false})));
    all.extend(["write", "die", "hang", "ask", "wrong"].map(|name| tool(name, json!({}))));
    all.extend(["meta", "grow", "touch"].map(|name| tool(name, safe.clone())));
    if has_grown {
        all.push(tool("grown", safe));
    }
    all.into()
}

fn png() -> &'static str {
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E\
     rkJggg=="
}

fn form() -> Value {
    json!({
        "mode": "form",
        "message": "Which colour?",
        "requestedSchema": {
            "type": "object",
            "properties": {"colour": {"type": "string"}},
            "required": ["colour"],
        },
    })
}

fn call(id: &Value, params: &Value, mode: &str, asked: &mut Vec<Value>) {
    let argument = params["arguments"]["text"].as_str().unwrap_or_default();
    let token = &params["_meta"]["progressToken"];
    match params["name"].as_str().unwrap_or_default() {
        "echo" => answer(id, text(argument)),
        "image" => answer(
            id,
            json!({"content": [
                {"type": "text", "text": "a dot"},
                {"type": "image", "data": png(), "mimeType": "image/png"},
                {"type": "resource", "resource": {"uri": "note://1", "text": "a note"}},
                {"type": "resource_link", "uri": "note://2", "name": "other"},
            ]}),
        ),
        "structured" => answer(id, json!({"content": [], "structuredContent": {"sum": 5}})),
        "described" => {
            let mut result = text("5 in all");
            result["structuredContent"] = json!({"sum": 5});
            answer(id, result);
        }
        "repeated" => {
            let mut result = text("{ \"sum\": 5 }");
            result["structuredContent"] = json!({"sum": 5});
            answer(id, result);
        }
        "listed" => answer(
            id,
            json!({
                "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "7"}],
                "structuredContent": {"result": ["a", 7]},
            }),
        ),
        "fail" => {
            let mut result = text("no such city");
            result["isError"] = json!(true);
            answer(id, result);
        }
        "refuse" => refuse(id, -32602, "`text` is too short"),
        "env" => {
            let mut names: Vec<String> = std::env::vars().map(|(name, _)| name).collect();
            names.sort();
            answer(id, text(&names.join(" ")));
        }
        "slow" => {
            for nth in 1..=3 {
                send(&json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {
                    "progressToken": token, "progress": nth, "total": 4,
                    "message": format!("part {nth}"),
                }}));
            }
            answer(id, text("slow and steady"));
        }
        "rubbish" => {
            println!("this is no JSON");
            send(&json!({"jsonrpc": "2.0", "id": 4711, "result": {}}));
            send(&json!({"jsonrpc": "2.0", "method": "notifications/unheard_of"}));
            send(&json!({"neither": "request", "nor": "answer"}));
            answer(id, text("past the rubbish"));
        }
        "wrong" => {
            log("wrong");
            answer(
                id,
                json!({
                    "protocolVersion": "2025-11-25", "capabilities": {},
                    "serverInfo": {"name": "x", "version": "1"},
                }),
            );
        }
        name @ ("write" | "put") => {
            log(&format!("{name} {argument}"));
            answer(id, text("written"));
        }
        name @ ("die" | "die_reading") => {
            log(name);
            eprintln!("out of memory");
            std::process::exit(3);
        }
        "hang" => log(&format!("hang {id}")),
        "meta" => answer(id, text(&params["_meta"].to_string())),
        "ask" if mode == "modern" => {
            log(&format!("ask {}", params["inputResponses"]["colour"]["action"]));
            match &params["inputResponses"]["colour"] {
                Value::Null => answer(
                    id,
                    json!({
                        "resultType": "input_required",
                        "requestState": format!("sealed {argument}"),
                        "inputRequests": {
                            "colour": {"method": "elicitation/create", "params": form()},
                        },
                    }),
                ),
                given => {
                    let state = params["requestState"].as_str().unwrap_or_default();
                    let mut result = text(&format!("{state}: {}", given["content"]["colour"]));
                    result["resultType"] = json!("complete");
                    answer(id, result);
                }
            }
        }
        "ask" => {
            log("ask");
            asked.push(id.clone());
            send(&json!({"jsonrpc": "2.0", "id": format!("ask-{}", asked.len() - 1),
                "method": "elicitation/create", "params": form()}));
        }
        "roots" => {
            asked.push(id.clone());
            let nth = asked.len() - 1;
            send(&json!({"jsonrpc": "2.0", "id": format!("ask-{nth}"), "method": "roots/list"}));
        }
        _ => refuse(id, -32602, "there is no such tool"),
    }
}

fn main() {
    let mode = std::env::args().nth(1).unwrap_or_default();
    if mode == "broken" {
        eprintln!("no licence found");
        std::process::exit(1);
    }
    let mode = match mode.strip_prefix("slow") {
        Some(mode) => {
            // Longer than the SDK waits for an answer to its first request.
            std::thread::sleep(std::time::Duration::from_secs(11));
            mode.trim().to_owned()
        }
        None => mode,
    };
    log("started");
    let mut asked = Vec::new();
    let (mut has_grown, mut listener) = (false, Value::Null);
    let mut watcher = Value::Null;
    for line in std::io::stdin().lock().lines() {
        let Ok(message) = serde_json::from_str::<Value>(&line.unwrap()) else { continue };
        let (id, params) = (&message["id"], &message["params"]);
        match message["method"].as_str() {
            Some("server/discover") if mode == "modern" => answer(
                id,
                json!({
                    "resultType": "complete", "supportedVersions": ["2026-07-28"],
                    "capabilities": {
                        "tools": {"listChanged": true}, "resources": {"subscribe": true},
                    },
                    "ttlMs": 0, "cacheScope": "private",
                    "_meta": {
                        "io.modelcontextprotocol/serverInfo": {"name": "faulty", "version": "1"},
                    },
                }),
            ),
            Some("initialize") if mode == "modern" => {
                refuse(id, -32022, "there is no handshake here");
            }
            Some("initialize") => answer(
                id,
                json!({
                    "protocolVersion": "2025-11-25",
                    "capabilities": {
                        "tools": {"listChanged": true}, "resources": {"subscribe": mode != "deaf"},
                    },
                    "serverInfo": {"name": "faulty", "version": "1"},
                }),
            ),
            Some("subscriptions/listen")
                if params["notifications"]["resourceSubscriptions"].is_array() =>
            {
                let uris = &params["notifications"]["resourceSubscriptions"];
                log(&format!("listens {uris}"));
                watcher = id.clone();
                let accepted = json!({"notifications": {"resourceSubscriptions": uris}});
                send(&notification("subscriptions/acknowledged", &watcher, &accepted));
            }
            Some(method @ ("resources/subscribe" | "resources/unsubscribe")) => {
                log(&format!("{method} {}", params["uri"]));
                answer(id, json!({}));
            }
            Some("tools/call") if params["name"] == "touch" => {
                let uri = &params["arguments"]["text"];
                send(&notification("resources/updated", &watcher, &json!({ "uri": uri })));
                answer(id, text("touched"));
            }
            Some("subscriptions/listen") => {
                log_list("listen");
                listener = id.clone();
                send(&notification(
                    "subscriptions/acknowledged",
                    &listener,
                    &json!({
                        "notifications": {"toolsListChanged": true},
                    }),
                ));
            }
            Some("tools/call") if params["name"] == "grow" => {
                has_grown = true;
                // A server of the newest protocol tells nothing to a client that does not listen.
                if mode != "modern" || !listener.is_null() {
                    send(&notification("tools/list_changed", &listener, &json!({})));
                }
                answer(id, text("grown"));
            }
            Some("tools/list") => {
                log_list("list");
                let mut result = json!({"tools": tools(&mode, has_grown)});
                if mode == "modern" {
                    result["resultType"] = json!("complete");
                }
                answer(id, result);
            }
            Some("tools/call") => call(id, params, &mode, &mut asked),
            Some("notifications/cancelled") => log(&format!("cancelled {}", params["requestId"])),
            Some("ping") => answer(id, json!({})),
            Some(_) if id.is_null() => {}
            Some(method) => refuse(id, -32601, &format!("unknown method {method}")),
            None => {
                let Some(nth) = id.as_str().and_then(|id| id.strip_prefix("ask-")) else {
                    continue;
                };
                let asker = &asked[nth.parse::<usize>().unwrap()];
                let result = &message["result"];
                let told = match &message["error"]["code"] {
                    Value::Null => {
                        format!("{}: {}", result["action"], result["content"]["colour"])
                    }
                    code => format!("error {code}"),
                };
                answer(asker, text(&told));
            }
        }
    }
}
