//! Agents of a file as tools of others, and handoffs between them.

use serde_json::json;
use stepwright_core::{Memory, RunOutput};
use stepwright_engine::Workflow;
use stepwright_file::{Definition, Options};
use stepwright_testing::model::{Reply, ScriptedModel};

fn register(name: &'static str, model: &ScriptedModel) {
    let model = model.clone();
    stepwright_models::register(name, move |_| Ok(model.clone()));
}

fn built(text: &str) -> Workflow {
    let text = format!("format: 1\nname: Test\n{text}");
    let definition = Definition::parse(&text, "test.yaml", &Options::default()).unwrap();
    definition.builder().unwrap().store(Memory::default()).build().unwrap()
}

async fn run(text: &str) -> RunOutput {
    built(text).run("Forth Bridge").await.unwrap()
}

#[tokio::test]
async fn an_agent_of_the_file_answers_as_a_tool_of_another() {
    let outer = ScriptedModel::new([
        Reply::call("engineer", json!({"message": "What is it?"})),
        Reply::call("ask_again", json!({"message": "Sure?"})),
        Reply::text("It holds."),
    ]);
    let inner = ScriptedModel::new(["A cantilever bridge.", "Yes."]);
    register("other-outer", &outer);
    register("other-inner", &inner);
    let output = run("
agents:
  Engineer: {model: 'other-inner:m', description: Knows bridges., instructions: Be exact.}
  writer:
    model: 'other-outer:m'
    tools:
      - agent: {agent: Engineer}
      - agent: {agent: Engineer, name: ask_again, description: Checks., max_calls: 1}
steps: [{agent: writer}]
")
    .await;
    assert_eq!(output.content.text(), "It holds.");
    let asked = &outer.requests()[0];
    let told: Vec<_> = asked.tools.iter().map(|tool| (&*tool.name, &*tool.description)).collect();
    assert_eq!(told, [("engineer", "Knows bridges."), ("ask_again", "Checks.")]);
    assert_eq!(inner.requests()[0].messages[0].text(), "What is it?");
    assert_eq!(inner.requests()[0].instructions.as_deref(), Some("Be exact."));
    let answers = outer.requests()[2]
        .messages
        .iter()
        .map(stepwright_core::message::Message::text)
        .collect::<Vec<_>>();
    assert!(answers.contains(&"A cantilever bridge.".into()), "{answers:?}");
    assert!(answers.contains(&"Yes.".into()), "{answers:?}");
}

#[tokio::test]
async fn a_handoff_gives_the_conversation_to_another_agent_of_the_file() {
    let desk =
        ScriptedModel::new([Reply::call("transfer_to_billing", json!({"reason": "an invoice"}))]);
    let billing = ScriptedModel::new(["It was paid."]);
    register("other-desk", &desk);
    register("other-billing", &billing);
    let output = run("
agents:
  desk: {model: 'other-desk:m', tools: [handoff: {agent: Billing, description: Knows invoices.}]}
  Billing: {model: 'other-billing:m', instructions: You know invoices.}
steps: [{agent: desk}]
")
    .await;
    assert_eq!(output.content.text(), "It was paid.");
    let gone_on = &billing.requests()[0];
    assert_eq!(gone_on.messages[0].text(), "Forth Bridge");
    assert_eq!(gone_on.instructions.as_deref(), Some("You know invoices."));
    let told = &desk.requests()[0].tools[0].description;
    assert!(told.ends_with("Knows invoices."), "{told}");
}

#[tokio::test]
async fn agents_that_are_tools_come_along_with_an_agent_of_another_file() {
    let model = ScriptedModel::new([
        Reply::call("expert", json!({"message": "What?"})),
        Reply::text("Done."),
    ]);
    register("other-used", &model);
    register("other-expert", &ScriptedModel::new(["A bridge."]));
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    std::fs::create_dir(dir.path().join("team")).unwrap();
    write(
        "team/agents.yaml",
        "format: 1\nagents:\n  expert: {model: 'other-expert:m', description: Knows all.}\n  \
         writer:\n    model: 'other-used:m'\n    tools:\n      - agent: {agent: expert}\n      - \
         workflow: {file: plan.yaml, description: Plans.}\n",
    );
    write("team/plan.yaml", "format: 1\nname: Plan\nsteps: [{name: t, template: x}]\n");
    write(
        "flow.yaml",
        "format: 1\nname: Flow\nagents: {writer: {use: team/agents.yaml}}\nsteps: [{agent: \
         writer}]\n",
    );
    let definition = Definition::read(dir.path().join("flow.yaml"), &Options::default()).unwrap();
    let output = definition.build().unwrap().run("go").await.unwrap();
    assert_eq!(output.content.text(), "Done.");
    let names: Vec<_> = model.requests()[0].tools.iter().map(|tool| tool.name.clone()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.contains(&"plan".into()), "{names:?}");
}

#[test]
fn mistakes_about_agents_as_tools_are_told_at_their_places() {
    for (tools, told, help) in [
        ("[agent: {agent: exprt}]", "there is no agent `exprt`", "did you mean `expert`"),
        ("[agent]", "`agent` names no agent", "write `agent: {agent: expert"),
        ("[handoff: {}]", "`agent`", "handoff: {agent: billing"),
        ("[agent: {agent: silent}]", "is not told what `silent` is good for", "`description`"),
        ("[handoff: {agent: silent}]", "is not told what `silent` is good for", "`description`"),
        ("[agent: {agent: a, description: d}]", "`a` has itself as a tool: `a` → `a`", "take it"),
        (
            "[handoff: {agent: back, description: d}]",
            "`a` has itself as a tool: `a` → `back` → `a`",
            "take it out",
        ),
        (
            "[agent: {agent: leads, description: d}]",
            "`leads` has itself as a tool: `leads` → `inside` → `leads`",
            "take it out",
        ),
        (
            "[agent: {agent: around, description: d}]",
            "`a` has itself as a tool: `a` → `around` → `a`",
            "take it out",
        ),
        (
            "[agent: {agent: expert}, agent: {agent: expert}]",
            "both have a tool `expert`",
            "leave one of them out",
        ),
        ("[agent: {agent: expert, cache: 1m}]", "`cache` is for tools that only read", "leave it"),
        ("[handoff: {agent: expert, retries: 1}]", "`retries` is for tools", "leave it out"),
        ("[agent: {agent: expert, name: a b}]", "`a b` is not the name of a tool", "letters"),
    ] {
        let inside =
            if tools.contains("leads") { "[agent: {agent: leads, description: d}]" } else { "[]" };
        let text = format!(
            "format: 1\nname: T\nmodel: offline\nagents:\n  a: {{tools: {tools}}}\n  expert: \
             {{description: d}}\n  silent: {{}}\n  back: {{tools: [agent: {{agent: a, \
             description: d}}]}}\n  inside: {{description: d, tools: {inside}}}\nteams: {{leads: \
             {{members: [inside]}}, around: {{members: [a]}}}}\nsteps: [{{agent: a}}]\n"
        );
        let mistakes = Definition::parse(&text, "t.yaml", &Options::default()).unwrap_err();
        let report = mistakes.to_string();
        assert!(report.contains(told), "{tools}: {report}");
        assert!(report.contains(help), "{tools}: {report}");
    }
}
