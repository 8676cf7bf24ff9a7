//! Teams, agents in front of workflows, history and memories beside those of Agno, with the same
//! script for the models: the requests that reach the models, and the answers. Each difference
//! stands in `docs/coming-from-agno.md`.
//!
//! `export STEPWRIGHT_TEST_AGNO_DIFF=$(scripts/test-agno-diff.sh)` installs Agno; without the
//! variable these tests report that they are skipped.

use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use stepwright_agent::{Agent, AgentMemory, Team, TeamMode, WorkflowAgent};
use stepwright_core::message::Message;
use stepwright_core::model::ModelRequest;
use stepwright_core::{AnyStore, Memory};
use stepwright_engine::{Runs, Workflow};
use stepwright_testing::model::{Reply, ScriptedModel};

/// Returns a report of what Agno did in a scenario. `None` if Agno is not installed.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn agno(scenario: &str) -> Option<Value> {
    let Some(home) = std::env::var_os("STEPWRIGHT_TEST_AGNO_DIFF") else {
        eprintln!("skipped: STEPWRIGHT_TEST_AGNO_DIFF is not set");
        return None;
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = Path::new(&home).join("python/bin/python");
    let script = root.join("scripts/agno/diff.py");
    let ran = Command::new(python).arg(script).arg(scenario).output().unwrap();
    let text = String::from_utf8(ran.stdout).unwrap();
    let told: Value = serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{text}\n{}", String::from_utf8_lossy(&ran.stderr)));
    Some(told[scenario].clone())
}

/// The number of requests of a model in Agno's run, and its first message to the model.
fn of(told: &Value, who: &str) -> Vec<Vec<String>> {
    let requests = told["requests"].as_array().unwrap().iter();
    let own = requests.filter(|request| request["who"] == who);
    let texts = own.map(|request| request["messages"].as_array().unwrap().iter());
    texts.map(|all| all.map(|text| text.as_str().unwrap().to_owned()).collect()).collect()
}

/// Our requests in the form of the script.
fn shown(model: &ScriptedModel) -> Vec<Vec<String>> {
    let of = |request: &ModelRequest| {
        let mut all = Vec::new();
        for message in &request.messages {
            match message {
                Message::User { .. } => all.push(format!("user: {}", message.text())),
                Message::Tool { results } => {
                    all.extend(results.iter().map(|result| format!("tool: {}", result.text)));
                }
                Message::Assistant(turn) => {
                    let calls: Vec<&str> = turn.tool_calls().map(|call| &*call.name).collect();
                    all.push(match calls.as_slice() {
                        [] => format!("assistant: {}", turn.text()),
                        calls => format!("calls {}", calls.join(", ")),
                    });
                }
            }
        }
        all
    };
    model.requests().iter().map(of).collect()
}

fn member(name: &str, model: &ScriptedModel) -> Agent {
    Agent::builder(name).model(model.clone()).unwrap().build().unwrap()
}

async fn ours(mode: TeamMode, share: bool, [leader, scout, critic]: &[ScriptedModel; 3]) -> String {
    let team = Team::builder("Desk").model(leader.clone()).unwrap().mode(mode);
    let team = team.member(member("Scout", scout), "Finds sources.");
    let team = team.member(member("Critic", critic), "Finds mistakes.");
    let team = if share { team.share_interactions(true) } else { team };
    team.build().unwrap().run("Bridges").await.unwrap().content.text().into_owned()
}

fn task(member: &str, task: &str) -> Reply {
    Reply::call(member, json!({ "task": task }))
}

/// The results of tools in a conversation.
fn results(messages: &[String]) -> Vec<&str> {
    messages.iter().filter_map(|text| text.strip_prefix("tool: ")).collect()
}

#[tokio::test]
async fn a_coordinating_team_asks_the_same_as_agno_and_answers_the_same() {
    let Some(told) = agno("coordinate") else { return };
    let models = [
        ScriptedModel::new([
            task("scout", "Find three."),
            task("scout", "Find more.").and_call("critic", json!({"task": "Check."})),
            Reply::text("The report."),
        ]),
        ScriptedModel::new(["a, b, c", "d"]),
        ScriptedModel::new(["All fine."]),
    ];
    assert_eq!(ours(TeamMode::Coordinate, false, &models).await, told["answer"]);
    // The members read exactly what Agno's members read.
    assert_eq!(shown(&models[1]), of(&told, "scout"));
    assert_eq!(shown(&models[2]), of(&told, "critic"));
    let (own, theirs) = (shown(&models[0]), of(&told, "leader"));
    assert_eq!(own.len(), theirs.len());
    for (own, theirs) in own.iter().zip(&theirs) {
        assert_eq!(own[0], theirs[0]);
        assert_eq!(results(own), results(theirs));
    }
}

#[tokio::test]
async fn a_routing_team_asks_the_same_as_agno_and_answers_the_same() {
    let Some(told) = agno("route") else { return };
    let models = [
        ScriptedModel::new([task("critic", "Is it right?")]),
        ScriptedModel::new(["never"]),
        ScriptedModel::new(["It is."]),
    ];
    assert_eq!(ours(TeamMode::Route, false, &models).await, told["answer"]);
    assert_eq!(shown(&models[2]), of(&told, "critic"));
    assert_eq!(shown(&models[0]), of(&told, "leader"));
}

#[tokio::test]
async fn a_collaborating_team_needs_one_request_less_than_agno() {
    let Some(told) = agno("collaborate") else { return };
    let models = ["Both agree.", "yes", "yes!"].map(|text| ScriptedModel::new([text]));
    assert_eq!(ours(TeamMode::Collaborate, false, &models).await, told["answer"]);
    assert_eq!(shown(&models[1]), of(&told, "scout"));
    assert_eq!(shown(&models[2]), of(&told, "critic"));
    let (own, theirs) = (shown(&models[0]), of(&told, "leader"));
    assert_eq!((own.len(), theirs.len()), (1, 2), "our leader does not write the question");
    assert_eq!(results(&own[0]), ["yes", "yes!"]);
    // Agno joins the answers into one result.
    assert_eq!(results(&theirs[1]).len(), 1);
}

#[tokio::test]
async fn a_team_with_tasks_gives_the_same_task_and_answers_the_same() {
    let Some(told) = agno("tasks") else { return };
    let new = json!({"title": "Search", "description": "All.", "assignee": "scout"});
    let models = [
        ScriptedModel::new([
            Reply::call("create_task", new),
            Reply::call("scout", json!({"task_id": "1"})),
            Reply::text("Done."),
        ]),
        ScriptedModel::new(["a, b"]),
        ScriptedModel::new(["never"]),
    ];
    assert_eq!(ours(TeamMode::Tasks, false, &models).await, told["answer"]);
    let (own, theirs) = (shown(&models[1]), of(&told, "scout"));
    assert_eq!((own.len(), theirs.len()), (1, 1));
    // The member reads the title as well, because the leader may write no description.
    assert!(theirs[0][0].contains("All.") && own[0][0] == "user: Search\n\nAll.", "{theirs:?}");
    assert_eq!(models[0].requests().len(), of(&told, "leader").len());
}

#[tokio::test]
async fn members_share_the_same_interactions_as_in_agno_in_other_words() {
    let Some(told) = agno("shared") else { return };
    let models = [
        ScriptedModel::new([
            task("scout", "Find."),
            task("critic", "Check."),
            Reply::text("Done."),
        ]),
        ScriptedModel::new(["a"]),
        ScriptedModel::new(["ok"]),
    ];
    assert_eq!(ours(TeamMode::Coordinate, true, &models).await, told["answer"]);
    assert_eq!(shown(&models[1]), of(&told, "scout"));
    for read in [&shown(&models[2])[0][0], &of(&told, "critic")[0][0]] {
        for part in ["Find.", "a", "Check."] {
            assert!(read.contains(part), "{read}");
        }
    }
}

async fn outline(topic: String) -> String {
    format!("1. {topic}")
}

#[tokio::test]
async fn an_agent_in_front_of_a_workflow_needs_one_request_less_than_agno() {
    let Some(told) = agno("talk") else { return };
    let model = ScriptedModel::new([
        Reply::call("run_workflow", json!({"message": "bridges"})),
        Reply::text("About bridges."),
    ]);
    let plan = Workflow::builder("Plan").description("Plans articles.");
    let plan = plan.step(outline).build().unwrap();
    let agent = WorkflowAgent::builder(&plan).model(model.clone()).unwrap().build().unwrap();
    let talk = agent.workflow().store(Memory::default()).build().unwrap();
    let mut answers = Vec::new();
    for text in ["Plan bridges, please", "What was it about?"] {
        let output = talk.run(text).session_id("s").await.unwrap();
        answers.push(output.content.text().into_owned());
    }
    assert_eq!(answers.join(" | "), told["answer"]);
    let theirs = of(&told, "agent");
    assert_eq!((model.requests().len(), theirs.len()), (2, 3), "Agno asks after the workflow");
}

/// Runs an agent with the history of its session, and returns the answers.
async fn with_history(model: &ScriptedModel, runs: u32, asked: &[&str]) -> String {
    let talk = Workflow::builder("Talk").step(member("Writer", model));
    let talk = talk.add_workflow_history_to_steps(true).num_history_runs(runs);
    let talk = talk.store(Memory::default()).build().unwrap();
    let mut answers = Vec::new();
    for text in asked {
        let output = talk.run(*text).session_id("s").await.unwrap();
        answers.push(output.content.text().into_owned());
    }
    answers.join(" | ")
}

#[tokio::test]
async fn steps_read_the_same_history_as_in_agno() {
    let Some(told) = agno("history") else { return };
    let model = ScriptedModel::new(["One.", "Two.", "Three."]);
    assert_eq!(with_history(&model, 3, &["A?", "B?", "C?"]).await, told["answer"]);
    assert_eq!(shown(&model), of(&told, "writer"));
}

#[tokio::test]
async fn the_runs_of_a_workflow_hold_for_its_steps_and_in_agno_they_do_not() {
    let Some(told) = agno("history_of_one") else { return };
    let model = ScriptedModel::new(["One.", "Two.", "Three."]);
    assert_eq!(with_history(&model, 1, &["A?", "B?", "C?"]).await, told["answer"]);
    let (own, theirs) = (shown(&model), of(&told, "writer"));
    assert_eq!(own[..2], theirs[..2]);
    assert!(own[2][0].contains("B?") && !own[2][0].contains("A?"), "{own:?}");
    assert!(theirs[2][0].contains("A?"), "Agno reads more than one run: {theirs:?}");
}

#[tokio::test]
async fn an_agent_reads_the_same_conversation_as_in_agno_as_one_message() {
    let Some(told) = agno("conversation") else { return };
    let model = ScriptedModel::new(["One.", "Two.", "Three.", "Four."]);
    assert_eq!(with_history(&model, 2, &["A?", "B?", "C?", "D?"]).await, told["answer"]);
    let (own, theirs) = (shown(&model), of(&told, "writer"));
    assert_eq!(own.len(), theirs.len());
    for (own, theirs) in own.iter().zip(&theirs) {
        assert_eq!(own.len(), 1);
        let (asked, earlier) = theirs.split_last().unwrap();
        let mut wanted = String::new();
        for pair in earlier.chunks(2) {
            let nth = wanted.matches("Run-").count() + 1;
            let said = pair[0].strip_prefix("user: ").unwrap();
            let answer = pair[1].strip_prefix("assistant: ").unwrap();
            let run =
                format!("[Workflow Run-{nth}]\nUser input: {said}\nWorkflow output: {answer}\n\n");
            wanted.push_str(&run);
        }
        if !wanted.is_empty() {
            let block = "workflow_history_context>";
            wanted = format!("<{block}\n{wanted}</{block}\n");
        }
        assert_eq!(own[0], format!("user: {wanted}{}", asked.strip_prefix("user: ").unwrap()));
    }
}

/// Runs an agent for two sessions of Ada and one of Ben. Returns the answers, and the memories.
async fn remembering(model: &ScriptedModel, memory: AgentMemory) -> (String, Value) {
    let store = AnyStore::new(Memory::default());
    let agent = Agent::builder("Waiter").model(model.clone()).unwrap().memory(memory);
    let talk = Workflow::builder("Talk").step(agent.build().unwrap()).store(store.clone());
    let talk = talk.build().unwrap();
    let mut answers = Vec::new();
    for (text, session, user) in [
        ("I travel by train.", "s-1", "ada"),
        ("How do I travel?", "s-2", "ada"),
        ("How do I travel?", "s-3", "ben"),
    ] {
        let output = talk.run(text).session_id(session).user_id(user).await.unwrap();
        answers.push(output.content.text().into_owned());
    }
    let mut kept = json!({});
    for user in ["ada", "ben"] {
        let all = Runs::of(store.clone()).memories(user).unwrap().list().await.unwrap();
        kept[user] = all.iter().map(|memory| memory.memory.to_string()).collect();
    }
    (answers.join(" | "), kept)
}

/// Returns, for each request of Agno's agent, `true` if its instructions have the memory.
fn their_knowledge(told: &Value) -> Vec<bool> {
    let requests = told["requests"].as_array().unwrap().iter();
    let system = requests.map(|request| request["system"].as_str().unwrap());
    // Not the requests of the manager of memories.
    let own = system.filter(|text| !text.contains("You are a Memory Manager"));
    own.map(|text| text.contains("Travels by train.")).collect()
}

/// As [`their_knowledge`], of our agent.
fn our_knowledge(model: &ScriptedModel) -> Vec<bool> {
    let requests = model.requests();
    let texts = requests.iter().map(|it| it.instructions.clone().unwrap_or_default());
    let own = texts.filter(|text| !text.contains("You keep the memories of a user"));
    own.map(|text| text.contains("Travels by train.")).collect()
}

#[tokio::test]
async fn memories_after_a_run_are_those_of_agno_and_need_a_request_less() {
    let Some(told) = agno("memory_after_run") else { return };
    let add = json!({"change": "add", "memory": "Travels by train.", "topics": ["travel"]});
    let (some, none) = (json!({"changes": [add]}).to_string(), json!({"changes": []}).to_string());
    let model =
        ScriptedModel::new(["Good to know.", &some, "By train.", &none, "I do not know.", &none]);
    let (answers, kept) = remembering(&model, AgentMemory::after_run()).await;
    assert_eq!((&json!(answers), &kept), (&told["answer"], &told["kept"]));
    assert_eq!(our_knowledge(&model), their_knowledge(&told));
    assert_eq!((model.requests().len(), of(&told, "waiter").len()), (6, 7));
}

#[tokio::test]
async fn memories_by_tools_are_those_of_agno_and_need_no_second_model() {
    let Some(told) = agno("memory_by_tools") else { return };
    let save = json!({"memory": "Travels by train.", "topics": ["travel"]});
    let model = ScriptedModel::new([
        Reply::call("save_memory", save),
        Reply::text("Noted."),
        Reply::text("By train."),
        Reply::text("I do not know."),
    ]);
    let (answers, kept) = remembering(&model, AgentMemory::by_tools()).await;
    assert_eq!((&json!(answers), &kept), (&told["answer"], &told["kept"]));
    let (own, theirs) = (our_knowledge(&model), their_knowledge(&told));
    assert_eq!(own, theirs, "the second request of the first run does not have it yet");
    assert_eq!((model.requests().len(), of(&told, "waiter").len()), (4, 6));
}
