//! Teams in files.

use futures_util::StreamExt as _;
use serde_json::json;
use stepwright_core::{Answer, EventKind, Memory, RunStatus};
use stepwright_engine::WorkflowBuilder;
use stepwright_file::{Definition, Options};
use stepwright_testing::model::{FunctionModel, Reply, ScriptedModel};

fn register(name: &'static str, model: &ScriptedModel) {
    let model = model.clone();
    stepwright_models::register(name, move |_| Ok(model.clone()));
}

fn file(text: &str) -> WorkflowBuilder {
    let text = format!("format: 1\nname: Test\n{text}");
    Definition::parse(&text, "test.yaml", &Options::default()).unwrap().builder().unwrap()
}

#[tokio::test]
async fn a_team_of_a_file_works_in_its_mode_with_its_settings() {
    let leader = ScriptedModel::new([
        Reply::call("scout", json!({"task": "Find."})),
        Reply::call("second_eye", json!({"task": "Check."})),
        Reply::text("The report."),
    ]);
    let scout = ScriptedModel::new(["a, b"]);
    let critic = ScriptedModel::new(["fine"]);
    register("team-leader", &leader);
    register("team-scout", &scout);
    register("team-critic", &critic);
    let text = "
agents:
  scout: {model: 'team-scout:m', description: Finds sources.}
  Second eye: {model: 'team-critic:m', description: Finds mistakes.}
teams:
  desk:
    model: 'team-leader:m'
    instructions: Write a page.
    members: [scout, Second eye]
    share_interactions: true
    max_rounds: 2
steps: [{team: desk, prompt: 'Topic: {{ input }}'}]
";
    let output = file(text).build().unwrap().run("ants").await.unwrap();
    assert_eq!(output.content.text(), "The report.");
    let asked = &leader.requests()[0];
    assert_eq!(asked.messages[0].text(), "Topic: ants");
    assert!(asked.instructions.as_ref().unwrap().starts_with("Write a page.\n\nYou lead a team."));
    assert_eq!(asked.tools[0].description, "A member of your team. Finds sources.");
    assert!(critic.requests()[0].messages[0].text().contains("Answer: a, b"));
    let kind = output.step_results[0].executor_type;
    assert_eq!(kind, Some(stepwright_core::executor::ExecutorType::Team));
}

#[tokio::test]
async fn a_task_of_a_member_in_a_branch_waits_for_a_person_and_goes_on() {
    let leader = FunctionModel::new(|request| match request.messages.len() {
        1 => Reply::call("scout", json!({"task": "Find."})),
        _ => Reply::text(request.messages.last().unwrap().text()),
    });
    let given = leader.clone();
    stepwright_models::register("team-asks", move |_| Ok(given.clone()));
    register("team-asked", &ScriptedModel::new(["found"]));
    let text = "
agents: {scout: {model: 'team-asked:m', description: Finds.}}
teams:
  inner: {model: 'team-asks:m', members: [scout], requires_confirmation: [scout]}
steps:
  - name: both
    parallel:
    branches: [{team: inner}, {name: beside, value: x}]
";
    let flow = file(text).store(Memory::default()).build().unwrap();
    let paused = flow.run("go").run_id("r").await.unwrap();
    assert_eq!(paused.status, RunStatus::Paused);
    let id = paused.requirements[0].id.to_string();
    assert_eq!(id, "both/inner/scout#1!confirm");
    let output = flow.continue_run("r", [(id, Answer::Approve)]).await.unwrap();
    assert_eq!(output.status, RunStatus::Completed);
    assert_eq!(output.content.to_value()["inner"], "found");
    assert_eq!(leader.requests().len(), 2, "no request is sent again");
}

#[tokio::test]
async fn a_budget_of_a_team_holds_for_its_members() {
    let leader =
        ScriptedModel::new([Reply::call("scout", json!({"task": "Find."})), Reply::text("never")]);
    register("team-spends", &leader);
    register("team-spent", &ScriptedModel::new(["found"]));
    let text = "
agents: {scout: {model: 'team-spent:m', description: Finds.}}
teams: {desk: {model: 'team-spends:m', members: [scout], budget: {model_calls: 1}}}
steps: [{team: desk}]
";
    let mut run = file(text).build().unwrap().run("go").stream_events(true).stream();
    let mut failed = Vec::new();
    while let Some(event) = run.next().await {
        if let EventKind::ToolCallError { tool, .. } = event.kind {
            failed.push(tool.text);
        }
    }
    assert!(run.output().await.is_err());
    assert!(failed.iter().all(|text| text.contains("budget")), "{failed:?}");
    assert_eq!(leader.requests().len(), 1);
}

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");

fn example(name: &str, model: &str) -> WorkflowBuilder {
    let options = Options { model: Some(model.to_owned()), ..Options::default() };
    let path = std::path::Path::new(EXAMPLES).join(name);
    let definition = Definition::read(path, &options).unwrap();
    assert!(definition.warnings().is_empty(), "{}", definition.warnings());
    definition.builder().unwrap()
}

#[tokio::test]
async fn the_startup_validator_gives_its_tasks_to_members_in_order() {
    let new = |title: &str, assignee: &str, needs: &[&str]| {
        json!({
            "title": title,
            "assignee": assignee,
            "depends_on": needs,
        })
    };
    let model = ScriptedModel::new([
        Reply::call("create_task", new("Clarify", "idea", &[]))
            .and_call("create_task", new("Size", "market", &["1"]))
            .and_call("create_task", new("Rivals", "competition", &["1"])),
        Reply::call("idea", json!({"task_id": "1"})),
        Reply::text("Bread by bike."),
        Reply::call("market", json!({"task_id": "2"})),
        Reply::text("Small."),
        Reply::call("competition", json!({"task_id": "3"})),
        Reply::text("Many."),
        Reply::text("Change it."),
    ]);
    register("validator", &model);
    let output = example("startup-validator.yaml", "validator:m").build().unwrap();
    let output = output.run("A bakery").await.unwrap();
    assert_eq!(output.content.text(), "Change it.");
    let asked = model.requests();
    let read = asked[6].messages[0].text();
    assert_eq!(read, "Rivals\n\nResult of \"Clarify\":\nBread by bike.");
}

#[tokio::test]
async fn the_investment_report_is_written_from_two_answers_and_approved() {
    let model = FunctionModel::new(|request| {
        let who = request.instructions.as_deref().unwrap_or_default();
        Reply::text(match who.get(..12) {
            Some("You analyse ") => "Revenue grows.",
            Some("You look for") => "It may stop.",
            _ => "It grows; it may stop.",
        })
    });
    let given = model.clone();
    stepwright_models::register("investor", move |_| Ok(given.clone()));
    let flow = example("investment-report.yaml", "investor:m").store(Memory::default());
    let flow = flow.build().unwrap();
    let paused = flow.run("NVDA").run_id("r").await.unwrap();
    assert_eq!(paused.status, RunStatus::Paused);
    let id = paused.requirements[0].id.to_string();
    let output = flow.continue_run("r", [(id, Answer::Approve)]).await.unwrap();
    assert_eq!(output.content.text(), "# Investment report\n\nIt grows; it may stop.");
    assert_eq!(model.requests().len(), 3);
}

#[test]
fn the_mistakes_of_teams_are_reported_with_what_to_do() {
    for (text, wanted) in [
        (
            MISTAKES,
            &[
                "two members are called `writer`",
                "there is no agent or team `critc`",
                "there are an agent and a team `writer`",
                "a team has 1 to 32 members, and this has 0",
                "`share_interactions` has no effect for the team `once`: `route`",
                "there is no team `desc`",
                "`critic` is an agent",
                "`desk` is a team",
            ][..],
        ),
        (CIRCLE, &["is a member of itself: `desk` → `house` → `desk`"]),
    ] {
        let mistakes = Definition::parse(text, "test.yaml", &Options::default()).unwrap_err();
        let report = mistakes.to_string();
        for wanted in wanted {
            assert!(report.contains(wanted), "{wanted}:\n{report}");
        }
    }
}

const MISTAKES: &str = "format: 1
name: Teams
model: offline
agents:
  writer: {}
  critic: {}
teams:
  desk: {members: [writer, writer, critc]}
  writer: {members: [critic]}
  once: {mode: route, members: [critic], share_interactions: true}
  empty: {members: []}
steps:
  - {name: a, team: desc}
  - {name: b, team: critic}
  - {name: c, agent: desk}
  - {name: d, team: once}
";

const CIRCLE: &str = "format: 1
name: Circle
model: offline
agents:
  writer: {}
teams:
  desk: {members: [writer, house]}
  house: {members: [desk]}
steps: [{team: house}]
";

#[tokio::test]
async fn an_agent_of_a_file_speaks_for_its_steps() {
    let speaker = ScriptedModel::new([
        Reply::call("run_workflow", json!({"topic": "bridges", "words": 300})),
        Reply::text("It has 300 words."),
    ]);
    register("front-speaker", &speaker);
    let text = "
input:
  type: object
  properties: {topic: {type: string}, words: {type: integer}}
  required: [topic]
session_state: {visits: 0}
agents: {host: {model: 'front-speaker:m', instructions: Be polite.}}
workflow_agent: host
steps: [{name: outline, template: '{{ input.words }} words about {{ input.topic }}'}]
";
    let flow = file(text).store(Memory::default()).build().unwrap();
    let first = flow.run("Plan an article about bridges").session_id("s").await.unwrap();
    assert_eq!(first.content.text(), "300 words about bridges");
    assert!(first.step_at("agent").is_some());
    let second = flow.run("How long was it?").session_id("s").await.unwrap();
    assert_eq!(second.content.text(), "It has 300 words.");
    let asked = speaker.requests();
    let instructions = asked[0].instructions.as_ref().unwrap();
    assert!(instructions.starts_with("Be polite.\n\nYou speak for a workflow."), "{instructions}");
    assert_eq!(asked[0].tools[0].parameters["required"][0], "topic");
    let message = asked[1].messages.last().unwrap().text();
    assert!(message.contains("300 words about bridges"), "{message}");
}

#[test]
fn the_agent_that_speaks_for_a_workflow_is_one_of_the_file() {
    let parsed = |text: &str| {
        let text = format!("format: 1\nname: Test\nmodel: offline\n{text}");
        let parsed = Definition::parse(&text, "test.yaml", &Options::default());
        parsed.map(|definition| definition.warnings().iter().count()).map_err(|e| e.to_string())
    };
    let steps = "steps: [{name: a, template: x}]";
    assert_eq!(parsed(&format!("agents: {{host: {{}}}}\nworkflow_agent: host\n{steps}")), Ok(0));
    let wrong = parsed(&format!("agents: {{host: {{}}}}\nworkflow_agent: hose\n{steps}"));
    assert!(wrong.unwrap_err().contains("there is no agent `hose`"));
    let shaped = "agents: {host: {output: {type: object}}}\nworkflow_agent: {agent: host}";
    let wrong = parsed(&format!("{shaped}\n{steps}")).unwrap_err();
    assert!(wrong.contains("`host` has an `output`"), "{wrong}");
}
