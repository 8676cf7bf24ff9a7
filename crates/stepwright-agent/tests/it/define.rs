//! Definitions of agents, and their mistakes.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;
use stepwright_agent::{Agent, FunctionTool, Toolkit};
use stepwright_core::executor::ExecutorType;
use stepwright_core::model::Model as _;
use stepwright_core::tool::AnyTool;
use stepwright_core::{Error, ErrorKind, Executor};
use stepwright_testing::model::ScriptedModel;

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema is looked at")]
struct Search {
    /// The words to look for.
    query: String,
    filter: Option<Filter>,
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema is looked at")]
struct Filter {
    /// From which year on.
    since: u32,
}

#[test]
fn the_comments_on_fields_reach_the_model() {
    let tool = FunctionTool::new("search", "Searches.", |_: Search| async { "nothing" });
    let agent = Agent::builder("a").model("offline").unwrap().tool(tool).build().unwrap();
    let parameters = &agent.tools()[0].parameters;
    assert_eq!(
        *parameters,
        json!({
            "type": "object",
            "properties": {
                "query": {"type": "string", "description": "The words to look for."},
                "filter": {
                    "type": ["object", "null"],
                    "properties": {
                        "since": {
                            "type": "integer",
                            "format": "uint32",
                            "minimum": 0,
                            "description": "From which year on.",
                        },
                    },
                    "required": ["since"],
                },
            },
            "required": ["query"],
        }),
    );
}

#[test]
fn a_model_is_named_or_given() {
    let text = String::from("offline");
    for builder in [
        Agent::builder("a").model("offline"),
        Agent::builder("a").model(&text),
        Agent::builder("a").model(text.clone()),
        Agent::builder("a").model(stepwright_models::Offline::new()),
        Agent::builder("a").model(stepwright_models::model("offline").unwrap()),
    ] {
        let agent = builder.unwrap().build().unwrap();
        assert_eq!(agent.model().id(), "offline:extract");
        assert_eq!(agent.executor_type(), ExecutorType::Agent);
        assert_eq!(Executor::name(&agent), "a");
    }
}

#[test]
fn a_model_that_nobody_knows_is_an_error_with_a_hint() {
    let error = Agent::builder("a").model("offlien").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Definition);
    assert_eq!(error.to_string(), "there is no model provider `offlien`");
    assert!(error.hint().unwrap().starts_with("did you mean `offline`?"));
}

#[test]
fn every_mistake_of_a_definition_is_told() {
    let list = FunctionTool::new("list", "Lists.", |_: Vec<String>| async {});
    let spaced = FunctionTool::new("look up", "Looks up.", |_: Search| async {});
    let error = Agent::builder("a/b")
        .tool(list.clone())
        .tools([list, spaced])
        .max_turns(5000)
        .tool_concurrency(0)
        .tool_timeout(Duration::ZERO)
        .idle_timeout(Duration::ZERO)
        .build()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Definition);
    assert_eq!(
        error.to_string(),
        "agent `a/b` has 10 mistakes:
  - a name cannot contain '/', which has a meaning in paths
  - it has no model; add one, such as `.model(\"offline\")?`
  - the arguments of tool `list` are not a JSON object; make them the fields of a struct
  - two tools are called `list`; rename one of them
  - the arguments of tool `list` are not a JSON object; make them the fields of a struct
  - tool `look up` needs a name of 1 to 64 letters, digits, `_` and `-`
  - `max_turns` is 5000; set 1 to 1000
  - `tool_concurrency` is 0; set 1 to 256
  - `tool_timeout` must be greater than zero
  - `idle_timeout` must be greater than zero",
    );
    let one = Agent::builder("").model(ScriptedModel::new(["hi"])).unwrap().build().unwrap_err();
    assert!(one.to_string().starts_with("agent ``: "), "{one}");
}

/// As many tools as it says, named after their number.
struct Numbered(usize);

impl Toolkit for Numbered {
    fn tools(self) -> Result<Vec<AnyTool>, Error> {
        if self.0 == 0 {
            return Err(
                Error::new(ErrorKind::Definition, "there are no tools").with_hint("add one")
            );
        }
        let tool = |n| FunctionTool::new(format!("t{n}"), "", |_: Search| async {});
        Ok((1..=self.0).map(|n| AnyTool::new(tool(n))).collect())
    }
}

#[test]
fn a_toolkit_is_several_tools() {
    let tool = FunctionTool::new("search", "Searches.", |_: Search| async {});
    let agent = Agent::builder("a").model("offline").unwrap().tool(tool).tool(Numbered(2));
    let agent = agent.build().unwrap();
    let names: Vec<&str> = agent.tools().iter().map(|tool| &*tool.name).collect();
    assert_eq!(names, ["search", "t1", "t2"]);
}

#[test]
fn a_mistake_in_a_toolkit_is_told_among_the_others() {
    let kits = [Numbered(0), Numbered(1), Numbered(1)];
    let error = Agent::builder("a").model("offline").unwrap().tools(kits).build().unwrap_err();
    assert_eq!(
        error.to_string(),
        "agent `a` has 2 mistakes:
  - there are no tools; add one
  - two tools are called `t1`; rename one of them",
    );
}

#[tokio::test]
async fn an_agent_that_must_call_a_tool_may_answer_when_it_has() {
    use stepwright_core::model::ToolChoice;
    use stepwright_core::{StepContext, StepInput};
    use stepwright_testing::model::Reply;
    let arguments = json!({"query": "x", "filter": null});
    let model = ScriptedModel::new([Reply::call("look", arguments), Reply::text("done")]);
    let look = FunctionTool::new("look", "Looks.", |_: Search| async { "seen" });
    let agent = Agent::builder("a").model(model.clone()).unwrap().tool(look);
    let agent = agent.tool_choice(ToolChoice::Required).build().unwrap();
    agent.execute(StepInput::of("x"), StepContext::detached("s")).await.unwrap();
    let choices: Vec<_> = model.requests().into_iter().map(|one| one.tool_choice).collect();
    assert_eq!(choices, [ToolChoice::Required, ToolChoice::Auto]);
    let error = Agent::builder("a").model("offline").unwrap().tool_choice(ToolChoice::Required);
    assert!(error.build().unwrap_err().to_string().contains("must call a tool but has none"));
}
