//! Loops that run out, turns that know the one before, and timeouts, in files.

use crate::runs::{fails, gives};
use serde_json::{Value, json};
use stepwright_core::plan::{NodeKind, OnExhausted};
use stepwright_core::{Content, ErrorCode, RunStatus};
use stepwright_file::{Definition, Options};

fn parsed(text: &str) -> stepwright_engine::Workflow {
    let options = Options { allow_shell: true, ..Options::default() };
    let definition = Definition::parse(text, "test.yaml", &options);
    definition.unwrap_or_else(|mistakes| panic!("{mistakes}")).build().unwrap()
}

#[tokio::test]
async fn a_loop_that_ran_out_fails_unless_the_file_says_continue() {
    let steps = |on_exhausted: &str| {
        format!(
            r#"
  - name: review
    loop: {{at_most: 2, until: "= content == 'good'"{on_exhausted}}}
    do: [{{name: write, template: bad}}]
  - name: publish
    template: >-
      {{{{ previous }}}} {{{{ loops.review.exhausted }}}}
      {{{{ loops.review.iterations }}}}
  - name: said
    value:
      - "= steps.publish"
      - "= string(loops.review.exhausted)"
      - "= string(loops.review.iterations)"
"#
        )
    };
    for policy in ["", ", on_exhausted: fail"] {
        let error = fails(&steps(policy), json!("x")).await;
        assert_eq!(
            error.to_string(),
            "step `review` failed: loop `review` made its 2 turns without meeting `until`"
        );
        let hint = error.hint().unwrap();
        assert!(hint.contains("`at_most`") && hint.contains("`on_exhausted`"), "{hint}");
        let output = error.into_output().unwrap();
        assert_eq!(output.status, RunStatus::Error);
        assert_eq!(output.error.unwrap().error.code, ErrorCode::Exhausted);
    }
    let expected = json!(["bad True 2", "true", "2"]);
    gives(&steps(", on_exhausted: continue"), json!("x"), expected).await;
}

#[tokio::test]
async fn a_loop_that_ran_out_is_passed_over_by_its_class() {
    let steps = r#"
  - name: review
    loop: {at_most: 1, until: "= false"}
    do: [{name: write, template: bad}]
    on_error: {exhausted: skip}
  - {name: publish, template: "{{ content }} {{ loops.review.exhausted }} {{ steps.review }}"}
"#;
    gives(steps, json!("x"), json!("x True ")).await;
}

#[tokio::test]
async fn a_loop_that_was_not_reached_made_no_turn() {
    let steps = r#"
  - name: maybe
    if: = input == 'yes'
    then:
      - name: review
        loop: {at_most: 3, until: "= true"}
        do: [{name: write, template: bad}]
  - {name: said, value: "= loops.review"}
"#;
    gives(steps, json!("no"), json!({"iterations": 0, "exhausted": false})).await;
    gives(steps, json!("yes"), json!({"iterations": 1, "exhausted": false})).await;
}

#[tokio::test]
async fn a_turn_sees_what_the_one_before_gave() {
    let steps = r#"
  - name: revise
    loop: {at_most: 3, until: "= steps.review.accept"}
    do:
      - name: write
        template: >-
          {{ input }}{% if last.review %} was {{ last.write }},
          is {{ last.review.notes }}{% endif %}
      - {name: review, value: {accept: "= iteration == 2", notes: "= 'note ' + string(iteration)"}}
  - {name: all, template: "{{ steps.write }} {{ loops.revise.iterations }}"}
"#;
    gives(steps, json!("ants"), json!("ants was ants, is note 1 2")).await;
    // Also from within what is inside of the turn.
    let deep = r#"
  - name: revise
    loop: {at_most: 2}
    do:
      - name: both
        parallel:
        branches:
          - {name: a, value: "= [string(iteration), last.b]"}
          - {name: b, value: "= string(iteration)"}
"#;
    gives(deep, json!(""), json!({"a": ["2", "1"], "b": "2"})).await;
}

#[tokio::test]
async fn a_skipped_item_of_a_map_is_null() {
    let steps = r#"
  - name: each
    map: {over: "= ['doc-a', 'doc-b', 'doc-c']"}
    do:
      - name: sum
        value: "= item == 'doc-b' ? 1/(size(item) * 0) : 'summary of ' + item"
        on_error: skip
"#;
    gives(steps, json!(""), json!(["summary of doc-a", null, "summary of doc-c"])).await;
}

#[tokio::test]
async fn a_condition_is_not_asked_about_what_the_turn_was_given() {
    let steps = r#"
  - name: again
    loop: {at_most: 2, until: "= content == 'good'", on_exhausted: continue}
    do: [{name: broken, value: "= 1/(size(input) * 0)", on_error: skip}]
  - {name: said, value: "= loops.again"}
"#;
    gives(steps, json!("good"), json!({"iterations": 2, "exhausted": true})).await;
}

#[test]
fn what_a_file_says_about_loops_and_timeouts_is_in_the_plan() {
    let workflow = parsed(
        r#"
format: 1
name: Test
history: {runs: 5, completed_only: true}
timeout: {total: 1h}
steps:
  - name: l
    loop: {at_most: 2, until: "= true", on_exhausted: continue}
    timeout: {total: 10m}
    do:
      - {name: a, template: x, timeout: {total: 10m, idle: 60s}}
      - {name: b, template: x, timeout: {idle: 5s}, history: {completed_only: false}}
      - {name: c, template: x, timeout: 7s, history: 2}
"#,
    );
    let plan = workflow.plan();
    assert_eq!(plan.body[0].timeout_ms, Some(600_000));
    let NodeKind::Loop { body, on_exhausted, .. } = &plan.body[0].kind else { panic!("a loop") };
    assert_eq!(*on_exhausted, Some(OnExhausted::Continue));
    let limits: Vec<_> = body
        .iter()
        .map(|node| match node.kind {
            NodeKind::Step {
                timeout_ms, idle_ms, history_runs, history_completed_only, ..
            } => (timeout_ms, idle_ms, history_runs, history_completed_only),
            _ => panic!("a step"),
        })
        .collect();
    assert_eq!(
        limits,
        [
            (Some(600_000), Some(60_000), 5, true),
            (None, Some(5_000), 3, false),
            (Some(7_000), None, 2, true)
        ]
    );
}

/// The failure of a run of this command, which may be idle for half a second.
#[cfg(unix)]
async fn command(line: &str) -> Result<Content, stepwright_core::Error> {
    let text = format!(
        "format: 1\nname: Test\nsteps:\n  - {{name: s, shell: {{command: \"{line}\"}}, \
         timeout: {{idle: 500ms}}}}\n"
    );
    parsed(&text).run("x").await.map(|output| output.content)
}

#[cfg(unix)]
#[tokio::test]
async fn a_command_that_writes_nothing_for_too_long_is_stopped() {
    let error = command("sleep 60").await.unwrap_err();
    assert!(error.to_string().contains("it was idle for 500ms"), "{error}");
}

#[tokio::test]
async fn an_empty_prompt_is_not_replaced_by_the_input_of_the_run() {
    let text = "format: 1\nname: Test\nmodel: offline\nagents: {a: {}}\nsteps:\n  \
                - {name: s, agent: a, prompt: \"{{ input.more }}\"}\n";
    let input = Content::from(json!({"more": "", "secret": "all of the rest"}));
    let error = parsed(text).run(input).await.unwrap_err();
    assert_eq!(error.to_string(), "step `s` failed: its prompt is empty");
}

#[tokio::test]
async fn a_prompt_made_of_the_turn_before_is_what_the_agent_was_told() {
    let text = r#"
format: 1
name: Test
model: offline
agents: {writer: {}}
steps:
  - name: revise
    loop: {at_most: 2}
    do:
      - name: write
        agent: writer
        prompt: "{{ input }}{% if last.check %} Not: {{ last.check }}.{% endif %}"
      - {name: check, template: "too short in {{ iteration }}"}
"#;
    let output = parsed(text).run("Ants are small.").await.unwrap();
    let told: Vec<Value> =
        output.step_executor_runs.iter().map(|run| run.message.to_value()).collect();
    assert_eq!(told, [json!("Ants are small."), json!("Ants are small. Not: too short in 1.")]);
}
