//! Tools of a server as tools of an agent.

use crate::support::{
    EventsOf as _, Faulty, called, ended, outcomes, program, with_text, workflow,
};
use serde_json::json;
use std::collections::BTreeSet;
use stepwright_agent::{Agent, AgentBuilder, FunctionTool};
use stepwright_core::message::{Message, Part};
use stepwright_core::permission::Permissions;
use stepwright_core::tool::ToolSource as _;
use stepwright_core::{ErrorId, EventKind, MediaKind, RunStatus, StepContext};
use stepwright_engine::Workflow;
use stepwright_mcp::McpServer;
use stepwright_testing::model::{Reply, ScriptedModel};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Text {
    text: String,
}

fn names(tools: &[stepwright_core::tool::AnyTool]) -> Vec<String> {
    use stepwright_core::tool::Tool as _;
    tools.iter().map(|tool| tool.spec().name.clone()).collect()
}

async fn tools_of(server: &McpServer) -> Result<Vec<String>, stepwright_core::StepError> {
    server.tools(StepContext::detached("s")).await.map(|tools| names(&tools))
}

#[tokio::test]
async fn an_agent_calls_the_tools_of_a_server() {
    let faulty = Faulty::new("");
    let outcome = called(faulty.server.clone(), "it__echo", with_text("hello")).await;
    assert_eq!((outcome.text.as_str(), outcome.is_error), ("hello", false));
    // One process serves all runs and agents.
    let outcome = called(faulty.server.clone(), "it__write", with_text("a")).await;
    assert_eq!(outcome.text, "written");
    assert_eq!(faulty.log(), ["started", "write a"]);
}

#[tokio::test]
async fn the_model_gets_schema_and_description() {
    let faulty = Faulty::new("");
    let model = ScriptedModel::new(["Done."]);
    let agent = Agent::builder("a").model(model.clone()).unwrap().tool(faulty.server.clone());
    agent.build().unwrap().run("go").await.unwrap();
    let request = model.requests().remove(0);
    let echo = request.tools.iter().find(|tool| tool.name == "it__echo").unwrap();
    assert_eq!(echo.description, "The tool echo.");
    assert_eq!(echo.parameters["properties"]["text"]["type"], "string");
}

#[tokio::test]
async fn results_have_structure_resources_and_images() {
    let faulty = Faulty::new("");
    let outcome = called(faulty.server.clone(), "it__structured", json!({})).await;
    assert_eq!(outcome.text, r#"{"sum":5}"#);
    let model = ScriptedModel::new([Reply::call("it__image", json!({})), Reply::text("A dot.")]);
    let agent = Agent::builder("a").model(model.clone()).unwrap().tool(faulty.server.clone());
    let workflow = Workflow::builder("W").step(agent.build().unwrap()).build().unwrap();
    let run = workflow.run("go").await.unwrap();
    let outcome = outcomes(&workflow, &run).await.remove(0);
    let text = "a dot\n[image/png of 70 bytes]\n[resource note://1]\na note\n\
                [resource other: note://2]";
    assert_eq!(outcome.text, text);
    assert_eq!(outcome.media[0].kind, MediaKind::Image);
    // The model sees it after the results.
    let last = model.requests().remove(1).messages.pop().unwrap();
    let Message::User { parts } = last else { panic!("{last:?}") };
    assert!(
        parts
            .iter()
            .any(|part| matches!(part, Part::Media { media } if media.kind == MediaKind::Image))
    );
}

#[tokio::test]
async fn structured_content_that_texts_do_not_repeat_is_in_the_answer() {
    let faulty = Faulty::new("");
    for (tool, text) in [
        ("it__described", "5 in all\n{\"sum\":5}"),
        ("it__repeated", "{ \"sum\": 5 }"),
        ("it__listed", "a\n7"),
    ] {
        let outcome = called(faulty.server.clone(), tool, json!({})).await;
        assert_eq!(outcome.text, text, "{tool}");
    }
}

#[tokio::test]
async fn a_server_that_asks_for_folders_hears_that_there_is_no_such_method() {
    let faulty = Faulty::new("");
    let outcome = called(faulty.server.clone(), "it__roots", json!({})).await;
    assert_eq!(outcome.text, "error -32601");
}

#[tokio::test]
async fn failures_and_wrong_arguments_go_back_to_the_model() {
    let faulty = Faulty::new("");
    let outcome = called(faulty.server.clone(), "it__fail", json!({})).await;
    assert_eq!((outcome.text.as_str(), outcome.is_error), ("no such city", true));
    let outcome = called(faulty.server.clone(), "it__refuse", json!({})).await;
    let text = "wrong arguments: `text` is too short; correct them and call `it__refuse` again";
    assert_eq!((outcome.text.as_str(), outcome.is_error), (text, true));
}

#[tokio::test]
async fn progress_of_a_server_is_progress_of_the_step() {
    use futures_util::StreamExt as _;
    let faulty = Faulty::new("");
    let workflow = workflow(faulty.server.clone(), "it__slow", json!({}));
    let events: Vec<_> = workflow.run("go").stream_events(true).stream().collect().await;
    let shown: Vec<(String, Option<f64>)> = events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::StepProgress { content, progress } => {
                Some((content.text().into_owned(), *progress))
            }
            _ => None,
        })
        .collect();
    let part = |nth: u8| (format!("part {nth}"), Some(f64::from(nth) / 4.0));
    // The messages of a connection may overtake each other: then the late one is not shown.
    assert_eq!(shown.last(), Some(&part(3)));
    let all = [part(1), part(2), part(3)];
    let in_order: Vec<_> = all.iter().filter(|part| shown.contains(part)).cloned().collect();
    assert_eq!(shown, in_order);
}

#[tokio::test]
async fn a_server_gets_no_variables_but_the_usual_ones_and_those_that_are_named() {
    let faulty = Faulty::new("");
    // Cargo sets this variable for tests.
    assert!(std::env::var_os("CARGO_PKG_NAME").is_some());
    let outcome = called(faulty.server.clone(), "it__env", json!({})).await;
    assert!(!outcome.text.contains("CARGO"), "{}", outcome.text);
    assert!(outcome.text.contains("PATH") && outcome.text.contains("LOG"));
    let server = faulty.server.clone().pass_env("CARGO_PKG_NAME");
    let outcome = called(server, "it__env", json!({})).await;
    assert!(outcome.text.contains("CARGO_PKG_NAME"), "{}", outcome.text);
}

#[tokio::test]
async fn filters_and_prefixes_choose_the_tools_and_their_names() {
    let faulty = Faulty::new("");
    let all = tools_of(&faulty.server).await.unwrap();
    assert!(all.len() > 10 && all.iter().all(|name| name.starts_with("it__")));
    let few = faulty.server.clone().only(["e*", "write"]).exclude(["env"]).prefix("x");
    assert_eq!(tools_of(&few).await.unwrap(), ["x__echo", "x__write"]);
    let bare = faulty.server.clone().only(["echo"]).prefix("");
    assert_eq!(tools_of(&bare).await.unwrap(), ["echo"]);
    let with = faulty.server.clone().only(["echo"]).resources();
    assert_eq!(tools_of(&with).await.unwrap().len(), 5);
    let error = tools_of(&faulty.server.clone().only(["ehco"])).await.unwrap_err();
    assert_eq!(error.data.id, Some(ErrorId::MCP_TOOLS_INVALID));
    assert!(error.data.message.contains("`tools` names `ehco`, but the server has `echo`"));
}

#[tokio::test]
async fn two_servers_with_the_same_names_need_prefixes() {
    let (one, two) = (Faulty::new(""), Faulty::new(""));
    let both = |prefix| {
        let model = ScriptedModel::new(["Done."]);
        let agent = Agent::builder("a").model(model).unwrap().tool(one.server.clone());
        agent.tool(two.server.clone().prefix(prefix)).build().unwrap()
    };
    let failed = ended(both("it").run("go")).await;
    assert_eq!(failed.status, RunStatus::Error);
    let error = failed.error.unwrap().error;
    assert!(error.message.contains("`it` has a tool `it__echo`"), "{error:?}");
    assert_eq!(ended(both("other").run("go")).await.status, RunStatus::Completed);
}

#[tokio::test]
async fn two_hundred_tools_have_valid_names_of_their_own() {
    let faulty = Faulty::new("many");
    let names = tools_of(&faulty.server).await.unwrap();
    let different: BTreeSet<&String> = names.iter().collect();
    assert_eq!(different.len(), 200);
    assert_eq!(names[7], "it__tool_7");
    let outcome = called(faulty.server.clone(), "it__tool_199", json!({})).await;
    assert!(outcome.text.contains("no such tool"), "the raw name is called: {}", outcome.text);
}

#[tokio::test]
async fn two_hundred_tools_of_a_server_are_deferred_and_loaded_by_a_search() {
    let faulty = Faulty::new("many");
    let model = ScriptedModel::new([
        Reply::call("search_tools", json!({"names": ["it__tool_7", "it__tool_8"]})),
        Reply::text("Done."),
    ]);
    let agent = Agent::builder("caller").model(model.clone()).unwrap();
    let agent = agent.tool(faulty.server.clone()).build().unwrap();
    let workflow = Workflow::builder("W").step(agent).build().unwrap();
    workflow.run("go").await.unwrap();
    let names = |nth: usize| -> Vec<String> {
        model.requests()[nth].tools.iter().map(|tool| tool.name.clone()).collect()
    };
    assert_eq!(names(0), ["search_tools"]);
    assert_eq!(names(1), ["search_tools", "it__tool_7", "it__tool_8"]);
    let listed = model.requests()[0].tools[0].description.clone();
    assert_eq!(listed.matches("\n- it__tool_").count(), 200);
}

#[tokio::test]
async fn mistakes_in_settings_are_found_when_the_agent_is_built() {
    let built = |server: McpServer| {
        let agent: AgentBuilder = Agent::builder("a").model("offline").unwrap();
        agent.tool(server).build().unwrap_err().to_string()
    };
    for (server, told) in [
        (McpServer::command("a b", "x", [""; 0]), "`a b` cannot name an MCP server"),
        (McpServer::command("a", " ", [""; 0]), "it has no command"),
        (McpServer::command("a", "x", [""; 0]).env("A=B", "c"), "`A=B` cannot name"),
        (McpServer::command("a", "x", ["\0"]), "NUL"),
        (McpServer::command("a", "x", [""; 0]).prefix("a/b"), "`prefix` of MCP server `a`"),
        (McpServer::url("a", "ftp://example.org"), "not an address"),
        (McpServer::url("a", "https://example.org").header("a b", "c"), "cannot name a header"),
        (
            McpServer::url("a", "https://example.org").timeout(std::time::Duration::ZERO),
            "`timeout`",
        ),
    ] {
        let message = built(server);
        assert!(message.contains(told), "{message}");
    }
}

#[tokio::test]
async fn the_definition_of_a_server_is_part_of_the_digest() {
    let digest = |server: McpServer| workflow(server, "x", json!({})).digest().to_owned();
    let server = || McpServer::command("files", "serve", ["."]);
    let same = digest(server());
    assert_eq!(same, digest(server()));
    for other in [
        McpServer::command("files", "serve", ["/"]),
        server().env("ROOT", "/"),
        server().only(["read"]),
        server().exclude(["write"]),
        server().prefix("fs"),
        server().confirm(["write"]),
        McpServer::url("files", "https://example.org/mcp"),
    ] {
        assert_ne!(same, digest(other));
    }
}

#[tokio::test]
async fn permissions_judge_the_command_and_each_call() {
    let faulty = Faulty::new("");
    let run = async |permissions: Permissions, tool: &str| {
        let agent = crate::support::agent(faulty.server.clone(), tool, with_text("x"));
        let workflow = Workflow::builder("W").step(agent).permissions(permissions).unattended(true);
        let workflow = workflow.build().unwrap();
        let run = ended(workflow.run("go")).await;
        let outcomes = outcomes(&workflow, &run).await;
        (run, outcomes)
    };
    // The command is not allowed.
    let (failed, _) = run(Permissions::default().allow("mcp:it:*").unwrap(), "it__echo").await;
    let error = failed.error.unwrap().error;
    assert!(error.message.contains("shell: "), "{error:?}");
    assert!(faulty.log().is_empty(), "nothing was started");
    // The server may run, and one of its tools be called.
    let some = || Permissions::default().allow("mcp:it").unwrap().allow("mcp:it:echo").unwrap();
    assert_eq!(run(some(), "it__echo").await.1[0].text, "x");
    assert!(run(some(), "it__write").await.1[0].text.starts_with("not called"));
    // By what the server says of its tools.
    let hints = || Permissions::default().allow("mcp:it").unwrap();
    let reading = || hints().allow("mcp:it:hint.read-only").unwrap();
    assert_eq!(run(reading(), "it__echo").await.1[0].text, "x");
    assert!(run(reading(), "it__write").await.1[0].text.starts_with("not called"));
    let careful = hints().allow("mcp:it:*").unwrap().deny("mcp:*:hint.destructive").unwrap();
    assert!(run(careful.clone(), "it__write").await.1[0].text.starts_with("not called"));
    assert_eq!(run(careful, "it__put").await.1[0].text, "written");
    let shell = format!("shell: {} *", program());
    let by_command = Permissions::default().allow(&shell).unwrap().allow("mcp:*:echo").unwrap();
    assert_eq!(run(by_command, "it__echo").await.1[0].text, "x");
}

#[tokio::test]
async fn calls_can_require_a_confirmation() {
    let faulty = Faulty::new("");
    let server = faulty.server.clone().confirm(["wr*"]);
    let workflow = workflow(server, "it__write", with_text("x"));
    let paused = workflow.run("go").await.unwrap();
    assert_eq!(paused.status, RunStatus::Paused);
    assert_eq!(faulty.log(), ["started"]);
    let id = paused.requirements[0].id.clone();
    let answer = stepwright_core::Answer::Approve;
    let run = workflow.continue_run(&paused.run_id, [(&*id, answer)]).await.unwrap();
    assert_eq!(run.content.text(), "Done.");
    assert_eq!(faulty.log(), ["started", "write x"]);
    let _ = workflow.runs_of(&run).await;
}

#[tokio::test]
async fn tools_of_programs_and_of_servers_go_together() {
    let faulty = Faulty::new("");
    let model = ScriptedModel::new([
        Reply::call("it__echo", with_text("a")).and_call("shout", with_text("b")),
        Reply::text("Done."),
    ]);
    let shout =
        FunctionTool::new("shout", "Shouts.", |args: Text| async move { args.text.to_uppercase() });
    let agent = Agent::builder("a").model(model).unwrap().tool(faulty.server.clone()).tool(shout);
    let workflow = Workflow::builder("W").step(agent.build().unwrap()).build().unwrap();
    let run = workflow.run("go").await.unwrap();
    let mut texts: Vec<String> =
        outcomes(&workflow, &run).await.into_iter().map(|outcome| outcome.text).collect();
    texts.sort();
    assert_eq!(texts, ["B", "a"]);
}
