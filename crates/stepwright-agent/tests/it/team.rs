//! Teams in each mode, and agents in front of workflows.

use crate::host::Host;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use stepwright_agent::{Agent, Member, Team, TeamBuilder, TeamMode, WorkflowAgent};
use stepwright_core::executor::ExecutorType;
use stepwright_core::message::Message;
use stepwright_core::model::{StopReason, ToolChoice};
use stepwright_core::{EventKind, Memory};
use stepwright_engine::Workflow;
use stepwright_testing::model::{Reply, ScriptedModel};

fn member(name: &str, model: &ScriptedModel) -> Agent {
    Agent::builder(name).model(model.clone()).unwrap().build().unwrap()
}

fn desk(leader: &ScriptedModel, mode: TeamMode, members: [&ScriptedModel; 2]) -> TeamBuilder {
    let [scout, critic] = members;
    Team::builder("Desk")
        .model(leader.clone())
        .unwrap()
        .mode(mode)
        .member(member("Scout", scout), "Finds sources.")
        .member(member("Critic", critic), "Finds mistakes.")
}

fn task(member: &str, task: &str) -> Reply {
    Reply::call(member, json!({ "task": task }))
}

fn calls<const N: usize>(all: [(&str, serde_json::Value); N]) -> Reply {
    let mut all = all.into_iter();
    let (name, arguments) = all.next().unwrap();
    let first = Reply::call(name, arguments);
    all.fold(first, |reply, (name, arguments)| reply.and_call(name, arguments))
}

fn last(request: &stepwright_core::model::ModelRequest) -> String {
    request.messages.last().unwrap().text()
}

#[tokio::test]
async fn a_coordinating_leader_gives_tasks_several_times_and_writes_the_answer() {
    let leader = ScriptedModel::new([
        task("scout", "Find three."),
        calls([("scout", json!({"task": "Find more."})), ("critic", json!({"task": "Check it."}))]),
        Reply::text("The report."),
    ]);
    let scout = ScriptedModel::new(["a, b, c", "d"]);
    let critic = ScriptedModel::new(["All fine."]);
    let team = desk(&leader, TeamMode::Coordinate, [&scout, &critic]).build().unwrap();
    let host = Host::new();
    let output = host.run(team.leader(), "Bridges").await.unwrap();
    assert_eq!(output.content.text(), "The report.");
    assert_eq!(host.tool_answers(), ["scout: a, b, c", "scout: d", "critic: All fine."]);
    let begun: Vec<String> = host
        .journal()
        .iter()
        .filter(|(_, kind)| matches!(kind, EventKind::RunStarted { .. }))
        .map(|(path, _)| path.to_string())
        .collect();
    assert_eq!(begun, ["step", "step/scout#1", "step/scout#2", "step/critic#1"]);
    // A member sees its task alone.
    assert_eq!(scout.requests()[1].messages, [Message::user("Find more.")]);
    let asked = &leader.requests()[0];
    assert!(asked.instructions.as_ref().unwrap().contains("You lead a team"));
    assert_eq!(asked.tools[0].description, "A member of your team. Finds sources.");
}

#[tokio::test]
async fn a_routing_leader_hands_over_and_the_answer_of_the_member_is_shown_as_its_own() {
    let leader = ScriptedModel::new([task("critic", "Is it right?")]);
    let (scout, critic) = (ScriptedModel::new(["never"]), ScriptedModel::new(["It is."]));
    let team = desk(&leader, TeamMode::Route, [&scout, &critic]).build().unwrap();
    let host = Host::new();
    let output = host.run(team.leader(), "Right?").await.unwrap();
    assert_eq!(output.content.text(), "It is.");
    assert_eq!(leader.requests().len(), 1, "the leader is not asked again");
    assert!(scout.requests().is_empty());
    let shown = host.shown_at("step");
    assert_eq!(shown, "It is.", "the text of the member is the text of the team");
}

#[tokio::test]
async fn only_one_member_of_a_route_is_asked() {
    let leader = ScriptedModel::new([calls([
        ("scout", json!({"task": "A"})),
        ("critic", json!({"task": "B"})),
    ])]);
    let (scout, critic) = (ScriptedModel::new(["from scout"]), ScriptedModel::new(["never"]));
    let team = desk(&leader, TeamMode::Route, [&scout, &critic]).build().unwrap();
    let output = Host::new().run(team.leader(), "go").await.unwrap();
    assert_eq!(output.content.text(), "from scout");
    assert!(critic.requests().is_empty());
}

#[tokio::test]
async fn a_route_gives_its_output_to_members_without_one() {
    #[derive(Deserialize, JsonSchema, PartialEq, Debug)]
    struct Verdict {
        good: bool,
    }
    let leader = ScriptedModel::new([task("critic", "Is it right?")]);
    let (scout, critic) = (ScriptedModel::new(["never"]), ScriptedModel::new([r#"{"good":true}"#]));
    let team = desk(&leader, TeamMode::Route, [&scout, &critic]).output::<Verdict>();
    let output = Host::new().run(team.build().unwrap().leader(), "go").await.unwrap();
    assert_eq!(output.content.parse::<Verdict>().unwrap(), Verdict { good: true });
    assert!(critic.requests()[0].output_schema.is_some());
}

#[tokio::test]
async fn collaborating_members_all_answer_before_the_leader_is_asked() {
    let leader = ScriptedModel::new(["Both agree."]);
    let (scout, critic) = (ScriptedModel::new(["yes"]), ScriptedModel::new(["yes!"]));
    let team = desk(&leader, TeamMode::Collaborate, [&scout, &critic]).build().unwrap();
    let host = Host::new();
    let output = host.run(team.leader(), "Is it?").await.unwrap();
    assert_eq!(output.content.text(), "Both agree.");
    for model in [&scout, &critic] {
        assert_eq!(model.requests()[0].messages, [Message::user("Is it?")]);
    }
    let asked = &leader.requests()[0];
    let Message::Tool { results } = asked.messages.last().unwrap() else { panic!("no results") };
    assert_eq!(results.iter().map(|it| &*it.text).collect::<Vec<_>>(), ["yes", "yes!"]);
    assert_eq!(asked.tool_choice, ToolChoice::None, "no member can be asked again");
}

#[tokio::test]
async fn tasks_wait_for_those_they_need_and_hand_their_results_on() {
    let of = |member: &str, id: &str| Reply::call(member, json!({ "task_id": id }));
    let leader = ScriptedModel::new([
        calls([
            ("create_task", json!({"title": "Search", "assignee": "scout"})),
            (
                "create_task",
                json!({"title": "Check", "description": "All of it.", "depends_on": ["1"]}),
            ),
        ]),
        calls([("scout", json!({"task_id": "1"})), ("critic", json!({"task_id": 2}))]),
        Reply::text("Enough."),
        of("critic", "2"),
        of("critic", "2"),
        Reply::call("list_tasks", json!({})),
        Reply::text("Done."),
    ]);
    let (scout, critic) = (ScriptedModel::new(["a, b"]), ScriptedModel::new(["fine"]));
    let team = desk(&leader, TeamMode::Tasks, [&scout, &critic]).build().unwrap();
    let host = Host::new();
    let output = host.run(team.leader(), "Bridges").await.unwrap();
    assert_eq!(output.content.text(), "Done.");
    let list = "1. Search (completed, scout)\n   result: a, b\n\
                2. Check (completed, critic)\n   needs: 1\n   result: fine\n";
    assert_eq!(
        host.tool_answers(),
        [
            "create_task: task 1 was created: Search".to_owned(),
            "create_task: task 2 was created: Check".into(),
            "!critic: not called: task 2 needs task 1 first, which is in_progress".into(),
            "scout: a, b".into(),
            "critic: fine".into(),
            "!critic: not called: task 2 is completed already".into(),
            format!("list_tasks: {list}"),
        ]
    );
    let asked = critic.requests()[0].messages[0].text();
    assert_eq!(asked, "Check\n\nAll of it.\n\nResult of \"Search\":\na, b");
    let reminded = last(&leader.requests()[3]);
    assert!(reminded.starts_with("These tasks are not done yet: 2."), "{reminded}");
}

#[tokio::test]
async fn the_leader_reads_the_failure_of_a_member_and_asks_another_one() {
    let leader = ScriptedModel::new([
        task("scout", "Find."),
        task("critic", "Find."),
        Reply::text("The critic found it."),
    ]);
    let scout = ScriptedModel::new([Reply::text("no").with_stop(StopReason::Refused)]);
    let critic = ScriptedModel::new(["here"]);
    let team = desk(&leader, TeamMode::Coordinate, [&scout, &critic]).build().unwrap();
    let host = Host::new();
    let output = host.run(team.leader(), "go").await.unwrap();
    assert_eq!(output.content.text(), "The critic found it.");
    let answers = host.tool_answers();
    assert!(answers[0].starts_with("!scout: the member failed: "), "{answers:?}");
}

#[tokio::test]
async fn rounds_end_and_the_leader_answers_with_what_it_has() {
    let leader = ScriptedModel::new([
        task("scout", "One."),
        task("scout", "Two."),
        task("scout", "Three."),
        Reply::text("Enough."),
    ]);
    let (scout, critic) = (ScriptedModel::new(["1", "2"]), ScriptedModel::new(["never"]));
    let team = desk(&leader, TeamMode::Coordinate, [&scout, &critic]).max_rounds(2);
    let host = Host::new();
    let output = host.run(team.build().unwrap().leader(), "go").await.unwrap();
    assert_eq!(output.content.text(), "Enough.");
    assert_eq!(scout.requests().len(), 2);
    assert_eq!(leader.requests()[1].tool_choice, ToolChoice::Auto);
    assert_eq!(leader.requests()[2].tool_choice, ToolChoice::None);
    let no = "!scout: not called: the team has used its 2 rounds; answer with what you have";
    assert_eq!(host.tool_answers()[2], no);
}

#[tokio::test]
async fn members_read_what_others_answered_if_the_team_shares_it() {
    let leader = ScriptedModel::new([
        task("scout", "Find."),
        task("critic", "Check."),
        Reply::text("Done."),
    ]);
    let (scout, critic) = (ScriptedModel::new(["a"]), ScriptedModel::new(["ok"]));
    let team = desk(&leader, TeamMode::Coordinate, [&scout, &critic]).share_interactions(true);
    Host::new().run(team.build().unwrap().leader(), "go").await.unwrap();
    assert_eq!(
        last(&critic.requests()[0]),
        "<team_interactions>\n[scout]\nTask: Find.\nAnswer: a\n</team_interactions>\n\nCheck."
    );
}

#[tokio::test]
async fn members_read_the_history_and_the_message_itself_if_the_team_passes_them() {
    let leader = ScriptedModel::new(["One.", "Two."]);
    let scout = ScriptedModel::new(["s1", "s2"]);
    let critic = ScriptedModel::new(["c1", "c2"]);
    let team = desk(&leader, TeamMode::Collaborate, [&scout, &critic]).share_history(true);
    let flow = Workflow::builder("W").step(team.build().unwrap());
    let flow = flow.add_workflow_history_to_steps(true).store(Memory::default()).build().unwrap();
    flow.run("first").session_id("s").await.unwrap();
    flow.run("second").session_id("s").await.unwrap();
    let read = last(&scout.requests()[1]);
    assert!(read.starts_with("<workflow_history_context>"), "{read}");
    assert!(read.contains("User input: first") && read.ends_with("\nsecond"), "{read}");
    let passes = desk(
        &ScriptedModel::new([task("scout", "?"), Reply::text("x")]),
        TeamMode::Coordinate,
        [&ScriptedModel::new(["y"]), &critic],
    )
    .pass_input(true)
    .leader(|leader| leader.example("an example", "its answer"));
    let host = Host::new();
    host.run(passes.build().unwrap().leader(), "the message").await.unwrap();
    let begun = host.facts().into_iter().filter_map(|fact| match fact {
        EventKind::RunStarted { message, .. } => Some(message.text().into_owned()),
        _ => None,
    });
    assert_eq!(begun.collect::<Vec<_>>(), ["the message", "the message"]);
}

#[tokio::test]
async fn a_team_is_a_member_of_another_one() {
    let inner = ScriptedModel::new([task("scout", "Find."), Reply::text("found")]);
    let scout = ScriptedModel::new(["a"]);
    let critic = ScriptedModel::new(["never"]);
    let desk = desk(&inner, TeamMode::Coordinate, [&scout, &critic]).build().unwrap();
    let outer = ScriptedModel::new([task("desk", "Report."), Reply::text("The whole.")]);
    let house = Team::builder("House").model(outer).unwrap().member(&desk, "Reports.");
    let host = Host::new();
    let output = host.run(house.build().unwrap().leader(), "go").await.unwrap();
    assert_eq!(output.content.text(), "The whole.");
    let paths: Vec<String> = host.journal().iter().map(|(path, _)| path.to_string()).collect();
    assert!(paths.contains(&"step/desk#1/scout#1".to_owned()), "{paths:?}");
}

#[tokio::test]
async fn a_team_runs_alone_and_as_a_tool() {
    let leader = ScriptedModel::new([task("scout", "x"), Reply::text("alone")]);
    let (scout, critic) = (ScriptedModel::new(["a"]), ScriptedModel::new(["never"]));
    let team = desk(&leader, TeamMode::Coordinate, [&scout, &critic]).build().unwrap();
    let output = team.run("go").await.unwrap();
    assert_eq!(output.content.text(), "alone");
    assert_eq!(output.step_results[0].executor_type, Some(ExecutorType::Team));
    let leader = ScriptedModel::new([task("scout", "x"), Reply::text("inside")]);
    let scout = ScriptedModel::new(["a"]);
    let team = desk(&leader, TeamMode::Coordinate, [&scout, &critic]).build().unwrap();
    let chief =
        ScriptedModel::new([Reply::call("ask", json!({"message": "go"})), Reply::text("!")]);
    let chief = Agent::builder("Chief").model(chief).unwrap().tool(team.as_tool("ask", "Works."));
    let host = Host::new();
    host.run(&chief.build().unwrap(), "go").await.unwrap();
    assert_eq!(host.tool_answers(), ["scout: a", "ask: inside"]);
}

#[test]
fn the_mistakes_of_a_team_are_reported_at_once_with_what_to_do() {
    let scout = member("Scout", &ScriptedModel::new(["x"]));
    let team = |name: &str| Team::builder(name).model("offline").unwrap();
    let twice = team("Desk").member(&scout, "One.").member(&scout, "Two.").max_rounds(0);
    let error = twice.build().unwrap_err().to_string();
    assert!(error.starts_with("team `Desk` has 2 mistakes"), "{error}");
    assert!(error.contains("two members are called `scout`; name one with"), "{error}");
    assert!(error.contains("`max_rounds` is 0; set 1 to 100"), "{error}");
    let named = Member::from(&scout).named("second");
    assert!(team("Desk").member(&scout, "One.").member(named, "Two.").build().is_ok());
    let error = Team::builder("Desk").member(&scout, "One.").build().unwrap_err().to_string();
    assert!(error.starts_with("team `Desk`: it has no model"), "{error}");
    let board = Member::from(&scout).named("create_task");
    let error = team("Desk").mode(TeamMode::Tasks).member(board, "One.").build();
    assert!(error.unwrap_err().to_string().contains("the name of a tool of the mode `tasks`"));
    let mut deep = team("T").member(&scout, "One.").build().unwrap();
    for _ in 1..8 {
        deep = team("T").member(&deep, "One.").build().unwrap();
    }
    let error = team("T").member(&deep, "One.").build().unwrap_err().to_string();
    assert!(error.contains("teams in 8 levels"), "{error}");
}

#[tokio::test]
async fn a_team_that_was_cut_anywhere_goes_on_and_asks_no_model_again() {
    for mode in [TeamMode::Coordinate, TeamMode::Route, TeamMode::Collaborate, TeamMode::Tasks] {
        let replies = || match mode {
            TeamMode::Coordinate => vec![
                calls([("scout", json!({"task": "x"})), ("critic", json!({"task": "y"}))]),
                Reply::text("end"),
            ],
            TeamMode::Route => vec![task("critic", "y")],
            TeamMode::Collaborate => vec![Reply::text("end")],
            _ => vec![
                Reply::call("create_task", json!({"title": "t"})),
                Reply::call("scout", json!({"task_id": "1"})),
                Reply::text("end"),
            ],
        };
        let run = |replies: [Vec<Reply>; 3]| replies.map(ScriptedModel::new);
        let all = || [replies(), vec![Reply::text("a")], vec![Reply::text("b")]];
        let models = run(all());
        let host = Host::new();
        let team = desk(&models[0], mode, [&models[1], &models[2]]).build().unwrap();
        let whole = host.run(team.leader(), "go").await.unwrap();
        let journal = host.journal();
        for cut in 0..journal.len() {
            let past = journal[..cut].to_vec();
            let answered = |at: &str| {
                let is_answer = |kind: &EventKind| kind.name() == "ModelRequestCompleted";
                past.iter().filter(|(path, kind)| is_answer(kind) && path.as_str() == at).count()
            };
            let mut left = all();
            for (model, at) in left.iter_mut().zip(["step", "step/scout#1", "step/critic#1"]) {
                model.drain(..answered(at));
            }
            let models = run(left);
            let team = desk(&models[0], mode, [&models[1], &models[2]]).build().unwrap();
            let again = Host::after(past).run(team.leader(), "go").await.unwrap();
            assert_eq!(again.content, whole.content, "{mode}, cut at {cut}");
        }
    }
}

async fn outline(topic: String) -> String {
    format!("1. {topic}")
}

#[tokio::test]
async fn an_agent_in_front_of_a_workflow_runs_it_or_answers_from_the_history() {
    let model = ScriptedModel::new([
        Reply::call("run_workflow", json!({"message": "bridges"})),
        Reply::text("It was about bridges."),
        calls([
            ("run_workflow", json!({"message": "tunnels"})),
            ("run_workflow", json!({"message": "ferries"})),
        ]),
    ]);
    let plan = Workflow::builder("Plan").description("Plans articles.").step(outline);
    let agent = WorkflowAgent::builder(&plan.build().unwrap()).model(model.clone()).unwrap();
    let agent = agent.instructions("Be short.").build().unwrap();
    let talk = agent.workflow().store(Memory::default()).build().unwrap();
    let first = talk.run("Plan bridges, please").session_id("s").await.unwrap();
    assert_eq!(first.content.text(), "1. bridges");
    let second = talk.run("What was it about?").session_id("s").await.unwrap();
    assert_eq!(second.content.text(), "It was about bridges.");
    let third = talk.run("Now tunnels").session_id("s").await.unwrap();
    assert_eq!(third.content.text(), "1. tunnels");
    let requests = model.requests();
    assert_eq!(requests.len(), 3, "the output of the workflow is not sent to the model");
    let asked = &requests[1];
    assert!(last(asked).contains("Workflow output: 1. bridges"), "{}", last(asked));
    let instructions = asked.instructions.as_ref().unwrap();
    assert!(instructions.starts_with("Be short.") && instructions.ends_with("Plans articles."));
}
