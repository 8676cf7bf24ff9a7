//! The behaviour of files when they run.

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use stepwright_agent::{Agent, FunctionTool};
use stepwright_core::model::{ModelError, ModelErrorKind, StopReason};
use stepwright_core::output::Turn;
use stepwright_core::{Answer, Content, Error, ErrorKind, RunOutput, StepContext, StepStatus};
use stepwright_engine::{Step, Workflow};
use stepwright_file::{Definition, Options};
use stepwright_testing::model::{Reply, ScriptedModel};

pub(crate) fn workflow(steps: &str) -> Workflow {
    let text = format!("format: 1\nname: Test\nsteps:\n{steps}");
    let options = Options { allow_shell: true, ..Options::default() };
    Definition::parse(&text, "test.yaml", &options).unwrap().build().unwrap()
}

/// Runs a workflow of these steps on this input, and asserts what it gives.
pub(crate) async fn gives(steps: &str, input: Value, expected: Value) {
    let output = workflow(steps).run(Content::from(input)).await.unwrap();
    assert_eq!(output.content.to_value(), expected, "{steps}");
}

/// Runs a workflow of these steps on this input, which fails.
pub(crate) async fn fails(steps: &str, input: Value) -> Error {
    workflow(steps).run(Content::from(input)).await.unwrap_err()
}

#[tokio::test]
async fn texts_and_values_flow_from_step_to_step() {
    let steps = r#"
  - {name: words, value: "= input.split(' ')"}
  - {name: count, value: {n: "= size(previous)", of: "= input", fixed: [1, x]}}
  - name: say
    template: "{{ previous.n }} words in {{ steps.count.of }}: {{ steps.words | join('-') }}"
"#;
    gives(steps, json!("a b c"), json!("3 words in a b c: a-b-c")).await;
}

#[tokio::test]
async fn a_map_works_on_each_item() {
    let steps = r#"
  - name: each
    map: {over: "= input.list", concurrency: 2}
    do:
      - {name: double, value: "= item * 2 + index"}
      - {name: say, template: "{{ index }}:{{ previous }}:{{ steps.double }}"}
"#;
    gives(steps, json!({"list": [10, 20]}), json!(["1:21:21", "2:42:42"])).await;
    let error = fails(steps, json!({"list": 3})).await;
    assert_eq!(
        error.to_string(),
        "step `each` failed: the expression `input.list` gives a number, not a list"
    );
}

#[tokio::test]
async fn a_map_without_over_works_on_what_came_before() {
    let steps = r#"
  - {name: list, value: "= ['a', 'b']"}
  - {name: each, map: {}, do: [{name: up, template: "{{ item | upper }}"}]}
"#;
    gives(steps, json!(null), json!(["A", "B"])).await;
}

#[tokio::test]
async fn a_loop_ends_when_its_condition_holds() {
    let steps = |until: &str| {
        format!(
            "  - name: grow\n    loop: {{at_most: 5, until: \"= {until}\", forward: true}}\n    \
             do: [{{name: add, template: \"{{{{ content }}}}{{{{ iteration }}}}\"}}]\n"
        )
    };
    gives(&steps("size(content) >= 3"), json!("x"), json!("x12")).await;
    gives(&steps("steps.add == 'x1234' || iteration == 4"), json!("x"), json!("x1234")).await;
}

#[tokio::test]
async fn a_decision_that_fails_fails_the_step_and_never_means_no() {
    let error = fails(
        "  - {name: choose, if: \"= input.kind > 2\", then: [{name: a, template: a}]}\n",
        json!({"kind": "x"}),
    )
    .await;
    assert_eq!(
        error.to_string(),
        "step `choose` failed: the expression `input.kind > 2` uses `>` on a text and a number"
    );
    let error = fails(
        "  - {name: choose, if: \"= input\", then: [{name: a, template: a}]}\n",
        json!("yes"),
    )
    .await;
    assert!(error.to_string().ends_with("gives a text, not true or false"), "{error}");
}

#[tokio::test]
async fn conditions_and_routers_choose() {
    let steps = r#"
  - name: long
    if: "= size(input) > 3"
    then: [{name: cut, value: "= input.substring(0, 3)"}]
    else: [{name: keep, template: "({{ input }})"}]
  - {name: say, template: "{{ previous }} {{ steps.cut }}"}
"#;
    gives(steps, json!("abcdef"), json!("abc abc")).await;
    gives(steps, json!("ab"), json!("(ab) ")).await;
    let steps = r##"
  - name: channel
    router: "= input.kind"
    choices:
      - {name: blog, template: "# {{ input.text }}"}
      - {name: tweet, template: "{{ input.text }}!"}
"##;
    gives(steps, json!({"kind": "blog", "text": "x"}), json!("# x")).await;
    gives(steps, json!({"kind": ["blog", "tweet"], "text": "x"}), json!("x!")).await;
    let error = fails(steps, json!({"kind": "letter", "text": "x"})).await;
    assert!(error.to_string().contains("`letter`"), "{error}");
    gives(&steps.replace("\"= input.kind\"", "tweet"), json!({"text": "x"}), json!("x!")).await;
}

#[tokio::test]
async fn parallel_branches_join_in_order() {
    let steps = r#"
  - name: facts
    parallel: {join: best_effort}
    branches:
      - {name: web, template: "web {{ input }}"}
      - {name: broken, value: "= input.none"}
  - {name: say, template: "{{ steps.web }}, {{ steps.facts.broken }}, {{ steps.broken }}."}
"#;
    gives(steps, json!("x"), json!("web x, , .")).await;
}

#[tokio::test]
async fn state_is_set_and_read_and_the_content_flows_on() {
    let steps = r#"
  - {name: note, set_state: {last: "= input", list: [1]}}
  - {name: say, template: "{{ previous }} {{ state.last }} {{ state.list[0] }}"}
"#;
    gives(steps, json!("x"), json!("x x 1")).await;
}

#[tokio::test]
async fn what_fails_is_retried_skipped_or_passed_over() {
    let steps =
        "  - {name: a, template: ok}\n  - {name: b, value: \"= input.none\", on_error: skip}\n";
    gives(steps, json!({}), json!("ok")).await;
    let steps = "  - {name: a, shell: \"echo oops >&2; exit 3\", retry: {max: 1, backoff: 1ms}}\n";
    let error = fails(steps, json!("x")).await;
    assert_eq!(
        error.to_string(),
        "step `a` failed after 2 attempts: the command failed (exit status: 3): oops"
    );
    // A container has its time, too.
    let slow = "  - {name: all, timeout: 20ms, steps: [{name: a, shell: sleep 5}]}\n";
    let error = fails(slow, json!("x")).await;
    assert_eq!(error.to_string(), "step `all` failed: it took longer than 20ms");
    // By the class of the failure.
    let other = steps.replace("backoff: 1ms", "backoff: 1ms, on: [model]");
    let error = fails(&other, json!("x")).await;
    assert_eq!(error.to_string(), "step `a` failed: the command failed (exit status: 3): oops");
    let policy = "on_error: {timed_out: fail, otherwise: skip}";
    let slow = format!("  - {{name: a, shell: sleep 5, timeout: 10ms, {policy}}}\n");
    assert!(fails(&slow, json!("x")).await.to_string().contains("took longer than 10ms"));
    gives(&format!("  - {{name: a, shell: exit 3, {policy}}}\n"), json!("x"), json!("x")).await;
}

#[tokio::test]
async fn commands_get_values_as_single_words() {
    gives(
        "  - {shell: \"printf '%s|' {{ input }}\"}\n",
        json!("a; echo 'b'"),
        json!("a; echo 'b'|"),
    )
    .await;
    gives("  - {shell: {command: wc -w, stdin: \"{{ input }}\"}}\n", json!("a b c"), json!("3"))
        .await;
    let slow = "  - {name: a, shell: {command: sleep 30, timeout: 50ms}}\n";
    assert!(fails(slow, json!("x")).await.to_string().ends_with("took longer than 50ms"));
    let long = "  - {name: a, shell: {command: echo abcdef, max_bytes: 3}}\n";
    assert!(fails(long, json!("x")).await.to_string().ends_with("wrote more than 3 bytes"));
}

#[tokio::test]
async fn agents_are_told_what_the_prompt_says() {
    let text = r#"
format: 1
name: Agents
agents: {writer: {model: offline, instructions: Summarise.}}
steps:
  - {agent: writer, prompt: "{{ input.topic }} is fast. It has no garbage collector."}
"#;
    let definition = Definition::parse(text, "agents.yaml", &Options::default()).unwrap();
    let workflow = definition.build().unwrap();
    let output = workflow.run(Content::from(json!({"topic": "Rust"}))).await.unwrap();
    assert!(output.content.text().contains("Rust is fast"), "{output}");
    assert_eq!(output.step_executor_runs[0].agent.as_ref(), "writer");
}

#[tokio::test]
async fn the_declared_input_is_checked() {
    let text = r#"
format: 1
name: Input
input: {type: object, required: [folder], properties: {folder: {type: string}}}
steps: [{name: a, template: "{{ input.folder }}"}]
"#;
    let definition = Definition::parse(text, "input.yaml", &Options::default()).unwrap();
    let workflow = definition.build().unwrap();
    let output = workflow.run(Content::from(json!({"folder": "docs"}))).await.unwrap();
    assert_eq!(output.content.text(), "docs");
    let error = workflow.run(Content::from(json!({"folder": 3}))).await.unwrap_err();
    assert!(error.to_string().contains("`folder` must be a text, and is a number"), "{error}");
}

#[tokio::test]
async fn workflows_are_steps_of_workflows() {
    let dir = tempfile::tempdir().unwrap();
    let inner = "format: 1\nname: Inner\nsteps: [{name: up, template: \"{{ input | upper }}\"}]\n";
    std::fs::write(dir.path().join("inner.yaml"), inner).unwrap();
    let outer = "format: 1\nname: Outer\nsteps:\n  - {name: hello, template: \"hello {{ input \
                 }}\"}\n  - {workflow: inner.yaml}\n  - {name: say, template: \"{{ steps.Inner \
                 }}!\"}\n";
    std::fs::write(dir.path().join("outer.yaml"), outer).unwrap();
    let definition = Definition::read(dir.path().join("outer.yaml"), &Options::default()).unwrap();
    let output = definition.build().unwrap().run("ada").await.unwrap();
    assert_eq!(output.content.text(), "HELLO ADA!");
}

/// A workflow of two agents whose model gives these answers.
fn of_agents(provider: &'static str, model: &ScriptedModel, second: &str) -> Workflow {
    let model = model.clone();
    stepwright_models::register(provider, move |_| Ok(model.clone()));
    let text = format!(
        "format: 1\nname: Agents\nmodel: {provider}\nagents: {{a: {{}}, b: {{}}}}\n\
         steps: [{{agent: a}}, {{agent: b, {second}}}]\n"
    );
    Definition::parse(&text, "agents.yaml", &Options::default()).unwrap().build().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_answer_the_same_streamed_and_not_one_after_the_other() {
    let model = ScriptedModel::new(["1", "2", "1", "2", "1", "2"].map(Reply::text));
    let workflow = of_agents("streams-and-not", &model, "prompt: \"{{ input }}: {{ previous }}\"");
    let mut stream = workflow.run("ants").stream();
    while stream.next().await.is_some() {}
    let streamed = stream.output().await.unwrap().content;
    let awaited = workflow.run("ants").await.unwrap().content;
    let blocking = workflow.run("ants");
    let blocking = std::thread::spawn(|| blocking.blocking()).join().unwrap().unwrap().content;
    assert_eq!((&streamed, &streamed), (&awaited, &blocking));
    // The second one is told what the run was given, too.
    let told = serde_json::to_string(&model.requests()[1].messages).unwrap();
    assert!(told.contains("ants: 1"), "{told}");
}

#[tokio::test]
async fn an_agent_that_fails_is_tried_again_and_then_its_run_has_failed() {
    let broken =
        || Reply::text("half").and_error(ModelError::new(ModelErrorKind::Overloaded, "full"));
    let model = ScriptedModel::new([Reply::text("1"), broken(), Reply::text("2")]);
    let workflow = of_agents("fails-once", &model, "retry: {max: 1, backoff: 1ms}");
    let output = workflow.run("x").await.unwrap();
    assert_eq!((output.step_at("b").unwrap().attempts, &*output.content.text()), (2, "2"));
    let model = ScriptedModel::new([Reply::text("1"), broken()]);
    let workflow = of_agents("fails-for-good", &model, "on_error: fail");
    let error = workflow.run("x").await.unwrap_err();
    assert_eq!(error.step().unwrap().as_str(), "b");
    assert!(error.output().unwrap().content.is_empty(), "{error}");
    // A skipped step is passed over, and the text of the error is no content.
    let model = ScriptedModel::new([Reply::text("1"), broken()]);
    let output = of_agents("is-skipped", &model, "on_error: skip").run("x").await.unwrap();
    assert_eq!(output.content.text(), "1");
    let skipped = output.step_at("b").unwrap();
    assert_eq!((skipped.status, skipped.content.is_empty()), (StepStatus::Skipped, true));
}

#[tokio::test]
async fn a_tool_of_an_agent_knows_the_user_also_inside_of_a_workflow() {
    let agent = || {
        let who = |_: BTreeMap<String, String>, cx: StepContext| async move {
            cx.run().user_id.as_ref().map(ToString::to_string).unwrap_or_default()
        };
        let model = ScriptedModel::new([Reply::call("who", json!({})), Reply::text("done")]);
        let builder = Agent::builder("asks").model(model).unwrap();
        let agent = builder.tool(FunctionTool::new("who", "Says who asks.", who)).build();
        Step::new("ask", agent.unwrap())
    };
    let inner = Workflow::builder("inner").step(agent()).build().unwrap();
    let workflow = Workflow::builder("outer").step(agent()).step(Step::workflow("in", inner));
    let output = workflow.build().unwrap().run("x").user_id("ada").await.unwrap();
    let answers = output.step_executor_runs.iter().flat_map(|run| &run.turns);
    let answers: Vec<&str> = answers
        .filter_map(|turn| match turn {
            Turn::Tool(outcome) => Some(&*outcome.text),
            Turn::Model(_) | Turn::Message(_) => None,
        })
        .collect();
    assert_eq!(answers, ["ada", "ada"]);
}

#[tokio::test]
async fn the_state_of_a_session_is_in_no_event_of_an_agent() {
    let model = ScriptedModel::new([Reply::text("1"), Reply::text("2")]);
    let workflow = of_agents("knows-nothing", &model, "on_error: fail");
    let state = json!({"token": "s3cret"}).as_object().unwrap().clone();
    let mut stream = workflow.run("x").session_state(state).stream_events(true).stream();
    let mut with_state = Vec::new();
    while let Some(event) = stream.next().await {
        if serde_json::to_string(&event).unwrap().contains("s3cret") {
            with_state.push(event.name());
        }
    }
    assert_eq!(with_state, ["WorkflowStarted"]);
}

/// The tokens of the step `b`, of its run, and of the only session.
async fn consumed(workflow: &Workflow, output: &RunOutput) -> [u64; 3] {
    let session = workflow.get_session_metrics("s").await.unwrap();
    let of_step = output.step_at("b").unwrap().usage;
    [of_step, output.metrics.usage, session.usage].map(|usage| usage.total_tokens())
}

/// An answer that consumes so many tokens and ends no turn: its agent goes on.
fn pause(tokens: u64) -> Reply {
    let stop = StopReason::Other("pause_turn".into());
    Reply::text("half").with_tokens(tokens, 0).with_stop(stop)
}

#[tokio::test]
async fn what_every_attempt_consumed_counts_once() {
    let broken = Reply::text("half").and_error(ModelError::new(ModelErrorKind::Overloaded, "full"));
    let last = Reply::text("2").with_tokens(7, 3);
    let model = ScriptedModel::new([Reply::text("1"), pause(100), broken, last]);
    let workflow = of_agents("fails-halfway", &model, "retry: {max: 1, backoff: 1ms}");
    let output = workflow.run("x").session_id("s").await.unwrap();
    assert_eq!(output.step_at("b").unwrap().attempts, 2);
    assert_eq!(consumed(&workflow, &output).await, [110; 3]);
}

#[tokio::test]
async fn what_an_output_consumed_that_was_rejected_counts_too() {
    let tokens = |n| Reply::text("2").with_tokens(n, 0);
    let model = ScriptedModel::new([Reply::text("1"), tokens(100), tokens(10)]);
    let review = "human_review: {requires_output_review: Good?}";
    let workflow = of_agents("is-rejected", &model, review);
    let paused = workflow.run("x").session_id("s").await.unwrap();
    assert_eq!(paused.step_at("b").unwrap().usage.total_tokens(), 100, "so far");
    let again = [("b", Answer::reject("no"))];
    let paused = workflow.continue_run(&paused.run_id, again).await.unwrap();
    let good = [("b", Answer::Approve)];
    let output = workflow.continue_run(&paused.run_id, good).await.unwrap();
    assert_eq!(consumed(&workflow, &output).await, [110; 3]);
}

#[tokio::test]
async fn what_a_step_consumed_before_it_was_cancelled_counts_too() {
    let hanging = Reply::text("then").and_hang();
    let model = ScriptedModel::new([Reply::text("1"), pause(100), hanging]);
    let workflow = of_agents("is-cancelled", &model, "on_error: fail");
    let mut stream = workflow.run("x").session_id("s").run_id("r").stream();
    while let Some(event) = stream.next().await {
        if event.content().is_some_and(|content| content.text() == "then") {
            assert!(workflow.cancel_now("r"));
        }
    }
    let error = stream.output().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(consumed(&workflow, error.output().unwrap()).await, [100; 3]);
}
