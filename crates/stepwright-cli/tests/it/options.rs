//! Each option does something: its test fails if the option is ignored.

use crate::support::{AGENTS, FAILING, GREETING, Place, Ran};
use stepwright::{EventKind, RunStatus};

/// A workflow that says what it was given, as JSON.
fn taking(schema: &str) -> Place {
    Place::with(&format!(
        "format: 1\nname: Take\ninput: {schema}\nsteps: [{{name: take, value: {{it: = input}}}}]\n"
    ))
}

fn given(ran: Ran) -> serde_json::Value {
    let value: serde_json::Value = serde_json::from_str(&ran.ended(0).stdout).unwrap();
    value["it"].clone()
}

#[test]
fn the_input_is_a_text_or_what_the_schema_says() {
    assert_eq!(Place::with(GREETING).run(["Ada"]).ended(0).stdout, "Hello Ada!\n");
    assert_eq!(
        given(taking("{type: object}").run([r#"{"a": [1]}"#])),
        serde_json::json!({"a": [1]})
    );
    assert_eq!(given(taking("{type: string}").run([r#"{"a": [1]}"#])), r#"{"a": [1]}"#);
    assert_eq!(given(taking("{type: integer}").run(["-3"])), -3);
    assert_eq!(given(taking("{type: [string, object]}").run(["{a"])), "{a");
}

#[test]
fn an_input_that_is_not_given_is_nothing() {
    let flow = "format: 1\nname: Take\nsteps: [{name: take, value: {it: = input}}]\n";
    assert_eq!(given(Place::with(flow).run::<&str>([])), serde_json::Value::Null);
}

#[test]
fn the_input_may_come_from_a_file_or_from_stdin() {
    let place = taking("{type: object}");
    place.write("in.json", "{\"b\": 2}\n");
    assert_eq!(given(place.run(["--input-file", "in.json"])), serde_json::json!({"b": 2}));
    let place = Place::with(GREETING);
    let ran = place.ran_on(&["run", "flow.yaml", "--input-file", "-"], b"Ada\n");
    assert_eq!(ran.ended(0).stdout, "Hello Ada!\n");
}

#[test]
fn a_session_goes_on_and_belongs_to_its_user() {
    let flow = "\
format: 1
name: Count
steps:
  - {name: last, value: {before: = state.?at.orValue('none')}}
  - set_state: {at: = input}
";
    let place = Place::with(flow);
    let run = |input: &str, user: &str| {
        place.run([input, "--db", "a.db", "--session-id", "s-1", "--user-id", user])
    };
    assert_eq!(run("one", "ada").ended(0).stdout, "{\n  \"before\": \"none\"\n}\n");
    assert_eq!(run("two", "ada").ended(0).stdout, "{\n  \"before\": \"one\"\n}\n");
    let stranger = run("three", "bob").ended(2);
    assert!(stranger.stderr.contains("session `s-1` was not found"), "{stranger:#?}");
    assert!(stranger.stderr.contains("help: choose another `--session-id`"), "{stranger:#?}");
    let session = place.session_in("a.db", "s-1").unwrap();
    assert_eq!(session.state["at"], "two");
    assert_eq!(session.user_id.unwrap().as_str(), "ada");
    assert_eq!(place.runs_in("a.db").len(), 2);
}

#[test]
fn a_session_needs_a_database() {
    let ran = Place::with(GREETING).run(["Ada", "--session-id", "s-1", "--no-db"]).ended(2);
    assert!(ran.stderr.contains("`--session-id` needs a database"), "{ran:#?}");
    assert!(ran.stderr.contains("help: leave out `--no-db`, or pass `--db DB`"), "{ran:#?}");
    assert_eq!(ran.stdout, "");
}

#[test]
fn a_database_keeps_the_run_and_the_command_says_which() {
    let place = Place::with(GREETING);
    let ran = place.run(["Ada", "--db", "a.db"]).ended(0);
    let runs = place.runs_in("a.db");
    assert_eq!(runs[0].1, RunStatus::Completed);
    assert_eq!(ran.stderr, format!("run {} completed\n", runs[0].0));
    stepwright_testing::grammar::check(&place.facts_in("a.db"));
    // Closed in good order: nothing is left beside it.
    assert!(!place.path("a.db-wal").exists());
    let without = place.run(["Ada"]).ended(0);
    assert_eq!(without.stderr, "");
}

#[test]
fn the_model_of_all_agents_can_be_another() {
    let place = Place::with(&AGENTS.replace("model: offline", "model: 'auto'"));
    let model = |arguments: &[&str]| {
        let ran = place.run(arguments.iter().chain(&["--json", "--events"]));
        ran.ended(0).events().into_iter().find_map(|event| match event.kind {
            EventKind::RunStarted { model, .. } => Some(model.to_string()),
            _ => None,
        })
    };
    assert_eq!(model(&["--model", "offline"]).as_deref(), Some("offline:extract"));
    let unknown = place.run(["--model", "offlin:x"]).ended(2);
    assert!(unknown.stderr.starts_with("error[SW0211]: `--model`: "), "{unknown:#?}");
    assert!(unknown.stderr.contains("did you mean `offline"), "{unknown:#?}");
    // Whatever the file says: what is wrong with that does not matter then.
    let missing = Place::with(&AGENTS.replace("model: offline\n", ""));
    missing.run(["--model", "offline"]).ended(0);
}

#[test]
fn commands_run_only_if_they_are_allowed() {
    let flow = "format: 1\nname: Shell\nsteps: [{name: say, shell: 'echo hi'}]\n";
    let place = Place::with(flow);
    assert_eq!(place.run(["--allow-shell"]).ended(0).stdout, "hi\n");
    let refused = place.run::<&str>([]).ended(2);
    assert!(refused.stderr.contains("--allow-shell"), "{refused:#?}");
}

#[test]
fn files_are_read_and_written_in_the_base_directory() {
    let flow = "format: 1\nname: Write\nsteps: [{write_file: {path: out.txt, text: hi}}]\n";
    let place = Place::with(flow);
    std::fs::create_dir(place.path("sub")).unwrap();
    place.run(["--base-dir", "sub"]).ended(0);
    assert_eq!(std::fs::read_to_string(place.path("sub/out.txt")).unwrap(), "hi");
    assert!(!place.path("out.txt").exists());
}

#[test]
fn a_run_that_takes_too_long_fails() {
    let place = Place::with(&FAILING.replace("echo oops >&2; exit 3", "sleep 60"));
    let ran = place.run(["--allow-shell", "--timeout", "300ms", "--db", "a.db"]).ended(1);
    assert!(ran.stderr.contains("300ms"), "{ran:#?}");
    assert_eq!(place.runs_in("a.db")[0].1, RunStatus::Error);
    for wrong in ["5", "soon", "0s"] {
        let ran = place.run(["--timeout", wrong]).ended(2);
        assert!(ran.stderr.contains("--timeout"), "{ran:#?}");
    }
}

#[test]
fn debugging_shows_prompts_and_answers() {
    let place = Place::with(AGENTS);
    let ran = place.run(["--debug"]).ended(0);
    assert!(ran.stderr.contains("DEBUG"), "{ran:#?}");
    assert!(ran.stderr.contains("Rust is fast."), "{ran:#?}");
    assert_eq!(ran.stdout, "Rust is small.\n");
    assert!(!place.run::<&str>([]).stderr.contains("DEBUG"));
    let started = |arguments: &[&str]| match &place.run(arguments).events()[0].kind {
        EventKind::WorkflowStarted(started) => started.debug,
        other => panic!("{other:?}"),
    };
    assert!(started(&["--json", "--debug"]) && !started(&["--json"]));
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let place = Place::with(GREETING);
    place.write("in.txt", "Ada");
    let both = place.run(["Ada", "--input-file", "in.txt"]).ended(2);
    assert!(both.stderr.contains("--input-file"), "{both:#?}");
    place.run(["Ada", "--stream", "--json"]).ended(2);
    place.run(["Ada", "Bob"]).ended(2);
    place.run(["Ada", "--nonsense"]).ended(2);
    place.ran::<&str>([]).ended(2);
}

/// All that have a help of their own.
const COMMANDS: [&str; 65] = [
    "fix",
    "mcp",
    "schema",
    "test",
    "test from-run",
    "run",
    "chat",
    "check",
    "runs",
    "show",
    "events",
    "resume",
    "continue",
    "send",
    "emit",
    "cancel",
    "rerun",
    "fork",
    "upgrade",
    "compare",
    "prune",
    "vacuum",
    "export",
    "import",
    "erase",
    "verify",
    "attach",
    "top",
    "docs",
    "config",
    "init",
    "man",
    "capabilities",
    "skill show",
    "skill install",
    "completions",
    "serve",
    "worker",
    "workers",
    "keys create",
    "keys list",
    "keys revoke",
    "knowledge update",
    "knowledge add",
    "knowledge remove",
    "knowledge list",
    "knowledge search",
    "memories list",
    "memories search",
    "memories add",
    "memories edit",
    "memories remove",
    "schedules list",
    "schedules pause",
    "schedules resume",
    "schedules run",
    "webhooks list",
    "webhooks renew",
    "deliveries list",
    "deliveries redeliver",
    "sessions list",
    "sessions show",
    "sessions rename",
    "sessions delete",
    "sessions state",
];

#[test]
fn every_command_has_a_help_that_fits_and_shows_how() {
    let place = Place::with(GREETING);
    for command in COMMANDS {
        let help = place.ran(command.split(' ').chain(["--help"])).ended(0).stdout;
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
        let without = ["chat", "top", "config", "init", "man", "capabilities"];
        let outer = ["sessions ", "skill ", "keys ", "knowledge ", "memories "];
        let triggers = ["schedules ", "webhooks ", "deliveries "];
        let is_inner = outer.iter().chain(&triggers).any(|outer| command.starts_with(outer));
        if !without.contains(&command) && !is_inner {
            assert!(help.contains("Example") && help.contains("  stepwright "), "{help}");
        }
    }
    let sessions = place.ran(["sessions", "--help"]).ended(0).stdout;
    assert!(sessions.contains("  stepwright sessions list --db"), "{sessions}");
}

#[test]
fn help_and_version_help() {
    let place = Place::with(GREETING);
    let help = place.ran(["run", "--help"]).ended(0).stdout;
    for part in ["Examples:", "Exit codes:", "Input:", "--allow-shell", "--base-dir"] {
        assert!(help.contains(part), "{part} is not in {help}");
    }
    assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    let version = place.ran(["--version"]).ended(0).stdout;
    assert_eq!(version, format!("stepwright {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_page_tells_every_option_and_every_exit_code() {
    let page = include_str!("../../../../docs/command.md");
    let place = Place::with(GREETING);
    let of = |command: &str| place.ran(command.split(' ').chain(["--help"])).ended(0).stdout;
    let run = of("run");
    let help: String = COMMANDS.iter().map(|command| of(command)).collect();
    let options = help.split([' ', ',', '[', '=', '\n']).filter(|word| word.starts_with("--"));
    for option in options.filter(|option| !["--", "--help", "--version"].contains(option)) {
        assert!(page.contains(&format!("`{option}")), "{option} is not in docs/command.md");
    }
    // Those at the beginnings of rows, and those that stand beside them.
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `--"));
    let told = rows.flat_map(|row| row.split(" | ").next().unwrap().split("`--"));
    let told = told.map(|rest| rest.split([' ', '`', '=']).next().unwrap());
    for option in told {
        assert!(help.contains(&format!("--{option}")), "--{option} is told, but does not exist");
    }
    let (_, codes) = run.split_once("Exit codes:\n").unwrap();
    for code in codes.lines().take_while(|code| !code.is_empty()) {
        let (code, meaning) = code.trim().split_once("  ").unwrap();
        assert!(page.contains(&format!("| {code} | {meaning} |")), "{code} {meaning}");
    }
}
