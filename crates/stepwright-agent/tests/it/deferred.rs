//! Agents with many tools, of which the model loads those that it needs.

use crate::host::{Host, on};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use stepwright_agent::{
    Agent, AgentBuilder, FunctionTool, SEARCH_TOOLS, TOOLS_DEFERRED_ABOVE, TOOLS_LOADED_MAX,
    ToolOptions,
};
use stepwright_core::EventKind;
use stepwright_core::model::{ModelRequest, ToolChoice};
use stepwright_testing::model::{Reply, ScriptedModel};

#[derive(Deserialize, JsonSchema)]
struct Nothing {}

fn tool(name: String, about: &str) -> FunctionTool {
    let answer = format!("{name} was called");
    FunctionTool::new(name, about, move |_: Nothing| {
        let answer = answer.clone();
        async move { answer }
    })
    .read_only()
}

/// 200 tools, one of which is about invoices.
fn many() -> Vec<FunctionTool> {
    let about = |nth: u32| match nth {
        77 => "Sends an invoice to a customer.\nIt has more lines.".to_owned(),
        nth => format!("Is the tool with the number {nth}."),
    };
    (1..=200).map(|nth| tool(format!("tool_{nth}"), &about(nth))).collect()
}

fn names(request: &ModelRequest) -> Vec<String> {
    request.tools.iter().map(|tool| tool.name.clone()).collect()
}

fn search(arguments: Value) -> Reply {
    Reply::call(SEARCH_TOOLS, arguments)
}

fn clerk(model: &ScriptedModel) -> Agent {
    on(model).tools(many()).build().unwrap()
}

fn script() -> ScriptedModel {
    ScriptedModel::new([
        search(json!({"query": "invoice"})),
        Reply::call("tool_77", json!({})),
        search(json!({"names": ["tool_5", "tool_6", "no_such"]})),
        Reply::call("tool_5", json!({})),
        Reply::text("done"),
    ])
}

#[tokio::test]
async fn of_200_tools_the_model_knows_names_and_loads_what_it_needs() {
    let model = script();
    let host = Host::new();
    host.run(&clerk(&model), "bill them").await.unwrap();
    let requests = model.requests();
    assert_eq!(names(&requests[0]), [SEARCH_TOOLS]);
    let listed = &requests[0].tools[0].description;
    assert!(
        listed.contains("\n- tool_77: Sends an invoice to a customer.\n- tool_78: "),
        "{listed}"
    );
    assert!(!listed.contains("more lines"), "one line of each");
    assert!(listed.len() < 16_000, "{}", listed.len());
    assert_eq!(names(&requests[1]), [SEARCH_TOOLS, "tool_77"]);
    assert_eq!(names(&requests[3]), [SEARCH_TOOLS, "tool_77", "tool_5", "tool_6"]);
    assert_eq!(names(&requests[4]), names(&requests[3]));
    let answers = host.tool_answers();
    assert_eq!(answers[1], "tool_77: tool_77 was called");
    assert!(answers[0].contains(r#""loaded":["tool_77"]"#), "{}", answers[0]);
    assert!(answers[2].contains(r#""unknown":["no_such"]"#), "{}", answers[2]);
}

#[tokio::test]
async fn a_run_that_was_cut_anywhere_sends_the_model_the_same_tools() {
    let (model, host) = (script(), Host::new());
    host.run(&clerk(&model), "bill them").await.unwrap();
    let whole: Vec<Vec<String>> = model.requests().iter().map(names).collect();
    let journal = host.journal();
    for cut in 0..journal.len() {
        let past = journal[..cut].to_vec();
        let answered = |fact: &&(_, EventKind)| fact.1.name() == "ModelRequestCompleted";
        let done = past.iter().filter(answered).count();
        let model = ScriptedModel::new(script_from(done));
        let host = Host::after(past);
        host.run(&clerk(&model), "bill them").await.unwrap();
        let sent: Vec<Vec<String>> = model.requests().iter().map(names).collect();
        assert_eq!(sent, whole[done..], "cut at {cut}");
    }
}

fn script_from(done: usize) -> Vec<Reply> {
    let all = [
        search(json!({"query": "invoice"})),
        Reply::call("tool_77", json!({})),
        search(json!({"names": ["tool_5", "tool_6", "no_such"]})),
        Reply::call("tool_5", json!({})),
        Reply::text("done"),
    ];
    all.into_iter().skip(done).collect()
}

async fn offered(agent: AgentBuilder, model: &ScriptedModel) -> Vec<String> {
    Host::new().run(&agent.build().unwrap(), "go").await.unwrap();
    names(&model.requests()[0])
}

#[tokio::test]
async fn tools_are_deferred_one_by_one_or_above_a_number() {
    let some = |count: u32| (1..=count).map(|nth| tool(format!("t{nth}"), "Is a tool."));
    let most = u32::try_from(TOOLS_DEFERRED_ABOVE).unwrap();
    let model = || ScriptedModel::new(["done"]);
    let (few, one_more, set, two) = (model(), model(), model(), model());
    assert_eq!(offered(on(&few).tools(some(most)), &few).await.len(), TOOLS_DEFERRED_ABOVE);
    let above = on(&one_more)
        .tools(some(most))
        .tool_with(tool("always".into(), "Is always there."), ToolOptions::new().defer(false));
    assert_eq!(offered(above, &one_more).await, ["always", SEARCH_TOOLS]);
    let above = on(&set).tools(some(3)).defer_tools_above(2);
    let above = above.tool_choice(ToolChoice::One("t2".into()));
    assert_eq!(offered(above, &set).await, ["t2", SEARCH_TOOLS], "it must call it at once");
    let one = tool("rare".into(), "Is rare.");
    let one = on(&two).tools(some(2)).tool_with(one, ToolOptions::new().defer(true));
    assert_eq!(offered(one, &two).await, ["t1", "t2", SEARCH_TOOLS]);
}

#[tokio::test]
async fn a_tool_that_is_called_by_its_name_without_a_search_is_loaded_too() {
    let model = ScriptedModel::new([Reply::call("tool_9", json!({})), Reply::text("done")]);
    let host = Host::new();
    host.run(&clerk(&model), "go").await.unwrap();
    assert_eq!(host.tool_answers(), ["tool_9: tool_9 was called"]);
    assert_eq!(names(&model.requests()[1]), [SEARCH_TOOLS, "tool_9"]);
}

#[tokio::test]
async fn a_search_loads_a_few_and_says_what_is_wrong() {
    let model = ScriptedModel::new([
        search(json!({"query": "number"})),
        search(json!({})),
        search(json!({"query": "zebra"})),
        search(json!({"names": ["zebra"]})),
        search(json!({"names": "tool_1"})),
        Reply::call("zebra", json!({})),
        Reply::text("done"),
    ]);
    let host = Host::new();
    host.run(&clerk(&model), "go").await.unwrap();
    let requests = model.requests();
    assert_eq!(requests[1].tools.len(), 1 + TOOLS_LOADED_MAX);
    let answers = host.tool_answers();
    assert!(answers[0].contains("189 more match"), "{}", answers[0]);
    for (answer, told) in answers[1..].iter().zip([
        "say which tools to load",
        "no tool has the words of `zebra`",
        "there is no such tool: zebra",
        "`names` must be a list",
        "there is no tool `zebra`; the tools are `search_tools`",
    ]) {
        assert!(answer.starts_with('!') && answer.contains(told), "{answer}");
    }
}

#[test]
fn a_tool_cannot_have_the_name_of_the_search() {
    let taken = tool(SEARCH_TOOLS.into(), "Searches.");
    let model = ScriptedModel::new(["done"]);
    let agent = on(&model).tool(taken.clone()).build();
    assert!(agent.is_ok(), "nothing is deferred");
    let options = ToolOptions::new().defer(true);
    let rare = tool("rare".into(), "Is rare.");
    let error = on(&model).tool(taken).tool_with(rare, options).build().unwrap_err();
    assert!(error.to_string().contains("a tool is called `search_tools`"), "{error}");
}
