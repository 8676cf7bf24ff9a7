//! Permissions: for each function and tool with an effect a denied, an asked and an allowed case,
//! and commands, files and addresses that look like allowed ones.

mod acts;
mod always;
mod cases;
mod doors;

use cases::TOOLS;

use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use stepwright_core::output::Turn;
use stepwright_core::permission::{ALLOWED_KEY, Permissions};
use stepwright_core::requirement::RequirementKind;
use stepwright_core::{
    Answer, Error, ErrorId, Event, EventKind, Memory, RunOutput, RunStatus, StepStatus,
};
use stepwright_engine::Workflow;
use stepwright_file::{Definition, Options};
use stepwright_testing::model::{Reply, ScriptedModel};

/// A server that counts its requests.
#[derive(Clone)]
struct Server {
    address: String,
    requests: Arc<AtomicUsize>,
}

impl Server {
    fn new(answer: impl Into<String>) -> Self {
        let (answer, requests) = (answer.into(), Arc::new(AtomicUsize::new(0)));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let count = requests.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 4096]);
                count.fetch_add(1, Ordering::SeqCst);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { address, requests }
    }

    fn saying_ok() -> Self {
        Self::new("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
    }

    fn count(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// The place of a test: a directory, with a file to read, and a server.
struct Place {
    dir: tempfile::TempDir,
    server: Server,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("docs")).unwrap();
        std::fs::write(dir.path().join("docs/a.md"), "text").unwrap();
        rusqlite::Connection::open(dir.path().join("data.db")).unwrap();
        Self { dir, server: Server::saying_ok() }
    }

    fn made(&self) -> bool {
        self.dir.path().join("made").exists()
    }

    fn options(&self, permissions: Permissions) -> Options {
        Options {
            base_dir: Some(self.dir.path().to_path_buf()),
            permissions: Some(permissions),
            ..Options::default()
        }
    }

    fn workflow(&self, text: &str, permissions: Permissions) -> Workflow {
        let text = text.replace("SERVER", &self.server.address);
        let definition = Definition::parse(&text, "test.yaml", &self.options(permissions));
        let definition = definition.unwrap_or_else(|mistakes| panic!("{text}\n{mistakes}"));
        let builder = definition.builder().unwrap().store(Memory::default());
        builder.store_events(true).build().unwrap()
    }

    fn rules(&self, list: &str, rules: &[&str]) -> Permissions {
        let rules: Vec<String> =
            rules.iter().map(|rule| rule.replace("SERVER", &self.server.address)).collect();
        serde_json::from_value(json!({ list: rules })).unwrap()
    }
}

fn steps(steps: &str) -> String {
    format!("format: 1\nname: Test\nsteps:\n{steps}")
}

/// The functions with effects: a step, and the rule that means it.
const FUNCTIONS: [(&str, &str, &str); 6] = [
    ("shell", "shell: {argv: [touch, made]}", "shell: touch made"),
    ("write_file", "write_file: {path: made, text: x}", "write_file: made"),
    ("append_file", "append_file: {path: made, text: x}", "append_file: made"),
    ("read_files", "read_files: 'docs/*.md'", "read_file: docs/**"),
    ("http", "http: {url: 'SERVER/page', method: POST, json: {a: 1}}", "http: POST SERVER/*"),
    ("http_get", "http_get: 'SERVER/page'", "http: GET SERVER/*"),
];

#[test]
fn every_function_and_tool_with_an_effect_is_in_these_tests() {
    for (name, effects) in stepwright_file::effects() {
        let functions = FUNCTIONS.iter().filter(|(key, ..)| *key == name).count();
        let tools = TOOLS.iter().filter(|(key, ..)| *key == name).count();
        let is_here = functions + tools > 0;
        assert_eq!(is_here, !effects.is_empty(), "`{name}` with the effects {effects:?}");
    }
    let both = stepwright_file::effects().filter(|(name, _)| *name == "http_get").count();
    assert_eq!(both, 2, "a function and a tool");
}

fn refused(answer: Result<RunOutput, Error>) -> String {
    let error = answer.unwrap_err();
    assert_eq!(error.id(), ErrorId::EFFECT_REFUSED, "{error}");
    error.to_string()
}

fn judged(events: &[Event]) -> Vec<String> {
    let fact = |event: &Event| match &event.kind {
        EventKind::EffectJudged { verdict, rule, by, .. } => {
            Some(format!("{verdict} by {by}: {}", rule.as_deref().unwrap_or("no rule")))
        }
        _ => None,
    };
    events.iter().filter_map(fact).collect()
}

fn makes(key: &str) -> bool {
    ["shell", "write_file", "append_file"].contains(&key)
}

#[tokio::test]
async fn each_function_is_denied_asked_about_and_allowed() {
    for (key, step, rule) in FUNCTIONS {
        let text = steps(&format!("  - {{name: act, {step}}}\n"));
        // Denied, although everything else is allowed.
        let place = Place::new();
        let mut permissions = place.rules("deny", &[rule]);
        permissions.allow = place.rules("allow", &["*"]).allow;
        let error = refused(place.workflow(&text, permissions).run("x").await);
        assert!(error.contains("is denied by the rule"), "{key}: {error}");
        assert!(!place.made() && place.server.count() == 0, "{key} acted although it is denied");

        // Asked about: nothing happens before the answer.
        let place = Place::new();
        let workflow = place.workflow(&text, Permissions::default());
        let paused = workflow.run("x").await.unwrap();
        assert_eq!(paused.status, RunStatus::Paused, "{key}");
        let asked = &paused.requirements[0];
        assert!(matches!(asked.kind, RequirementKind::Permission { .. }), "{key}: {asked:?}");
        assert!(!place.made() && place.server.count() == 0, "{key} acted before the answer");
        let said_no = workflow.continue_run(&paused.run_id, [("act", Answer::reject("no"))]);
        let error = refused(said_no.await);
        assert!(error.contains("a person did not permit") && error.contains("no"), "{error}");
        assert!(!place.made() && place.server.count() == 0, "{key} acted after a refusal");
        let paused = workflow.run("x").await.unwrap();
        let output = workflow.continue_run(&paused.run_id, [("act", Answer::Approve)]);
        let output = output.await.unwrap();
        assert_eq!(output.status, RunStatus::Completed, "{key}");
        assert_eq!(judged(&output.events.unwrap()), ["ask by the user: no rule"], "{key}");

        // Allowed: nothing is asked.
        let place = Place::new();
        let permissions = place.rules("allow", &[rule]);
        let output = place.workflow(&text, permissions).run("x").await.unwrap();
        assert_eq!(output.status, RunStatus::Completed, "{key}");
        let rule = rule.replace("SERVER", &place.server.address);
        let wanted = format!("allow by the user: {rule}");
        assert_eq!(judged(&output.events.unwrap()), [wanted], "{key}");
        assert_eq!(place.made(), makes(key), "{key}");
        assert_eq!(place.server.count(), usize::from(key.starts_with("http")), "{key}");
    }
}

fn told(output: &RunOutput) -> String {
    let turns = output.step_executor_runs.last().unwrap().turns.iter();
    let told = turns.filter_map(|turn| match turn {
        Turn::Tool(outcome) => Some(outcome.text.clone()),
        Turn::Model(_) | Turn::Message(_) => None,
    });
    told.collect::<Vec<_>>().pop().unwrap_or_default()
}

/// Registers a model that makes one call, and returns a file with an agent that has it.
fn calling(name: &str, tool: &str, call: &str, arguments: &str) -> String {
    let arguments: Value = serde_json::from_str(arguments).unwrap();
    let call = call.to_owned();
    stepwright_models::register(name, move |_| {
        let call = Reply::call(call.clone(), arguments.clone());
        let replies = std::iter::repeat_n([call, Reply::text("done")], 8).flatten();
        Ok(ScriptedModel::new(replies))
    });
    format!(
        "format: 1\nname: Tools\nmodel: {name}\nagents: {{a: {{tools: [{tool}]}}}}\nsteps: \
         [{{name: act, agent: a}}]\n"
    )
}

#[tokio::test]
async fn each_tool_is_denied_asked_about_and_allowed() {
    for (nth, (_, tool, call, arguments, rule)) in TOOLS.into_iter().enumerate() {
        for case in ["deny", "ask", "allow"] {
            let place = Place::new();
            let arguments = arguments.replace("SERVER", &place.server.address);
            let text = calling(&format!("tool-{nth}-{case}"), tool, call, &arguments);
            let mut permissions = place.rules(case, &[rule]);
            if case == "deny" {
                permissions.allow = place.rules("allow", &["*"]).allow;
            }
            let workflow = place.workflow(&text, permissions);
            let mut output = workflow.run("x").await.unwrap();
            if case == "ask" {
                assert_eq!(output.status, RunStatus::Paused, "{call}");
                let path = format!("act/{call}#1");
                assert_eq!(output.requirements[0].path.as_str(), path);
                assert_eq!(place.server.count(), 0, "{call} acted before the answer");
                let answer = [("act", Answer::Approve)];
                output = workflow.continue_run(&output.run_id, answer).await.unwrap();
            }
            assert_eq!(output.content.text(), "done", "{call}: {case}");
            let told = told(&output);
            if case == "deny" {
                assert!(told.starts_with("not called: "), "{call}: {told}");
                assert_eq!(place.server.count(), 0, "{call} acted although it is denied");
            } else {
                assert!(!told.starts_with("not called: "), "{call}: {told}");
                let is_remote = arguments.contains("http://") || tool.contains("SERVER");
                let acts = place.server.count() > 0 || !is_remote;
                assert!(acts, "{call} did not act: {told}");
                assert_eq!(place.made(), call == "write_file", "{call}");
            }
        }
    }
}

#[tokio::test]
async fn a_rejected_call_is_told_to_the_model_and_not_made() {
    let place = Place::new();
    let arguments = format!(r#"{{"url": "{}/x"}}"#, place.server.address);
    let text = calling("tool-rejected", "http_get: {private: true}", "http_get", &arguments);
    let workflow = place.workflow(&text, Permissions::default());
    let paused = workflow.run("x").await.unwrap();
    let answer = [("act", Answer::reject("not there"))];
    let output = workflow.continue_run(&paused.run_id, answer).await.unwrap();
    assert!(told(&output).contains("a person did not permit"), "{}", told(&output));
    assert_eq!(place.server.count(), 0);
}

#[tokio::test]
async fn a_denied_model_is_not_asked() {
    let place = Place::new();
    let text = calling("tool-model", "read_file", "read_file", r#"{"path": "docs/a.md"}"#);
    let permissions = place.rules("deny", &["model: scripted:*"]);
    refused(place.workflow(&text, permissions).run("x").await);
    // Without a rule a model needs no permission.
    let permissions = place.rules("allow", &["read_file: docs/*"]);
    let output = place.workflow(&text, permissions).run("x").await.unwrap();
    assert_eq!(output.content.text(), "done");
}

/// Runs a command where no person can be asked.
async fn unattended(place: &Place, command: &Value, permissions: Permissions) -> bool {
    let text = json!({
        "format": 1, "name": "Test", "steps": [{ "name": "act", "shell": command }],
    });
    let options = Options { unattended: true, ..place.options(permissions) };
    let definition = Definition::parse(&text.to_string(), "test.yaml", &options);
    let definition = definition.unwrap_or_else(|mistakes| panic!("{command}\n{mistakes}"));
    match definition.build().unwrap().run("x").await {
        Ok(_) => true,
        Err(error) if error.id() == ErrorId::EFFECT_REFUSED => false,
        // The command began, and failed.
        Err(_) => true,
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_command_that_only_begins_like_an_allowed_one_is_not_allowed() {
    let commands = [
        "echo x; touch made",
        "echo x && touch made",
        "echo x || touch made",
        "echo x & touch made",
        "echo x | tee made",
        "echo x\ntouch made",
        "echo $(touch made)",
        "echo `touch made`",
        "echo \"$(touch made)\"",
        "echo x > made",
        "echo x >> made",
        "echo x >| made",
        "echo x 2> made",
        "echo < /etc/passwd",
        "echo x 3< /etc/passwd",
        "echo x <> made",
        "echo x; < /etc/passwd",
        "echo \"$(< /etc/passwd)\"",
        "if true; then touch made; fi",
        "{ touch made; }",
        "(touch made)",
        "echo() { touch made; }; echo",
        "A=$(touch made) echo x",
        "PATH=.:$PATH echo x",
        "./echo x",
        "\"$SHELL\" -c 'touch made'",
        "sh -c 'touch made'",
        "eval 'touch made'",
        "echo ${X:-$(touch made)}",
        "cat <<EOF\n$(touch made)\nEOF",
        "echo x # \ntouch made",
        "echo x \\\n; touch made",
        "! touch made",
        "exec touch made",
        "ec*o x",
        "{echo,x}",
    ];
    for command in commands {
        let place = Place::new();
        let permissions = place.rules("allow", &["shell: echo *"]);
        assert!(!unattended(&place, &json!(command), permissions).await, "{command}");
        assert!(!place.made(), "{command}");
    }
    for command in [
        json!("echo x"),
        json!("echo 'x; touch made'"),
        json!("echo \"a && b\" > /dev/null 2>&1"),
        json!("echo a < /dev/null"),
        json!("echo a && echo b"),
        json!("echo a | echo b; echo c"),
        json!({"command": "echo \"$1\"", "args": ["; touch made"]}),
        json!({"argv": ["echo", "$(touch made)"]}),
    ] {
        let place = Place::new();
        let permissions = place.rules("allow", &["shell: echo *"]);
        assert!(unattended(&place, &command, permissions).await, "{command}");
        assert!(!place.made(), "{command}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_denied_command_is_found_behind_others_and_where_it_may_hide() {
    let commands = [
        "touch made",
        "echo x; touch made",
        "/usr/bin/touch made",
        "'tou'ch made",
        "\\touch made",
        "env touch made",
        "env -i /bin/touch made",
        "nice -n 5 touch made",
        "sh -c 'touch made'",
        "sh -c \"sh -c 'touch made'\"",
        "echo made | xargs touch",
        "find . -maxdepth 0 -exec touch made ';'",
        "$(echo touch) made",
        "T=touch; $T made",
        "eval touch made",
        "sh <<EOF\ntouch made\nEOF",
        "if true; then touch made; fi",
    ];
    for command in commands {
        let place = Place::new();
        let mut permissions = place.rules("deny", &["shell: touch *"]);
        permissions.allow = place.rules("allow", &["shell"]).allow;
        assert!(!unattended(&place, &json!(command), permissions).await, "{command}");
        assert!(!place.made(), "{command}");
    }
    for argv in [json!(["env", "touch", "made"]), json!(["sh", "-c", "cd . && touch made"])] {
        let place = Place::new();
        let mut permissions = place.rules("deny", &["shell: touch *"]);
        permissions.allow = place.rules("allow", &["shell"]).allow;
        assert!(!unattended(&place, &json!({ "argv": argv }), permissions).await, "{argv}");
        assert!(!place.made(), "{argv}");
    }
}

#[tokio::test]
async fn a_redirect_to_an_address_that_is_not_allowed_is_not_followed() {
    let place = Place::new();
    let target = format!("{}/secret", place.server.address);
    let moved = format!(
        "HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    let from = Server::new(moved);
    let text = steps(&format!("  - {{name: act, http_get: '{}/x'}}\n", from.address));
    let allowed = format!("http: GET {}/*", from.address);
    let error = refused(place.workflow(&text, place.rules("allow", &[&allowed])).run("x").await);
    assert!(error.contains("redirects to") && error.contains("/secret"), "{error}");
    assert_eq!((from.count(), place.server.count()), (1, 0));
    let both = place.rules("allow", &[&allowed, "http: GET SERVER/*"]);
    place.workflow(&text, both).run("x").await.unwrap();
    assert_eq!((from.count(), place.server.count()), (2, 1));
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_does_not_lead_out_of_an_allowed_directory() {
    let place = Place::new();
    let base = place.dir.path();
    for dir in ["keys", "out"] {
        std::fs::create_dir(base.join(dir)).unwrap();
    }
    std::fs::write(base.join("keys/a.md"), "secret").unwrap();
    let link = |from: &str, to: &str| std::os::unix::fs::symlink(base.join(from), base.join(to));
    link("keys", "out/keys").unwrap();
    link("keys/a.md", "docs/b.md").unwrap();
    let run = async |step: &str, rule: &str| {
        let options = Options { unattended: true, ..place.options(place.rules("allow", &[rule])) };
        let text = steps(&format!("  - {{name: act, {step}}}\n"));
        let definition = Definition::parse(&text, "test.yaml", &options).unwrap();
        definition.build().unwrap().run("x").await
    };
    refused(run("write_file: {path: out/keys/new, text: x}", "write_file: out/**").await);
    assert!(!base.join("keys/new").exists());
    refused(run("read_files: 'docs/b.md'", "read_files: docs/**").await);
    refused(run("read_files: 'docs/*.md'", "read_files: docs/**").await);
    refused(run("read_files: 'out/*/a.md'", "read_files: out/**").await);
    run("write_file: {path: out/new, text: x}", "write_file: out/**").await.unwrap();
    run("read_files: 'docs/a.md'", "read_files: docs/**").await.unwrap();
}

#[tokio::test]
async fn a_denied_file_among_those_of_a_pattern_is_not_read() {
    let place = Place::new();
    std::fs::write(place.dir.path().join("docs/key.md"), "secret").unwrap();
    let text = steps("  - {name: act, read_files: 'docs/*.md'}\n");
    let mut permissions = place.rules("allow", &["*"]);
    permissions.deny = place.rules("deny", &["read_files: docs/key.md"]).deny;
    let error = refused(place.workflow(&text, permissions).run("x").await);
    assert!(error.contains("denied"), "{error}");
}

#[tokio::test]
async fn a_file_narrows_what_its_user_allows_and_never_widens_it() {
    let text = |permissions: &str| {
        format!(
            "format: 1\nname: Test\npermissions: {permissions}\nsteps:\n  - {{name: act, \
             write_file: {{path: made, text: x}}}}\n"
        )
    };
    let place = Place::new();
    let run = async |inner: &str, outer: Permissions| {
        let options = Options { unattended: true, ..place.options(outer) };
        let definition = Definition::parse(&text(inner), "test.yaml", &options).unwrap();
        definition.build().unwrap().run("x").await
    };
    let all = || place.rules("allow", &["*"]);
    // The file allows it, and the user does not.
    for outer in [Permissions::default(), place.rules("deny", &["write_file"])] {
        refused(run("{allow: ['*']}", outer).await);
    }
    // The user allows it, and the file does not.
    let error = refused(run("{deny: [write_file: made]}", all()).await);
    assert!(error.contains("of the file `test.yaml`"), "{error}");
    refused(run("{allow: [write_file: other/**]}", all()).await);
    assert!(!place.made());
    run("{allow: [write_file: made]}", all()).await.unwrap();
    assert!(place.made());
}

#[tokio::test]
async fn the_permissions_of_a_nested_file_hold_inside_it_alone() {
    let place = Place::new();
    let inner = "format: 1\nname: Inner\npermissions: {deny: [write_file]}\nsteps:\n  - {name: \
                 act, write_file: {path: made, text: x}}\n";
    std::fs::write(place.dir.path().join("inner.yaml"), inner).unwrap();
    let outer = "format: 1\nname: Outer\nsteps:\n  - {name: before, write_file: {path: first, \
                 text: x}}\n  - {name: inner, workflow: inner.yaml}\n";
    let path = place.dir.path().join("outer.yaml");
    std::fs::write(&path, outer).unwrap();
    let options = Options { permissions: None, ..place.options(Permissions::default()) };
    let workflow = Definition::read(&path, &options).unwrap().build().unwrap();
    let error = workflow.run("x").await.unwrap_err();
    assert_eq!(error.id(), ErrorId::EFFECT_REFUSED, "{error}");
    assert_eq!(error.step().unwrap().as_str(), "inner/act");
    assert!(place.dir.path().join("first").exists() && !place.made());
}

#[tokio::test]
async fn always_holds_for_the_session_and_for_no_other() {
    let place = Place::new();
    let text = steps(
        "  - {name: first, write_file: {path: made, text: x}}\n  - {name: second, write_file: \
         {path: made, text: y}}\n",
    );
    let workflow = place.workflow(&text, Permissions::default());
    let paused = workflow.run("x").session_id("s-1").await.unwrap();
    let RequirementKind::Permission { rule, .. } = &paused.requirements[0].kind else { panic!() };
    assert_eq!(rule.as_deref(), Some("write_file: made"));
    let answer = [("first", Answer::Always)];
    let output = workflow.continue_run(&paused.run_id, answer).await.unwrap();
    assert_eq!(output.status, RunStatus::Completed, "the second step does not ask again");
    assert_eq!(
        judged(&output.events.unwrap()),
        ["ask by the user: no rule", "allow by an earlier answer: write_file: made"],
    );
    let state = workflow.get_session_state("s-1").await.unwrap();
    assert_eq!(state[ALLOWED_KEY], json!(["write_file: made"]));
    let output = workflow.run("x").session_id("s-1").await.unwrap();
    assert_eq!(output.status, RunStatus::Completed);
    let other = workflow.run("x").session_id("s-2").await.unwrap();
    assert_eq!(other.status, RunStatus::Paused);
}

#[tokio::test]
async fn once_is_not_always() {
    let place = Place::new();
    let text = steps(
        "  - {name: first, write_file: {path: made, text: x}}\n  - {name: second, write_file: \
         {path: made, text: y}}\n",
    );
    let workflow = place.workflow(&text, Permissions::default());
    let paused = workflow.run("x").await.unwrap();
    let answer = [("first", Answer::Approve)];
    let again = workflow.continue_run(&paused.run_id, answer).await.unwrap();
    assert_eq!(again.requirements[0].path.as_str(), "second");
}

#[test]
fn a_file_cannot_write_the_permissions_of_the_session() {
    for change in ["set_state: {KEY: ['*']}", "append_state: {KEY: '*'}", "merge_state: {KEY: {}}"]
    {
        is_reserved(&steps(&format!("  - {{name: set, {change}}}\n")));
    }
    is_reserved(&format!("session_state: {{KEY: ['*']}}\n{}", steps("  - {name: a, value: x}\n")));
}

/// Checks that a file is refused that changes the permissions of the session.
fn is_reserved(text: &str) {
    let text = text.replace("KEY", &format!("'{ALLOWED_KEY}'"));
    let mistakes = Definition::parse(&text, "test.yaml", &Options::default()).unwrap_err();
    let told = mistakes.to_string();
    assert!(told.contains("reserved for the permissions of the session"), "{told}");
}

#[tokio::test]
async fn where_no_person_can_be_asked_the_message_says_what_to_write() {
    let place = Place::new();
    let text = steps("  - {name: act, shell: {argv: [touch, made]}}\n");
    let options = Options { unattended: true, ..place.options(Permissions::default()) };
    let definition = Definition::parse(&text, "test.yaml", &options).unwrap();
    let error = definition.build().unwrap().run("x").await.unwrap_err();
    assert_eq!(error.id(), ErrorId::EFFECT_REFUSED);
    assert!(error.to_string().contains("no person can be asked"), "{error}");
    let hint = error.hint().unwrap();
    assert!(hint.contains(r#"permissions: {allow: ["shell: touch made"]}"#), "{hint}");
    assert!(!place.made());
}

#[tokio::test]
async fn a_question_survives_its_process() {
    let place = Place::new();
    let store = Memory::default();
    let text = steps("  - {name: act, write_file: {path: made, text: x}}\n");
    let built = || {
        let options = place.options(Permissions::default());
        let definition = Definition::parse(&text, "test.yaml", &options).unwrap();
        definition.builder().unwrap().store(store.clone()).build().unwrap()
    };
    let paused = built().run("x").await.unwrap();
    let output = built().continue_run(&paused.run_id, [("act", Answer::Approve)]).await.unwrap();
    assert_eq!(output.step_at("act").unwrap().status, StepStatus::Completed);
    assert!(place.made());
}

#[test]
fn mistakes_in_permissions_are_reported_at_their_place() {
    let mistake = |permissions: &str| {
        let text = format!(
            "format: 1\nname: Test\npermissions: {permissions}\nsteps: [{{name: a, template: x}}]\n"
        );
        let mistakes = Definition::parse(&text, "test.yaml", &Options::default()).unwrap_err();
        let first = mistakes.iter().next().unwrap();
        format!("{}:{} {} ({})", first.line, first.column, first.message, {
            first.help.clone().unwrap_or_default()
        })
    };
    for (permissions, wanted) in [
        ("{allow: [shel: x]}", "3:23 no effect is called `shel` (did you mean `shell`?)"),
        ("{allow: ['write_file: ../x']}", "rule `write_file: ../x` is not valid: it contains `..`"),
        ("{allow: shell}", "3:22 `allow` is a list"),
        ("{alow: []}", "`permissions` has no key `alow` (did you mean `allow`?)"),
        ("{}", "`permissions` says nothing"),
        ("{deny: [7]}", "a rule is a text such as `shell: git *`"),
        ("{deny: [{shell: 7}]}", "the pattern of `shell` is a text"),
    ] {
        let told = mistake(permissions);
        assert!(told.contains(wanted), "{permissions}: {told}");
    }
}

#[test]
fn a_file_with_commands_is_read_with_permissions_and_without_allow_shell() {
    let text = steps("  - {name: act, shell: echo x}\n");
    let dir = Path::new(".");
    let refused = Options { base_dir: Some(dir.into()), ..Options::default() };
    assert!(Definition::parse(&text, "test.yaml", &refused).is_err());
    let judged = Options { permissions: Some(Permissions::default()), ..refused };
    Definition::parse(&text, "test.yaml", &judged).unwrap();
}

/// Each container, with a step inside, and the number of times that the step runs.
const CONTAINERS: [(&str, &str, usize); 7] = [
    ("steps", "{name: c, steps: [STEP]}", 1),
    ("parallel", "{name: c, parallel: , branches: [STEP, {name: beside, template: x}]}", 1),
    ("loop", "{name: c, loop: {at_most: 2}, do: [STEP]}", 2),
    ("map", "{name: c, map: {over: '= [1, 2]'}, do: [STEP]}", 2),
    ("if", "{name: c, if: = true, then: [STEP]}", 1),
    ("router", "{name: c, router: act, choices: [STEP]}", 1),
    ("workflow", "{name: c, workflow: inner.yaml}", 1),
];

#[tokio::test]
async fn a_permission_is_asked_for_in_each_container() {
    for (kind, container, times) in CONTAINERS {
        let place = Place::new();
        let step = "{name: act, write_file: {path: made, text: x}}";
        let inner = format!("format: 1\nname: Inner\nsteps: [{step}]\n");
        let path = place.dir.path().join("outer.yaml");
        std::fs::write(place.dir.path().join("inner.yaml"), inner).unwrap();
        std::fs::write(&path, steps(&format!("  - {}\n", container.replace("STEP", step))))
            .unwrap();
        let store = Memory::default();
        // Each answer reaches the run in a process of its own.
        let built = || {
            let definition = Definition::read(&path, &place.options(Permissions::default()));
            let definition = definition.unwrap_or_else(|mistakes| panic!("{kind}\n{mistakes}"));
            definition.builder().unwrap().store(store.clone()).build().unwrap()
        };
        let mut output = built().run("x").run_id("r").await.unwrap();
        let mut answered = 0;
        while output.status == RunStatus::Paused {
            let asked = &output.requirements[0];
            assert!(matches!(asked.kind, RequirementKind::Permission { .. }), "{kind}: {asked:?}");
            assert_eq!(asked.path.name(), "act", "{kind}");
            let id = asked.id.to_string();
            let answer = [(id.as_str(), Answer::Approve)];
            output = built().continue_run("r", answer).await.unwrap();
            answered += 1;
        }
        assert_eq!((output.status, answered), (RunStatus::Completed, times), "{kind}");
        assert!(place.made(), "{kind}");
    }
}

#[test]
fn check_warns_of_an_agent_that_strangers_can_make_send_files_away() {
    let warnings = |tools: &str| {
        let text = format!(
            "format: 1\nname: Test\nagents: {{a: {{model: offline, tools: [{tools}]}}}}\nsteps: \
             [{{name: act, agent: a}}]\n"
        );
        let definition = Definition::parse(&text, "test.yaml", &Options::default()).unwrap();
        definition.warnings().iter().map(|warning| warning.message.clone()).collect::<Vec<_>>()
    };
    let told = warnings("http_get, read_file");
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("agent `a` reads pages and files, and fetches addresses"), "{told:?}");
    for tools in ["http_get", "read_file", "duckduckgo, read_file", "duckduckgo, http_get"] {
        assert_eq!(warnings(tools), [""; 0], "{tools}");
    }
}
