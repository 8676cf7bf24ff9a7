//! `stepwright serve`, as the clients of Agno, `OpenAI`, AG-UI and A2A see it. Without
//! `STEPWRIGHT_TEST_AGNO`, the folder that `scripts/test-agno.sh` prints, the tests report that
//! they are skipped.

use crate::support::Place;
use std::path::PathBuf;
use std::process::Command;

/// The scenarios of `clients/agno_clients.py`.
const SCENARIOS: [&str; 13] = [
    "discovery",
    "workflow_runs",
    "workflow_streams",
    "background",
    "continuing",
    "agent_runs",
    "team_runs",
    "sessions",
    "memories",
    "files",
    "remotes",
    "metrics",
    "auth",
];

const FILES: [(&str, &str); 10] = [
    (
        "greeting.yaml",
        "\
format: 1
name: Greeting
description: Greets.
steps:
  - {name: greet, template: 'Hello {{ input }}!'}
  - {name: part, template: 'Bye, {{ previous }}'}
",
    ),
    (
        "sum.yaml",
        "\
format: 1
name: Sum
input:
  type: object
  properties: {a: {type: integer}, b: {type: integer}}
  required: [a, b]
steps:
  - {name: add, value: {sum: '= input.a + input.b'}}
",
    ),
    (
        "list.yaml",
        "\
format: 1
name: List
steps:
  - {name: list, value: [1, 2]}
",
    ),
    (
        "failing.yaml",
        "\
format: 1
name: Failing
steps:
  - {name: break, value: \"= input.nothing\"}
",
    ),
    (
        "slow.yaml",
        "\
format: 1
name: Slow
steps:
  - {name: first, template: 'first {{ input }}'}
  - {name: wait, sleep: 1h}
",
    ),
    (
        "publish.yaml",
        "\
format: 1
name: Publish
steps:
  - name: publish
    template: 'published {{ input }}'
    human_review: {requires_confirmation: Publish it?, on_reject: cancel}
",
    ),
    (
        "form.yaml",
        "\
format: 1
name: Form
steps:
  - name: person
    template: '{{ user_input.name }} is {{ user_input.age }}'
    human_review:
      requires_user_input:
        message: Who?
        schema:
          type: object
          properties: {name: {type: string}, age: {type: integer}}
          required: [name, age]
",
    ),
    (
        "route.yaml",
        "\
format: 1
name: Route
steps:
  - name: channel
    router:
    choices:
      - {name: blog, template: 'blog {{ input }}'}
      - {name: mail, template: 'mail {{ input }}'}
    human_review: {requires_route_selection: Where shall it go?}
",
    ),
    (
        "review.yaml",
        "\
format: 1
name: Review
steps:
  - name: draft
    template: 'draft {{ input }}'
    human_review: {requires_output_review: Good?}
",
    ),
    (
        "all.yaml",
        "\
format: 1
name: All
model: openai-chat:m
agents:
  helper: {description: Helps.}
  critic: {description: Finds mistakes.}
  reader: {tools: [read_file], requires_confirmation: [read_file]}
teams:
  desk: {members: [helper, critic], requires_confirmation: [critic]}
steps:
  - name: both
    parallel: {}
    branches:
      - {name: left, template: left}
      - {name: right, template: right}
  - name: check
    if: = size(input) > 0
    then: [{name: long, template: long}]
  - name: again
    loop: {at_most: 2}
    do: [{name: turn, template: turn}]
  - name: way
    router: \"= 'one'\"
    choices: [{name: one, template: one}]
  - name: group
    steps: [{name: within, template: within}]
  - {name: helped, agent: helper}
  - {name: led, team: desk}
",
    ),
];

const READING: &str = "\
format: 1
name: Reading
model: openai-chat:m
agents:
  reading: {tools: [read_file], requires_confirmation: [read_file]}
steps:
  - {name: read, agent: reading}
";

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn python() -> Option<PathBuf> {
    let home = std::env::var_os("STEPWRIGHT_TEST_AGNO");
    if home.is_none() {
        eprintln!("skipped: STEPWRIGHT_TEST_AGNO is not set");
    }
    home.map(|home| PathBuf::from(home).join("python/bin/python"))
}

/// Runs a script with the command and its files. Returns the scenarios that went well, and what the
/// script wrote to stderr. `None` without Python.
fn ran(script: &str) -> Option<(Vec<String>, String)> {
    let python = python()?;
    let place = Place::with(READING);
    place.write("note.txt", "a note\n");
    let mut command = Command::new(python);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/clients/");
    command.arg("-B").arg(format!("{folder}{script}"));
    command.args([env!("CARGO_BIN_EXE_stepwright"), "flow.yaml"]).current_dir(place.path("."));
    for (name, text) in FILES {
        place.write(name, text);
        command.arg(name);
    }
    for (name, folder) in place.folders_of_user() {
        command.env(name, folder);
    }
    let output = command.env("AGNO_TELEMETRY", "false").output().unwrap();
    let seen = String::from_utf8_lossy(&output.stdout);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{seen}\n{told}");
    let well = seen.lines().filter_map(|line| line.strip_prefix("ok ")).map(str::to_owned);
    Some((well.collect(), told))
}

#[test]
fn the_clients_of_agno_drive_the_server() {
    let Some((well, told)) = ran("agno_clients.py") else { return };
    assert_eq!(well, SCENARIOS, "{told}");
    // Agno's client logs an event that it does not know, and goes on. The frame of a paused run has
    // no event, in AgentOS too.
    let is_unread = |line: &&str| {
        let is_event = line.contains("Unknown event type") && line.contains("\"event\":");
        is_event || line.contains("Failed to parse")
    };
    let unread: Vec<&str> = told.lines().filter(is_unread).collect();
    assert_eq!(unread, [""; 0], "{told}");
}

#[test]
fn a_socket_starts_continues_and_follows_runs() {
    let Some((well, told)) = ran("socket_client.py") else { return };
    assert_eq!(well, ["runs", "errors", "auth"], "{told}");
}

#[test]
fn the_client_of_openai_chats_with_workflows_agents_and_teams() {
    let Some((well, told)) = ran("openai_client.py") else { return };
    assert_eq!(well, ["whole", "streams", "errors"], "{told}");
}

#[test]
fn every_event_is_one_of_ag_ui() {
    let Some((well, told)) = ran("agui_client.py") else { return };
    assert_eq!(well, ["workflows", "agents", "teams", "interrupts", "failures"], "{told}");
}

#[test]
fn the_sdk_of_a2a_gives_tasks_to_workflows_agents_and_teams() {
    let Some((well, told)) = ran("a2a_client.py") else { return };
    assert_eq!(well, ["cards", "tasks", "questions", "ends"], "{told}");
}
