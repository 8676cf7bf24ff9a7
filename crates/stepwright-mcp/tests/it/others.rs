//! Servers of others. Without `STEPWRIGHT_TEST_MCP`, the folder that `scripts/test-mcp.sh` prints,
//! these tests are skipped.

use crate::support::{called, ended, home, outcomes, workflow};
use futures_util::StreamExt as _;
use serde_json::json;
use std::process::Stdio;
use std::time::Duration;
use stepwright_core::tool::{Tool as _, ToolSource as _};
use stepwright_core::{Answer, Event, MediaKind, RunStatus, StepContext};
use stepwright_mcp::McpServer;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

fn program(home: &std::path::Path, name: &str) -> String {
    home.join(name).to_str().unwrap().to_owned()
}

fn everything(home: &std::path::Path) -> McpServer {
    McpServer::command("it", program(home, "node_modules/.bin/mcp-server-everything"), ["stdio"])
}

/// The everything server over HTTP, on a free port.
struct Web(Child, String);

impl Web {
    async fn start(home: &std::path::Path) -> Self {
        Self::start_at(home, 0).await
    }

    async fn start_at(home: &std::path::Path, port: u16) -> Self {
        // It takes a port by number, so another program may be faster.
        for _ in 0..5 {
            let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
            let free = listener.local_addr().unwrap();
            drop(listener);
            let mut child = Command::new(program(home, "node_modules/.bin/mcp-server-everything"))
                .arg("streamableHttp")
                .env("PORT", free.port().to_string())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .unwrap();
            let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if line.contains("listening on port") {
                    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                    return Self(child, format!("http://127.0.0.1:{}/mcp", free.port()));
                }
            }
        }
        panic!("the server does not start");
    }
}

async fn works(server: &McpServer) {
    let sum = called(server.clone(), "it__get-sum", json!({"a": 2, "b": 3})).await;
    assert!(sum.text.contains('5'), "{sum:?}");
    let image = called(server.clone(), "it__get-tiny-image", json!({})).await;
    assert_eq!(image.media[0].kind, MediaKind::Image);
    let arguments = json!({"location": "Chicago"});
    let weather = called(server.clone(), "it__get-structured-content", arguments).await;
    assert!(weather.text.contains("temperature"), "{weather:?}");
    let wrong = called(server.clone(), "it__get-sum", json!({"a": "two"})).await;
    assert!(wrong.is_error, "{wrong:?}");
}

async fn asks(server: &McpServer) {
    let workflow = workflow(server.clone(), "it__trigger-elicitation-request", json!({}));
    let paused = ended(workflow.run("go")).await;
    assert_eq!(paused.status, RunStatus::Paused, "{paused:?}");
    let id = paused.requirements[0].id.clone();
    let answer = [(&*id, Answer::submit(json!({"name": "Ada Lovelace"})))];
    let run = ended(workflow.continue_run(&paused.run_id, answer)).await;
    let outcome = outcomes(&workflow, &run).await.remove(0);
    assert!(outcome.text.contains("Ada Lovelace"), "{outcome:?}");
}

async fn shows_progress(server: &McpServer) {
    let arguments = json!({"duration": 1, "steps": 2});
    let workflow = workflow(server.clone(), "it__trigger-long-running-operation", arguments);
    let events: Vec<_> = workflow.run("go").stream_events(true).stream().collect().await;
    let shown = events.iter().filter(|event| event.name() == "StepProgress").count();
    assert!(shown >= 1, "{:?}", events.iter().map(Event::name).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_everything_server_over_stdio() {
    let Some(home) = home() else { return };
    let server = everything(&home);
    works(&server).await;
    asks(&server).await;
    shows_progress(&server).await;
    let reading = server.clone().resources();
    let tools = reading.tools(StepContext::detached("s")).await.unwrap();
    let list = tools.iter().find(|tool| tool.spec().name == "it__list_resources").unwrap();
    let listed = list.call(json!({}), StepContext::detached("s")).await.unwrap();
    let uri = listed.split(": ").nth(1).unwrap().split([',', ']']).next().unwrap();
    let read = server.read_resource(uri).await.unwrap();
    assert!(!read.text.is_empty(), "{listed}");
    let prompt = server.prompt("simple-prompt", serde_json::Map::new()).await.unwrap();
    assert!(!prompt.text.is_empty());
}

#[tokio::test]
async fn the_everything_server_over_http() {
    let Some(home) = home() else { return };
    let web = Web::start(&home).await;
    let server = McpServer::url("it", &web.1).header("X-Test", "1");
    works(&server).await;
    asks(&server).await;
    shows_progress(&server).await;
}

#[tokio::test]
async fn a_server_that_comes_back_is_used_again() {
    let Some(home) = home() else { return };
    let mut web = Web::start(&home).await;
    let server = McpServer::url("it", &web.1);
    called(server.clone(), "it__get-sum", json!({"a": 2, "b": 3})).await;
    web.0.kill().await.unwrap();
    let down = called(server.clone(), "it__get-sum", json!({"a": 2, "b": 3})).await;
    assert!(down.is_error, "{down:?}");
    let port = web.1.split(':').nth(2).unwrap().split('/').next().unwrap().parse().unwrap();
    let _again = Web::start_at(&home, port).await;
    let sum = called(server, "it__get-sum", json!({"a": 2, "b": 3})).await;
    assert!(sum.text.contains('5'), "{sum:?}");
}

#[tokio::test]
async fn a_server_killed_in_the_middle_of_a_call() {
    let Some(home) = home() else { return };
    let mut web = Web::start(&home).await;
    let server = McpServer::url("it", &web.1);
    let arguments = json!({"duration": 600, "steps": 1000});
    let workflow = workflow(server, "it__trigger-long-running-operation", arguments);
    let mut events = workflow.run("go").stream_events(true).stream();
    while let Some(event) = events.next().await {
        if event.name() == "StepProgress" {
            break;
        }
    }
    web.0.kill().await.unwrap();
    let rest: Vec<_> =
        tokio::time::timeout(Duration::from_mins(2), events.collect()).await.unwrap();
    // It only reads, so the model may call it again.
    let lost = rest.iter().any(|event| format!("{event:?}").contains("can be called again"));
    assert!(lost, "{rest:?}");
}

#[tokio::test]
async fn the_time_server() {
    let Some(home) = home() else { return };
    let server = McpServer::command("time", program(&home, "python/bin/mcp-server-time"), [""; 0]);
    let arguments = json!({
        "source_timezone": "Europe/Oslo", "time": "12:00", "target_timezone": "Asia/Tokyo",
    });
    let told = called(server, "time__convert_time", arguments).await;
    assert!(told.text.contains("Asia/Tokyo"), "{told:?}");
}

#[tokio::test]
async fn the_git_server() {
    let Some(home) = home() else { return };
    let dir = tempfile::tempdir().unwrap();
    let made = std::process::Command::new("git").arg("init").arg("-q").arg(dir.path()).status();
    assert!(made.unwrap().success());
    std::fs::write(dir.path().join("new.txt"), "new").unwrap();
    let path = dir.path().to_str().unwrap();
    let server = McpServer::command("git", program(&home, "python/bin/mcp-server-git"), [""; 0]);
    let told = called(server, "git__git_status", json!({ "repo_path": path })).await;
    assert!(told.text.contains("new.txt"), "{told:?}");
}

#[tokio::test]
async fn the_fetch_server() {
    use std::io::{Read as _, Write as _};
    let Some(home) = home() else { return };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/page", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let page = "<html><body><h1>Fjords</h1><p>They are deep.</p></body></html>";
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n";
            let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n{page}", page.len());
        }
    });
    let fetch = program(&home, "python/bin/mcp-server-fetch");
    let args = ["--ignore-robots-txt", "--allow-private-ips"];
    let server = McpServer::command("fetch", fetch, args);
    let told = called(server, "fetch__fetch", json!({ "url": address })).await;
    assert!(told.text.contains("They are deep."), "{told:?}");
}
