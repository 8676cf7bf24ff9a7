//! Files whose runs wait for people, and go on.

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use stepwright_core::output::Turn;
use stepwright_core::requirement::RequirementKind;
use stepwright_core::{Answer, Content, ErrorKind, Memory, RunOutput, RunStatus, StepStatus};
use stepwright_engine::Workflow;
use stepwright_file::{Definition, Options};
use stepwright_testing::model::{Reply, ScriptedModel};

fn asking(steps: &str) -> Workflow {
    whole(&format!("format: 1\nname: Test\nsteps:\n{steps}"))
}

fn whole(text: &str) -> Workflow {
    let definition = Definition::parse(text, "test.yaml", &Options::default()).unwrap();
    definition.builder().unwrap().store(Memory::default()).build().unwrap()
}

async fn paused(workflow: &Workflow, input: Value, ids: &[&str]) -> RunOutput {
    let output = workflow.run(Content::from(input)).await.unwrap();
    waits(&output, ids);
    output
}

fn waits(output: &RunOutput, ids: &[&str]) {
    assert_eq!(output.status, RunStatus::Paused);
    let open: Vec<&str> = output.requirements.iter().map(|asked| &*asked.id).collect();
    assert_eq!(open, ids);
}

async fn answered(
    workflow: &Workflow,
    paused: &RunOutput,
    id: &str,
    answer: Answer,
) -> Result<RunOutput, stepwright_core::Error> {
    workflow.continue_run(&paused.run_id, [(id, answer)]).await
}

/// Returns the output of a run that gets this answer alone.
async fn gives(workflow: &Workflow, id: &str, answer: Answer) -> Value {
    let paused = workflow.run("x").await.unwrap();
    answered(workflow, &paused, id, answer).await.unwrap().content.to_value()
}

/// Returns the result of a run that gets no answer.
async fn unanswered(steps: &str) -> Result<Value, String> {
    let workflow = asking(steps);
    let handle = workflow.run("x").background().await.unwrap();
    let output = handle.wait().await.map_err(|error| error.to_string());
    let events: Vec<_> = workflow.events(handle.run_id(), 0).await.unwrap().collect().await;
    let replies = events.iter().filter_map(|event| event.as_ref().unwrap().kind.reply());
    assert!(replies.count() > 0, "no person was asked: {steps}");
    Ok(output?.content.to_value())
}

#[tokio::test]
async fn a_step_is_confirmed_or_what_on_reject_says() {
    let steps = |more: &str| {
        format!(
            "  - {{name: a, template: a}}\n  - name: b\n    template: \"{{{{ previous }}}}b\"\n    \
             human_review: {{requires_confirmation: Shall it?{more}}}\n"
        )
    };
    let workflow = asking(&steps(""));
    let asked = paused(&workflow, json!("x"), &["b!confirm"]).await;
    assert_eq!(&*asked.requirements[0].message, "Shall it?");
    let done = answered(&workflow, &asked, "b", Answer::Approve).await.unwrap();
    assert_eq!(done.content.text(), "ab");

    let no = || Answer::reject("no");
    assert_eq!(gives(&workflow, "b", no()).await, json!("a"));
    assert_eq!(gives(&asking(&steps(", on_reject: skip")), "b", no()).await, json!("a"));
    let fails = asking(&steps(", on_reject: fail"));
    let asked = paused(&fails, json!("x"), &["b!confirm"]).await;
    let failed = answered(&fails, &asked, "b", no()).await.unwrap_err();
    assert_eq!(failed.to_string(), "step `b` failed: it was rejected: no");
    let cancels = asking(&steps(", on_reject: cancel"));
    let asked = paused(&cancels, json!("x"), &["b!confirm"]).await;
    let cancelled = answered(&cancels, &asked, "b", no()).await.unwrap_err();
    assert_eq!(cancelled.kind(), ErrorKind::Cancelled);

    let usual = asking(&steps("").replace("Shall it?", "true"));
    let asked = paused(&usual, json!("x"), &["b!confirm"]).await;
    assert_eq!(&*asked.requirements[0].message, "Go on?");
    let off = asking(&steps(", requires_output_review: true").replace("Shall it?", "false"));
    paused(&off, json!("x"), &["b!review"]).await;
}

#[tokio::test]
async fn every_container_can_be_confirmed() {
    let dir = tempfile::tempdir().unwrap();
    let inner = "format: 1\nname: Inner\nsteps: [{name: i, template: \"{{ input }}!\"}]\n";
    std::fs::write(dir.path().join("inner.yaml"), inner).unwrap();
    let review = "human_review: {requires_confirmation: true}";
    let body = "[{name: s, template: \"{{ content }}!\"}]";
    for kind in [
        format!("{{name: c, steps: {body}, {review}}}"),
        format!("{{name: c, parallel: {{}}, branches: {body}, {review}}}"),
        format!("{{name: c, loop: {{at_most: 1}}, do: {body}, {review}}}"),
        format!("{{name: c, if: false, then: {body}, {review}}}"),
        format!("{{name: c, router: s, choices: {body}, {review}}}"),
        format!("{{name: c, map: {{over: \"= [input]\"}}, do: {body}, {review}}}"),
        format!("{{name: c, workflow: inner.yaml, {review}}}"),
    ] {
        let text = format!("format: 1\nname: Test\nsteps: [{kind}]\n");
        let name = dir.path().join("test.yaml").display().to_string();
        let definition = Definition::parse(&text, &name, &Options::default()).unwrap();
        let workflow = definition.builder().unwrap().store(Memory::default()).build().unwrap();
        let asked = paused(&workflow, json!("x"), &["c!confirm"]).await;
        let done = answered(&workflow, &asked, "c", Answer::Approve).await.unwrap();
        assert!(done.content.pretty().contains("x!"), "{kind}: {done}");
    }
    let steps = "  - {name: c, if: true, then: [{name: y, template: yes}], else: [{name: n, \
                 template: not}], human_review: {requires_confirmation: true, on_reject: ";
    for (on_reject, given) in [("else", "not"), ("skip", "x")] {
        let workflow = asking(&format!("{steps}{on_reject}}}}}\n"));
        assert_eq!(gives(&workflow, "c", Answer::reject("")).await, json!(given));
    }
}

const FORM: &str = "
      requires_user_input:
        message: How shall it sound?
        schema:
          type: object
          required: [tone]
          properties: {tone: {enum: [plain, formal]}, words: {type: integer, maximum: 50}}
";

#[tokio::test]
async fn what_is_filled_in_is_there_for_templates_and_expressions() {
    let steps = format!(
        "  - name: part\n    steps:\n      - {{name: t, template: \"{{{{ user_input.tone \
         }}}}\"}}\n      - {{name: e, value: \"= [previous, string(user_input.words + 1)]\"}}\n    \
         human_review:{FORM}  - name: after\n    template: \"{{{{ steps.e | join(' ') }}}}\"\n"
    );
    let workflow = asking(&steps);
    let asked = paused(&workflow, json!("x"), &["part!input"]).await;
    assert_eq!(&*asked.requirements[0].message, "How shall it sound?");
    let RequirementKind::UserInput { schema } = &asked.requirements[0].kind else { panic!() };
    assert_eq!(schema["properties"]["tone"]["enum"], json!(["plain", "formal"]));
    let wrong = json!({"tone": "loud", "words": 7});
    let refused = answered(&workflow, &asked, "part", Answer::submit(wrong)).await.unwrap_err();
    assert!(refused.to_string().contains("`tone` must be one of"), "{refused}");
    let right = Answer::submit(json!({"tone": "plain", "words": 7}));
    let done = answered(&workflow, &asked, "part", right).await.unwrap();
    assert_eq!(done.content.text(), "plain 8");
}

/// Returns the text that the model of an agent with this prompt gets.
async fn told(provider: &'static str, prompt: &str) -> String {
    let model = ScriptedModel::new([Reply::text("done"), Reply::text("better")]);
    let seen = model.clone();
    stepwright_models::register(provider, move |_| Ok(seen.clone()));
    let text = format!(
        "format: 1\nname: Told\nmodel: {provider}\nagents: {{a: {{}}}}\nsteps:\n  - agent: a\n    \
         prompt: \"{prompt}\"\n    human_review:{FORM}      requires_output_review: Good?\n"
    );
    let workflow = whole(&text);
    let asked = paused(&workflow, json!("ants"), &["a!input"]).await;
    let filled = Answer::submit(json!({"tone": "formal"}));
    let first = answered(&workflow, &asked, "a", filled).await.unwrap();
    waits(&first, &["a!review"]);
    let second = answered(&workflow, &first, "a", Answer::reject("shorter")).await.unwrap();
    waits(&second, &["a!review:2"]);
    let done = answered(&workflow, &second, "a", Answer::Approve).await.unwrap();
    assert_eq!(done.content.text(), "better");
    let requests = model.requests();
    serde_json::to_string(&requests.last().unwrap().messages).unwrap()
}

#[tokio::test]
async fn agents_are_told_what_people_said_once() {
    let by_itself = told("told-by-itself", "About {{ input }}").await;
    for part in ["About ants", "tone: formal", "Your previous output:", "shorter"] {
        assert!(by_itself.contains(part), "{part}: {by_itself}");
    }
    let prompt = "About {{ input }}, {{ user_input.tone }}.{% if feedback %} Not {{ rejected }}: \
                  {{ feedback }}.{% endif %}";
    let by_prompt = told("told-by-prompt", prompt).await;
    assert!(by_prompt.contains("About ants, formal. Not done: shorter."), "{by_prompt}");
    for part in ["User preferences", "Your previous output"] {
        assert!(!by_prompt.contains(part), "{part}: {by_prompt}");
    }
}

#[tokio::test]
async fn a_person_chooses_where_a_router_goes() {
    let steps = |more: &str| {
        format!(
            "  - name: way\n    router:\n    choices: [{{name: a, template: \"{{{{ content \
             }}}}a\"}}, {{name: b, template: \"{{{{ content }}}}b\"}}]\n    human_review: \
             {{requires_route_selection: Where to?{more}}}\n"
        )
    };
    let one = asking(&steps(""));
    let asked = paused(&one, json!("x"), &["way!route"]).await;
    assert_eq!(&*asked.requirements[0].message, "Where to?");
    let both = Answer::select(["b", "a"]);
    let refused = answered(&one, &asked, "way", both.clone()).await.unwrap_err();
    assert_eq!(refused.to_string(), "`way!route` takes one choice, and not 2");
    assert_eq!(gives(&one, "way", Answer::select(["b"])).await, json!("xb"));
    let many = asking(&steps(", allow_multiple_selections: true"));
    assert_eq!(gives(&many, "way", both).await, json!("xba"));
    let late = ", timeout: 20ms, on_timeout: {default: ";
    assert_eq!(unanswered(&steps(&format!("{late}b}}"))).await.unwrap(), json!("xb"));
    let many = format!(", allow_multiple_selections: true{late}[b, a]}}");
    assert_eq!(unanswered(&steps(&many)).await.unwrap(), json!("xba"));
}

#[tokio::test]
async fn an_output_is_made_again_with_what_was_said_about_it() {
    let steps = |more: &str| {
        format!(
            "  - name: w\n    template: \"{{{{ content }}}}{{% if feedback %}} not {{{{ rejected \
             }}}}: {{{{ feedback }}}}{{% endif %}}\"\n    human_review: {{requires_output_review: \
             Good?{more}}}\n"
        )
    };
    let plain = |more: &str| {
        let review = format!("human_review: {{requires_output_review: true{more}}}");
        format!("  - {{name: w, template: \"{{{{ content }}}}\", {review}}}\n")
    };
    let workflow = asking(&steps(", max_retries: 1, on_reject: retry"));
    let first = paused(&workflow, json!("x"), &["w!review"]).await;
    assert_eq!(&*first.requirements[0].message, "Good?");
    let second = answered(&workflow, &first, "w", Answer::reject("dull")).await.unwrap();
    waits(&second, &["w!review:2"]);
    let done = answered(&workflow, &second, "w", Answer::Approve).await.unwrap();
    assert_eq!(done.content.text(), "x not x: dull");
    let first = paused(&workflow, json!("x"), &["w!review"]).await;
    let second = answered(&workflow, &first, "w", Answer::reject("a")).await.unwrap();
    let no = answered(&workflow, &second, "w", Answer::reject("b")).await;
    assert!(no.unwrap_err().to_string().ends_with("it was rejected: b"), "that was one retry");

    let skips = asking(&plain(", on_reject: skip"));
    let asked = paused(&skips, json!("x"), &["w!review"]).await;
    let skipped = answered(&skips, &asked, "w", Answer::reject("no")).await.unwrap();
    assert_eq!(skipped.step_at("w").unwrap().status, StepStatus::Skipped);
    assert_eq!(
        unanswered(&plain(", timeout: 20ms, on_timeout: {default: mine}")).await.unwrap(),
        json!("mine")
    );
}

#[tokio::test]
async fn turns_of_a_loop_are_looked_at() {
    let steps = r#"
  - name: grow
    loop: {at_most: 5, forward: true}
    do: [{name: add, template: "{{ content }}{{ iteration }}{{ feedback or '' }}"}]
    human_review: {requires_iteration_review: Enough?}
"#;
    let workflow = asking(steps);
    let one = paused(&workflow, json!("x"), &["grow#1!review"]).await;
    assert_eq!(&*one.requirements[0].message, "Enough?");
    let two = answered(&workflow, &one, "grow#1", Answer::reject("+")).await.unwrap();
    waits(&two, &["grow#2!review"]);
    let done = answered(&workflow, &two, "grow#2", Answer::Approve).await.unwrap();
    assert_eq!(done.content.text(), "x12+");
}

#[tokio::test]
async fn deadlines_count_as_the_file_says() {
    let steps = |on_timeout: &str| {
        format!(
            "  - {{name: a, template: a}}\n  - name: b\n    template: b\n    human_review: \
             {{requires_confirmation: true, timeout: 20ms{on_timeout}}}\n"
        )
    };
    let outcome = async |on_timeout| unanswered(&steps(on_timeout)).await;
    assert_eq!(outcome(", on_timeout: approve").await.unwrap(), json!("b"));
    assert_eq!(outcome(", on_timeout: reject").await.unwrap(), json!("a"));
    let late = "step `b` failed: no answer to `b!confirm` came in time";
    assert_eq!(outcome(", on_timeout: fail").await.unwrap_err(), late);
    assert_eq!(outcome("").await.unwrap_err(), late);
    let form = format!(
        "  - name: a\n    template: \"{{{{ user_input.tone }}}}\"\n    \
         human_review:{FORM}      timeout: 20ms\n      on_timeout: {{default: {{tone: formal}}}}\n"
    );
    assert_eq!(unanswered(&form).await.unwrap(), json!("formal"));
}

#[tokio::test]
async fn somebody_decides_what_to_do_about_a_failure() {
    let steps = |more: &str| {
        format!(
            "  - {{name: a, template: a}}\n  - {{name: b, value: \"= input.none\", on_error: \
             pause{more}}}\n"
        )
    };
    let workflow = asking(&steps(""));
    let one = paused(&workflow, json!({}), &["b!error"]).await;
    let two = answered(&workflow, &one, "b", Answer::Retry).await.unwrap();
    waits(&two, &["b!error:2"]);
    let done = answered(&workflow, &two, "b", Answer::Skip).await.unwrap();
    assert_eq!(done.content.text(), "a");
    let late = steps(", human_review: {timeout: 20ms, on_timeout: approve}");
    assert_eq!(unanswered(&late).await.unwrap(), json!("a"), "approved is passed over");
}

#[tokio::test]
async fn a_call_of_a_tool_waits_for_somebody() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.md"), "inside").unwrap();
    let options = Options { base_dir: Some(dir.path().to_path_buf()), ..Options::default() };
    stepwright_models::register("asks-first", |_| {
        let call = Reply::call("read_file", json!({"path": "a.md"}));
        Ok(ScriptedModel::new([call, Reply::text("done")]))
    });
    let text = |confirmed: &str| {
        format!(
            "format: 1\nname: Tools\nmodel: asks-first\nagents: {{a: {{tools: [read_file, \
             http_get], requires_confirmation: [{confirmed}]}}}}\nsteps: [{{agent: a}}]\n"
        )
    };
    let build = |confirmed: &str| {
        let definition = Definition::parse(&text(confirmed), "tools.yaml", &options).unwrap();
        definition.builder().unwrap().store(Memory::default()).build().unwrap()
    };
    let workflow = build("read_file");
    let asked = workflow.run("go").await.unwrap();
    assert_eq!(asked.status, RunStatus::Paused);
    let RequirementKind::ToolConfirmation { tool } = &asked.requirements[0].kind else { panic!() };
    assert_eq!(tool.name, "read_file");
    let done = answered(&workflow, &asked, "a", Answer::Approve).await.unwrap();
    let read = done.step_executor_runs[0].turns.iter().find_map(|turn| match turn {
        Turn::Tool(outcome) => Some(outcome.text.clone()),
        Turn::Model(_) | Turn::Message(_) => None,
    });
    assert_eq!((read.as_deref(), &*done.content.text()), (Some("inside"), "done"));
    assert_eq!(build("http_get").run("go").await.unwrap().status, RunStatus::Completed);
}

#[tokio::test]
async fn a_sleep_is_a_durable_wait_and_hands_on_what_came_before() {
    let steps = "  - {name: p, parallel: {}, branches: [{name: a, template: x}]}\n  - {name: nap, \
                 sleep: 30ms}\n  - {name: long, sleep: {duration: 20ms}}\n";
    let workflow = asking(steps);
    let output = workflow.run("x").await.unwrap();
    assert_eq!(output.content.to_value(), json!({"a": "x"}));
    let took = |name: &str| output.step_at(name).unwrap().duration().as_millis();
    assert!(took("nap") >= 30 && took("long") >= 20, "{} {}", took("nap"), took("long"));
    let events = workflow.events(&output.run_id, 0).await.unwrap();
    let events: Vec<_> = events.collect().await;
    let asleep: Vec<String> = events
        .into_iter()
        .filter_map(|event| event.unwrap().kind.requirement().map(|asked| asked.id.to_string()))
        .collect();
    assert_eq!(asleep, ["nap!sleep:sleep", "long!sleep:sleep"], "it is in the journal");
}

#[tokio::test]
async fn the_example_asks_for_a_form_a_review_and_a_confirmation() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { base_dir: Some(dir.path().to_path_buf()), ..Options::default() };
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/approval.yaml");
    let definition = Definition::read(example, &options).unwrap();
    let workflow = definition.builder().unwrap().store(Memory::default()).build().unwrap();
    let input = json!("Ants are small. They carry leaves.");
    let form = paused(&workflow, input, &["written!input"]).await;
    let filled = Answer::submit(json!({"audience": "children"}));
    let review = answered(&workflow, &form, "written", filled).await.unwrap();
    waits(&review, &["written/draft!review"]);
    let again = answered(&workflow, &review, "written/draft", Answer::reject("again")).await;
    let again = again.unwrap();
    waits(&again, &["written/draft!review:2"]);
    let mine = Answer::edit("Ants carry leaves.");
    let sent = answered(&workflow, &again, "written/draft", mine).await.unwrap();
    waits(&sent, &["publish!confirm"]);
    assert!(!dir.path().join("newsletter.md").exists());
    let done = answered(&workflow, &sent, "publish", Answer::Approve).await.unwrap();
    assert_eq!(done.status, RunStatus::Completed);
    let page = std::fs::read_to_string(dir.path().join("newsletter.md")).unwrap();
    assert_eq!(page.trim_end(), "# News for children\n\nAnts carry leaves.");
}
