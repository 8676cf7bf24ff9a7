//! MCP servers in files.

#![cfg(feature = "mcp")]

use serde_json::json;
use stepwright_core::permission::Permissions;
use stepwright_core::{ErrorId, RunStatus};
use stepwright_file::{Definition, Options, Variables};
use stepwright_testing::model::{Reply, ScriptedModel};

/// An MCP server as a script of a shell: one tool, which says what it was started with.
#[cfg(unix)]
const SERVER: &str = r#"
say() { printf '{"jsonrpc":"2.0","id":%s,%s}\n' "$id" "$1"; }
while IFS= read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  case "$line" in
    *'"method":"initialize"'*)
      about='"capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}'
      say "\"result\":{\"protocolVersion\":\"2025-11-25\",$about}";;
    *'"method":"tools/list"'*)
      schema='"inputSchema":{"type":"object"}'
      say "\"result\":{\"tools\":[{\"name\":\"now\",$schema},{\"name\":\"erase\",$schema}]}";;
    *'"method":"tools/call"'*)
      echo called >> calls.txt
      text="noon in $PLACE, ${TOKEN:+known}, ${HIDDEN:-nothing}"
      say "\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"$text\"}]}";;
    *'"id":'*) say '"error":{"code":-32601,"message":"unknown"}';;
  esac
done
"#;

fn parsed(text: &str, options: &Options) -> Result<Definition, Vec<(ErrorId, String)>> {
    Definition::parse(text, "flow.yaml", options)
        .map_err(|mistakes| mistakes.iter().map(|one| (one.code, one.message.clone())).collect())
}

fn trusted() -> Options {
    Options { allow_shell: true, ..Options::default() }
}

fn file(mcp: &str, tools: &str) -> String {
    format!(
        "format: 1\nname: F\nmodel: offline\nvars: {{place: Bergen}}\nsecrets: [MCP_TOKEN]\n\
         mcp: {mcp}\nagents: {{a: {{tools: {tools}}}}}\nsteps: [{{agent: a}}]\n"
    )
}

#[test]
fn mistakes_are_found_without_a_server() {
    let time = "{time: {command: uvx}}";
    for (mcp, tools, told) in [
        ("[time]", "[]", "`mcp` maps names to MCP servers"),
        ("{time: {}}", "[]", "an MCP server needs `command` or `url`"),
        ("{time: {command: x, url: 'http://a'}}", "[]", "and this one has both"),
        ("{time: {command: [uvx, x]}}", "[]", "`command` is one program"),
        ("{time: {command: x, headers: {}}}", "[]", "with `command` has no `headers`"),
        ("{time: {url: 'http://a', args: []}}", "[]", "with `url` has no `args`"),
        ("{time: {url: 'ftp://a'}}", "[]", "`ftp://a` is not an address"),
        ("{'a b': {command: x}}", "[]", "`a b` cannot name an MCP server"),
        ("{a: {command: x, oauth: true}}", "[]", "with `command` has no `oauth`"),
        ("{a: {url: 'http://a', oauth: yes please}}", "[]", "`oauth` is `true`, or has"),
        ("{a: {url: 'http://a', oauth: {client_secret: x}}}", "[]", "and there is none"),
        ("{a: {url: 'http://a', oauth: {grant: password}}}", "[]", "`grant`"),
        (
            "{a: {url: 'http://a', oauth: {grant: client_credentials}}}",
            "[]",
            "needs `client_id` and `client_secret`",
        ),
        (
            "{a: {url: 'http://a', oauth: {grant: client_credentials, client_id: c}}}",
            "[]",
            "needs `client_secret`",
        ),
        ("{a: {url: 'http://a', oauth: {tokens: x}}}", "[]", "`tokens`"),
        ("{time: {command: x, colour: red}}", "[]", "has no key `colour`"),
        ("{time: {command: x, env: {'A-B': c}}}", "[]", "`A-B` cannot name"),
        ("{time: {command: x, questions: maybe}}", "[]", "questions"),
        ("{time: {command: '{{ input }}'}}", "[]", "`command` of an MCP server cannot use `input`"),
        ("{time: {command: x, args: ['{{ secrets.MCP_TOKEN }}']}}", "[]", "cannot use `secrets`"),
        ("{time: {command: x, args: ['{{ vars.plaec }}']}}", "[]", "there is no `vars.plaec`"),
        (time, "[mcp:tiem]", "there is no MCP server `tiem`"),
        (time, "[mcp:time, mcp:time]", "the tool `mcp:time` is listed twice"),
        (time, "[mcp:time: {only: [a]}]", "has no key `only`"),
        ("{file: missing.json}", "[]", "cannot read `missing.json`"),
    ] {
        let mistakes = parsed(&file(mcp, tools), &trusted()).unwrap_err();
        assert!(mistakes.iter().any(|(_, it)| it.contains(told)), "{mcp} {tools}: {mistakes:?}");
    }
}

#[test]
fn a_command_needs_permission_as_shell_does() {
    let text = file("{time: {command: uvx}}", "[mcp:time]");
    let (code, message) = parsed(&text, &Options::default()).unwrap_err().remove(0);
    assert_eq!(code, ErrorId::SHELL_REFUSED, "{message}");
    let judged = Options { permissions: Some(Permissions::default()), ..Options::default() };
    assert!(parsed(&text, &judged).is_ok());
    let checked = Options { only_checks: true, ..Options::default() };
    assert!(parsed(&text, &checked).is_ok());
    let address = file("{time: {url: 'https://example.org/mcp'}}", "[mcp:time]");
    assert!(parsed(&address, &Options::default()).is_ok());
}

#[test]
fn a_server_that_no_agent_uses_is_a_warning() {
    let definition = parsed(&file("{time: {command: uvx}}", "[]"), &trusted()).unwrap();
    let warnings: Vec<String> =
        definition.warnings().iter().map(|warning| warning.message.clone()).collect();
    assert_eq!(warnings, ["no agent uses the MCP server `time`"]);
}

#[test]
fn the_definition_of_a_server_is_part_of_the_digest_and_secrets_are_not() {
    let digest = |mcp: &str, token: &str| {
        let variables = Variables::from([("MCP_TOKEN", token)]);
        let options = Options { variables, ..trusted() };
        let definition = parsed(&file(mcp, "[mcp:time]"), &options).unwrap();
        definition.builder().unwrap().build().unwrap().digest().to_owned()
    };
    let server = "{time: {command: uvx, args: ['{{ vars.place }}'], \
                  env: {KEY: '{{ secrets.MCP_TOKEN }}'}}}";
    let same = digest(server, "hunter2hunter2");
    assert_eq!(same, digest(server, "hunter3hunter3"), "a key is changed now and then");
    assert_ne!(same, digest(&server.replace("uvx", "npx"), "hunter2hunter2"));
    assert_ne!(same, digest(&server.replace("KEY", "KEYS"), "hunter2hunter2"));
}

/// A folder with the server, and a workflow whose agent calls its tool once.
#[cfg(unix)]
fn place(mcp: &str, tool: &'static str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("server.sh"), SERVER).unwrap();
    let provider = format!("mcp-{tool}").replace('_', "-");
    stepwright_models::register(provider.clone(), move |_| {
        Ok(ScriptedModel::new([Reply::call(tool, json!({})), Reply::text("Done.")]))
    });
    let text = format!(
        "format: 1\nname: F\nmodel: {provider}:m\nvars: {{place: Bergen}}\nsecrets: [MCP_TOKEN]\n\
         mcp: {mcp}\nagents: {{a: {{tools: ['mcp:it']}}}}\nsteps: [{{agent: a}}]\n"
    );
    std::fs::write(dir.path().join("flow.yaml"), &text).unwrap();
    (dir, text)
}

#[cfg(unix)]
async fn answer_of(dir: &tempfile::TempDir) -> String {
    let options = Options {
        base_dir: Some(dir.path().to_owned()),
        variables: Variables::from([("MCP_TOKEN", "hunter2hunter2")]),
        ..trusted()
    };
    let definition = Definition::read(dir.path().join("flow.yaml"), &options).unwrap();
    let workflow = definition.build().unwrap();
    let run = workflow.run("go").await.unwrap();
    assert_eq!(run.status, RunStatus::Completed);
    let log = format!("{:?}", run.step_executor_runs);
    assert!(log.contains("noon in"), "{log}");
    log
}

#[cfg(unix)]
#[tokio::test]
async fn an_agent_in_a_file_calls_a_server() {
    let server = "{it: {command: sh, args: [server.sh], \
                  env: {PLACE: '{{ vars.place }}', TOKEN: '{{ secrets.MCP_TOKEN }}'}}}";
    let (dir, _) = place(server, "it__now");
    let log = answer_of(&dir).await;
    assert!(log.contains("noon in Bergen, known, nothing"), "{log}");
    assert_eq!(std::fs::read_to_string(dir.path().join("calls.txt")).unwrap(), "called\n");
}

#[cfg(unix)]
#[tokio::test]
async fn the_list_of_other_programs_is_read() {
    let (dir, _) = place("{file: mcp.json}", "it__now");
    let list = json!({"mcpServers": {
        "it": {
            "type": "stdio", "command": "sh", "args": ["server.sh"],
            "env": {"PLACE": "Oslo", "TOKEN": "${MCP_TOKEN}"}, "autoApprove": [],
        },
        "off": {"command": "no-such-program", "disabled": true},
    }});
    std::fs::write(dir.path().join("mcp.json"), list.to_string()).unwrap();
    let log = answer_of(&dir).await;
    assert!(log.contains("noon in Oslo, known, nothing"), "{log}");
    // A variable that the workflow file does not declare stays where it is.
    std::fs::write(dir.path().join("mcp.json"), list.to_string().replace("MCP_TOKEN", "HOME_KEY"))
        .unwrap();
    let mistakes = Definition::read(dir.path().join("flow.yaml"), &trusted()).unwrap_err();
    let message = &mistakes.iter().next().unwrap().message;
    assert!(message.contains("uses the variable `HOME_KEY`"), "{message}");
    std::fs::write(dir.path().join("mcp.json"), "{\"key\": hunter2}").unwrap();
    let mistakes = Definition::read(dir.path().join("flow.yaml"), &trusted()).unwrap_err();
    let shown = format!("{mistakes}");
    assert!(shown.contains("is not valid JSON") && !shown.contains("hunter2"), "{shown}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_confirms_and_excludes_tools() {
    let server = "{it: {command: sh, args: [server.sh], exclude: [er*], confirm: [now]}}";
    let (dir, _) = place(server, "it__now");
    let options = Options {
        base_dir: Some(dir.path().to_owned()),
        variables: Variables::from([("MCP_TOKEN", "hunter2hunter2")]),
        ..trusted()
    };
    let definition = Definition::read(dir.path().join("flow.yaml"), &options).unwrap();
    let workflow = definition.build().unwrap();
    let paused = workflow.run("go").await.unwrap();
    assert_eq!(paused.status, RunStatus::Paused);
    assert!(!dir.path().join("calls.txt").exists());
}

#[test]
fn the_example_is_a_workflow() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/time-zones.yaml");
    let definition = Definition::read(example, &trusted()).unwrap();
    assert!(definition.warnings().is_empty());
    definition.builder().unwrap().build().unwrap();
}

#[test]
fn a_login_needs_a_folder_for_its_tokens() {
    let mcp = "{a: {url: 'https://a.example/mcp', oauth: {scopes: [read]}}}";
    let text = file(mcp, "[mcp:a]").replace("secrets: [MCP_TOKEN]\n", "");
    let without = parsed(&text, &Options::default()).unwrap().build().unwrap_err();
    assert!(without.to_string().contains("OAuth needs a file for its tokens"), "{without}");
    let dir = tempfile::tempdir().unwrap();
    let options = Options { token_dir: Some(dir.path().to_owned()), ..Options::default() };
    let definition = parsed(&text, &options).unwrap();
    assert_eq!(definition.logins().collect::<Vec<_>>(), ["a"]);
    definition.build().unwrap();
}

#[test]
fn an_agent_alone_has_what_the_file_says_of_all_steps() {
    let text = "format: 1
name: Team
model: offline
vars: {tone: kind}
permissions: {deny: [model]}
agents: {planner: {description: Plans., instructions: Plan.}, editor: {}}
steps: [{agent: planner}, {agent: editor}]
";
    let team = parsed(text, &Options::default()).unwrap();
    let planner = team.agent("planner").unwrap();
    assert_eq!((planner.name(), planner.description()), ("planner", Some("Plans.")));
    assert_eq!(planner.explain().to_string(), "planner\n└─ planner  agent\n");
    let workflow = planner.build().unwrap();
    assert_eq!((workflow.id().as_str(), workflow.description()), ("planner", Some("Plans.")));
    let refused = workflow.run("hi").blocking().unwrap_err();
    assert!(refused.to_string().contains("is denied by the rule `model` of the file"), "{refused}");
    // What other programs read of it is no part of what it does.
    let other = parsed(&text.replace("Plans.", "Plans well."), &Options::default()).unwrap();
    let other = other.agent("planner").unwrap().build().unwrap();
    assert_eq!(other.digest(), workflow.digest());
}
