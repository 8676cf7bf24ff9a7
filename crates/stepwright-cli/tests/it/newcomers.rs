//! The first hours with the command: files without keys, forgotten options, answers, and failures
//! at night.

use crate::support::{ASKING, GREETING, Place};
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

/// A file whose models, of all agents and of one, have no key here.
const KEYLESS: &str = "\
format: 1
name: Keyless
model: openai:gpt-5-mini
agents:
  one: {instructions: One sentence.}
  two: {instructions: One sentence., model: anthropic:claude-sonnet-5}
steps:
  - {name: first, agent: one, prompt: The sky is blue.}
  - name: second
    agent: two
    prompt: The grass is green.
    human_review: {requires_confirmation: Go on?}
";

#[test]
fn a_model_on_the_command_line_needs_no_key_for_those_of_the_file() {
    let place = Place::with(KEYLESS);
    let run = ["--model", "offline", "--db", "a.db", "--run-id", "r-1"];
    place.run(run).ended(3);
    place.on_db(&["continue", "r-1", "--approve", "second"]).ended(0);
    place.run(["--model", "offline", "--no-db", "--json"]).ended(3);
    let keyless = place.run(["--no-db"]).ended(2);
    for words in ["no key for provider `openai`", "`--model offline`", "`--env-file"] {
        assert!(keyless.stderr.contains(words), "{words}: {keyless:#?}");
    }
    let explained = place.ran(["explain", "SW0211"]).ended(0);
    assert!(explained.stdout.contains("key of the provider is missing"), "{explained:#?}");
}

#[test]
fn a_dash_reads_the_input_from_stdin() {
    let place = Place::with(GREETING);
    let ran = place.ran_on(&["run", "flow.yaml", "-", "--no-db"], b"Ada\n").ended(0);
    assert_eq!(ran.stdout, "Hello Ada!\n");
}

#[test]
fn a_server_tells_of_each_run_that_fails_and_each_time_without_a_run() {
    let failing = "on: {schedule: {every: 1s, input: {day: '= input.at'}}}\n\
                   steps: [{name: sum, value: '= input.nothing'}]\n";
    let place = Place::with(&format!("format: 1\nname: Nightly\nid: nightly\n{failing}"));
    let unfit = "format: 1\nname: Unfit\n\
                 on: {schedule: {every: 1s, input: '= input.at'}}\n\
                 input: {type: object, properties: {day: {type: string}}}\n\
                 steps: [{name: a, template: x}]\n";
    place.write("unfit.yaml", unfit);
    let arguments = ["serve", "flow.yaml", "unfit.yaml", "--port", "0", "--db", "a.db"];
    let mut command = place.command(arguments);
    let mut server = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
    let mut missing = vec!["the run failed", "`unfit.schedule` began no run"];
    let mut failed = String::new();
    for line in lines.by_ref().map_while(Result::ok) {
        if line.contains("the run failed") {
            failed.clone_from(&line);
        }
        missing.retain(|words| !line.contains(words));
        if missing.is_empty() {
            break;
        }
    }
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(missing.is_empty(), "{missing:?}");
    for words in ["run=nightly.schedule.", "workflow=nightly", "path=sum", "code=SW04"] {
        assert!(failed.contains(words), "{words}: {failed}");
    }
}

#[test]
fn a_step_that_a_retry_begins_anew_sees_the_time_of_then() {
    let place = Place::with(
        "format: 1\nname: Late\nsteps:\n  - {name: work, shell: 'test -e ok'}\nfinally:\n  \
         - {name: log, append_file: {path: log.txt, text: '{{ now }}'}}\n",
    );
    place.run(["--allow-shell", "--db", "a.db", "--run-id", "r-1"]).ended(1);
    place.write("ok", "");
    place.on_db(&["resume", "r-1", "--retry", "--allow-shell"]).ended(0);
    let log = std::fs::read_to_string(place.path("log.txt")).unwrap();
    let times: Vec<&str> = log.split_whitespace().collect();
    assert!(times.len() == 2 && times[0] < times[1], "{log}");
}

#[test]
fn the_question_for_more_of_a_budget_says_how_much_is_needed_and_how_to_give_it() {
    let place = Place::with(
        "format: 1\nname: Poor\nmodel: offline\nbudget: {tokens: 1, at_limit: pause}\n\
         agents: {writer: {instructions: Two sentences.}}\nsteps: [{agent: writer}]\n",
    );
    let ran = place.run(["Bees dance.", "--db", "a.db", "--run-id", "r-1"]).ended(3);
    assert!(ran.stderr.contains("The next request needs at least "), "{ran:#?}");
    assert!(ran.stderr.contains("has 1 token of 1 token left. More?"), "{ran:#?}");
    assert!(ran.stderr.contains("--submit 'writer!budget:tokens=N'"), "{ran:#?}");
    assert!(ran.stderr.contains("submit gives a number more"), "{ran:#?}");
    place.on_db(&["continue", "r-1", "--submit", "writer!budget:tokens=10000"]).ended(0);
}

#[test]
fn a_confirmation_shows_what_the_step_works_on() {
    let place = Place::with(ASKING);
    let ran = place.run(["--allow-shell", "--db", "a.db", "--run-id", "r-1"]).ended(3);
    assert!(ran.stderr.contains("  Publish it?\n  draft\n  approve, reject\n"), "{ran:#?}");
    let shown = place.on_db(&["show", "r-1"]).ended(0);
    assert!(shown.stdout.contains("⏸ publish  waiting\n"), "{shown:#?}");
    assert!(!shown.stdout.contains("running"), "{shown:#?}");
}

#[test]
fn a_run_that_is_not_found_names_the_database_and_how_to_sign() {
    let place = Place::with(ASKING);
    place.run(["--allow-shell", "--db", "a.db", "--run-id", "r-1"]).ended(3);
    let other = place.on_db(&["show", "r-9"]).ended(2);
    assert!(other.stderr.contains("run `r-9` was not found"), "{other:#?}");
    assert!(other.stderr.contains("lists those in `a.db`; pass `--db DB`"), "{other:#?}");
    let boss = place.on_db(&["continue", "r-1", "--user", "boss", "--approve", "publish"]).ended(2);
    assert!(boss.stderr.contains("`--by boss` signs an answer to any run"), "{boss:#?}");
    // A run of another user is as one that does not exist.
    let none = place.on_db(&["continue", "r-9", "--user", "boss", "--approve", "publish"]).ended(2);
    assert_eq!(none.stderr.replace("r-9", "r-1"), boss.stderr);
}

#[test]
fn a_request_is_answered_by_the_last_name_of_its_step_if_only_one_has_it() {
    let place = Place::with(
        "format: 1\nname: Refund\nsteps:\n  - name: both\n    parallel: {}\n    branches:\n        \
         - {name: left, steps: [{name: pay, template: a, human_review: \
         {requires_confirmation: Pay?}}]}\n        \
         - {name: right, steps: [{name: pay, template: b, human_review: \
         {requires_confirmation: Pay?}}, {name: send, template: c, human_review: \
         {requires_confirmation: Send?}}]}\n",
    );
    place.run(["--db", "a.db", "--run-id", "r-1"]).ended(3);
    let both = place.on_db(&["continue", "r-1", "--approve", "pay"]).ended(2);
    for id in ["`both/left/pay!confirm`", "`both/right/pay!confirm`"] {
        assert!(both.stderr.contains(id), "{both:#?}");
    }
    place.on_db(&["continue", "r-1", "--approve", "both/left/pay"]).ended(3);
    place.on_db(&["continue", "r-1", "--approve", "pay"]).ended(3);
    place.on_db(&["continue", "r-1", "--reject", "send=not yet"]).ended(0);
}

#[test]
fn words_of_other_tools_are_answered_with_those_of_this_one() {
    let place = Place::with(GREETING);
    for (line, help) in [
        (&["logs", "r-1"][..], "help: `stepwright events RUN_ID` shows the events"),
        (&["run", "flow.yaml", "--offline"], "help: write `--model offline`"),
        (&["run", "flow.yaml", "--model", "claude:sonnet"], "`anthropic:sonnet`?"),
        (&["run", "flow.yaml", "--model", "acme:x"], "the providers are `anthropic`"),
    ] {
        let refused = place.ran(line).ended(2);
        assert!(refused.stderr.contains(help), "{line:?}: {refused:#?}");
        assert!(!refused.stderr.contains("::"), "{line:?}: {refused:#?}");
        assert_eq!(refused.stderr.matches("help:").count(), 1, "{line:?}: {refused:#?}");
    }
}

#[test]
fn a_form_is_shown_with_its_fields_in_the_command_that_answers_it() {
    let place = Place::with(
        "format: 1\nname: Form\nsteps:\n  - name: fill\n    template: '{{ user_input.tone }}'\n    \
         human_review:\n      requires_user_input:\n        \
         schema:\n          type: object\n          \
         properties: {tone: {type: string}, words: {type: integer}}\n",
    );
    let ran = place.run(["--db", "a.db", "--run-id", "r-1"]).ended(3);
    let answer = "--submit 'fill!input={\"tone\": \"…\", \"words\": 0}'";
    assert!(ran.stderr.contains(answer), "{ran:#?}");
}
