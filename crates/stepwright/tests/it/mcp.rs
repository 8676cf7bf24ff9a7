//! The programs of `docs/mcp.md`.

mod planner;
mod service;

const PAGE: &str = include_str!("../../../../docs/mcp.md");
const PROGRAMS: [&str; 2] = [include_str!("mcp/planner.rs"), include_str!("mcp/service.rs")];

#[test]
fn the_programs_of_the_page_are_compiled() {
    let blocks = PAGE.split("```rust\n").skip(1);
    let blocks: Vec<&str> = blocks.map(|block| block.split("```").next().unwrap()).collect();
    // Each begins with a line about itself.
    let program = |text: &str| text.split_once("\n\n").unwrap().1.replace("pub(super) fn", "fn");
    let public = PROGRAMS.map(program);
    assert_eq!(blocks, public.each_ref().map(String::as_str));
}

#[test]
fn a_planner_has_the_tools_of_two_servers() {
    // Its servers are not started: they are asked when it runs.
    let planner = planner::planner().unwrap();
    assert!(planner.tools().is_empty());
}

#[tokio::test]
async fn a_workflow_and_an_agent_are_tools() {
    use stepwright::prelude::*;
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    let digest = Workflow::builder("Digest").step(Step::new("s", async |_: String| "short"));
    let editor = Agent::builder("Editor").model("offline").unwrap().build().unwrap();
    let served = service::service(&digest.build().unwrap(), &editor);
    let (client, server) = tokio::io::duplex(64 * 1024);
    let (read, write) = tokio::io::split(server);
    let serving =
        tokio::spawn(served.serve(read, write, tokio_util::sync::CancellationToken::default()));
    let (read, mut write) = tokio::io::split(client);
    let mut lines = BufReader::new(read).lines();
    for line in [
        r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25",
            "capabilities":{},"clientInfo":{"name":"it","version":"1"}}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":2,"method":"tools/call",
            "params":{"name":"digest","arguments":{"message":"long"}}}"#,
    ] {
        let line = format!("{}\n", line.replace('\n', ""));
        write.write_all(line.as_bytes()).await.unwrap();
    }
    let mut answers = Vec::new();
    while answers.len() < 3 {
        answers.push(lines.next_line().await.unwrap().unwrap());
    }
    let all = answers.join("\n");
    assert!(all.contains(r#""name":"digest""#) && all.contains(r#""name":"editor""#), "{all}");
    assert!(all.contains(r#""text":"short""#), "{all}");
    drop((write, lines));
    serving.await.unwrap().unwrap();
}
