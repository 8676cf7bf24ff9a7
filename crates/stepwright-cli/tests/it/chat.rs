//! Talking to a file, at a prompt and in a script.

use crate::kills::provider::Provider;
use crate::person::{CTRL_C, CTRL_D, Person};
use crate::support::{GREETING, Place};
use std::net::TcpListener;
use stepwright::{RunStatus, SessionId};

/// Quotes what it is told, and counts how often.
const ECHO: &str = "\
format: 1
name: Echo
model: offline
agents: {parrot: {}}
steps:
  - {agent: parrot}
";

/// Says something, and then waits for a server that does not answer. (A command would be told of
/// Ctrl-C as well, and might fail before it is cancelled.)
fn hanging(server: &TcpListener) -> String {
    let url = format!("http://{}/", server.local_addr().unwrap());
    format!(
        "format: 1\nname: Hanging\nmodel: offline\nagents: {{writer: {{}}}}\nsteps:\n  \
         - {{name: say, agent: writer, prompt: 'The *first* words stay.'}}\n  \
         - {{name: hang, http_get: '{url}'}}\n"
    )
}

const ALT_ENTER: &str = "\x1b\r";
const UP: &str = "\x1b[A";

#[test]
fn what_is_typed_is_answered_until_somebody_leaves() {
    let place = Place::with(GREETING);
    let person = Person::at(&place, &["--session-id", "s-1"]);
    person.sees("Greeting · session s-1");
    person.types("Ada\r");
    let screen = person.sees_prompts(2);
    assert!(screen.contains("│ Hello Ada!"), "{screen}");
    // A blank line starts no run.
    person.types("  \r");
    person.sees_prompts(3);
    person.types("/metrics\r");
    person.sees("1 run ·");
    person.sees_prompts(4);
    person.types("  EXIT \r");
    assert_eq!(person.leaves(), 0);
    let person = Person::at(&place, &[]);
    person.types(CTRL_D);
    assert_eq!(person.leaves(), 0);
}

#[test]
fn escape_stops_an_answer_and_what_is_typed_meanwhile_is_at_the_next_prompt() {
    let place = Place::with(crate::support::HANGING);
    let person = Person::at(&place, &["--allow-shell", "--db", "a.db"]);
    person.types("go\r");
    person.sees("The first words stay.");
    person.waits_until(|screen| screen.lines().last().is_some_and(|line| line.contains("hang")));
    // The sequence of an arrow key begins with Escape, and is none.
    person.types("\x1b[A");
    person.types("next");
    person.types("\x1b");
    // What is typed is shown below the answer, and afterwards at the prompt.
    let screen = person.waits_until(|screen| {
        let is_at_prompt = |line: &str| line.contains("You › next");
        screen.contains("cancelled in") && screen.lines().last().is_some_and(is_at_prompt)
    });
    assert!(screen.contains("The first words stay."), "{screen}");
    assert_eq!(place.runs_in("a.db")[0].1, stepwright::RunStatus::Cancelled);
    person.types(CTRL_C);
    person.sees_prompts(3);
    person.types("/exit\r");
    assert_eq!(person.leaves(), 4);
}

#[test]
fn a_line_that_is_typed_while_an_answer_is_written_reaches_the_agent() {
    let provider = Provider::start();
    let flow = format!(
        "format: 1\nname: Talk\nmodel: openai-chat:x@{}\nagents: {{writer: {{}}}}\n\
         steps: [{{name: write, agent: writer, prompt: '{{{{ input }}}}'}}]\n",
        provider.url()
    );
    let place = Place::with(&flow);
    let person = Person::at(&place, &["--db", "a.db", "--send", "interrupt"]);
    person.types("Wait for it\r");
    provider.waits_for(|calls| calls.first().map(|_| ()));
    person.types("hurry");
    person.sees("You › hurry");
    person.types("\r");
    let screen = person.waits_until(|screen| screen.contains("completed in"));
    let (message, answer) = (screen.find("› hurry"), screen.find("I say key-"));
    assert!(message.is_some() && message < answer, "{screen}");
    let said = |nth: usize| provider.calls("")[nth].messages.to_string().matches("hurry").count();
    assert_eq!((said(0), said(1)), (0, 1));
    person.types("/send steer\r");
    person.sees("it gets before its next request");
    person.types("/exit\r");
    assert_eq!(person.leaves(), 0);
}

#[test]
fn a_second_ctrl_c_gives_back_the_line_that_no_agent_has_got() {
    let provider = Provider::start();
    let flow = format!(
        "format: 1\nname: Talk\nmodel: openai-chat:x@{}\nagents: {{writer: {{}}}}\n\
         steps: [{{name: write, agent: writer, prompt: '{{{{ input }}}}'}}]\n\
         finally: [{{name: held, shell: 'echo x > held.txt; sleep 600'}}]\n",
        provider.url()
    );
    let place = Place::with(&flow);
    let person = Person::at(&place, &["--db", "a.db", "--allow-shell"]);
    person.types("Wait for it\r");
    provider.waits_for(|calls| calls.first().map(|_| ()));
    person.types("and this");
    person.sees("You › and this");
    person.types("\r");
    let is_typed =
        |screen: &str| screen.lines().last().is_some_and(|l| l.contains("You › and this"));
    person.waits_until(|screen| !is_typed(screen));
    person.types(CTRL_C);
    person.sees("press Ctrl-C or Esc again to stop waiting");
    // The step that runs afterwards does not end.
    person.waits_until(|screen| screen.lines().last().is_some_and(|line| line.contains("held")));
    person.types(CTRL_C);
    person.waits_until(is_typed);
    person.types(CTRL_C);
    // The next prompt drops what was typed before it.
    let is_free = |line: &str| line.trim_end().ends_with("You ›");
    person.waits_until(|screen| screen.lines().last().is_some_and(is_free));
    person.types("/exit\r");
    assert_eq!(person.leaves(), 4);
}

#[test]
fn the_model_is_changed_at_the_prompt() {
    let flow = "\
format: 1
name: Models
model: openai-chat:x@http://127.0.0.1:9/v1
agents: {writer: {}}
steps: [{agent: writer, prompt: '{{ input }}'}]
";
    let place = Place::with(flow);
    let arguments = ["chat", "flow.yaml", "--db", "a.db", "--session-id", "s-1"];
    let said = b"/model none:x\n/model\n/model offline\nThe bridge holds.\n";
    let ran = place.ran_on(&arguments, said).ended(0);
    assert!(ran.stderr.contains("`/model`: there is no model provider `none`"), "{ran:#?}");
    assert!(ran.stderr.contains("write `/model PROVIDER:MODEL`"), "{ran:#?}");
    assert!(ran.stdout.contains("all agents use offline from now on"), "{ran:#?}");
    assert!(ran.stdout.contains("The bridge holds."), "{ran:#?}");
    // A run is resumed with the model that it had.
    let shown = place.on_db(&["show", "last", "--json"]).ended(0).stdout;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["metadata"]["definition"]["model"], "offline");
    assert!(place.session_in("a.db", "s-1").is_some());
}

#[test]
fn a_question_may_have_several_lines() {
    let place = Place::with(GREETING);
    let person = Person::at(&place, &["--no-details"]);
    person.types("one \\\r");
    person.types("two");
    person.types(ALT_ENTER);
    person.types("three\r");
    let screen = person.sees_prompts(2);
    assert!(
        screen.contains("Hello one\ntwo\nthree!") || screen.contains("Hello one two three!"),
        "{screen}"
    );
    // A pasted text is one question, whatever is in it.
    person.types("\x1b[200~a\nb\x1b[201~");
    person.sees("You › a\nb");
    person.types("\r");
    let screen = person.sees_prompts(3);
    assert!(screen.contains("Hello a\nb!") || screen.contains("Hello a b!"), "{screen}");
}

#[test]
fn what_was_typed_comes_back_the_next_day() {
    let place = Place::with(GREETING);
    for name in ["Ada", "Grace"] {
        let person = Person::at(&place, &[]);
        person.types(&format!("{name}\r"));
        person.sees_prompts(2);
        person.types(CTRL_D);
        assert_eq!(person.leaves(), 0);
    }
    let person = Person::at(&place, &[]);
    person.types(UP);
    person.sees("You › Grace");
    person.types(UP);
    person.sees("You › Ada");
    person.types("\r");
    person.sees("Hello Ada!");
}

#[test]
fn ctrl_c_stops_an_answer_and_keeps_what_it_has_said() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = Place::with(&hanging(&server));
    let person = Person::at(&place, &["--db", "a.db", "--session-id", "s-1"]);
    person.types("go\r");
    // Its line moves.
    person.waits_until(|screen| screen.lines().any(|line| line.contains(" hang  ")));
    person.types(CTRL_C);
    let screen = person.sees_prompts(2);
    for shown in ["│ The first words stay.", "– hang  cancelled", "cancelled in"] {
        assert!(screen.contains(shown), "{shown}:\n{screen}");
    }
    assert_eq!(place.runs_in("a.db")[0].1, RunStatus::Cancelled);
    let facts = place.facts_in("a.db");
    stepwright_testing::grammar::check(&facts);
    // And the conversation goes on.
    person.types("/history\r");
    let screen = person.sees_prompts(4);
    assert!(screen.contains("You › go\n  cancelled"), "{screen}");
    person.types(CTRL_D);
    assert_eq!(person.leaves(), 4);
}

#[test]
fn ctrl_c_clears_what_is_being_typed() {
    let place = Place::with(GREETING);
    let person = Person::at(&place, &["--db", "a.db"]);
    person.types("nonsense");
    person.sees("You › nonsense");
    person.types(CTRL_C);
    person.sees_prompts(2);
    person.types(CTRL_C);
    person.sees("Ctrl-D or /exit quits");
    person.sees_prompts(3);
    person.types("Ada\r");
    person.sees("Hello Ada!");
    person.sees_prompts(4);
    assert_eq!(place.runs_in("a.db").len(), 1);
}

#[test]
fn commands_do_what_they_say() {
    let place = Place::with(GREETING);
    let person = Person::at(&place, &["--session-id", "s-1", "--user-id", "ada"]);
    let mut prompts = 1;
    let mut obeys = |line: &str, shown: &str| {
        person.types(&format!("{line}\r"));
        prompts += 1;
        let screen = person.sees_prompts(prompts);
        let answer = screen.rsplit("You › ").nth(1).unwrap_or_default().to_owned();
        assert!(answer.contains(shown), "{line}: {shown}\n{screen}");
    };
    obeys("/help", "/details on|off");
    obeys("/last", "there was no answer yet");
    obeys("/retry", "nothing was asked yet");
    obeys("/history", "nothing was asked in this session yet");
    obeys("/state", "{}");
    obeys("Ada", "│ Hello Ada!");
    obeys("/details off", "only answers are shown");
    obeys("/retry", "\nHello Ada!");
    obeys("/last", "Hello Ada!");
    obeys("/events on", "every event is shown");
    obeys("/retry", "completed greet");
    obeys("/events off", "events are not shown");
    obeys("/hisotry", "error[SW0118]: there is no command `/hisotry`; did you mean `/history`?");
    obeys("//Ada", "Hello /Ada!");
    obeys("/session s-2", "session s-2 · 0 runs so far");
    obeys("/session s-1", "session s-1 · 4 runs so far");
    obeys("/new", "session 0");
    person.types("/exit\r");
    assert_eq!(person.leaves(), 0);
}

#[test]
fn a_failure_is_told_and_the_prompt_goes_on() {
    let place = Place::with(
        "format: 1\nname: F\ninput: {type: object}\nsteps: [{name: a, template: '{{ input.a }}'}]\n",
    );
    let person = Person::at(&place, &[]);
    person.types("no JSON\r");
    let screen = person.sees_prompts(2);
    assert!(screen.contains("error[SW0107]: the input is not JSON"), "{screen}");
    person.types("{\"a\": \"fits\"}\r");
    let screen = person.sees_prompts(3);
    assert!(screen.contains("│ fits"), "{screen}");
}

#[test]
fn a_conversation_can_be_scripted() {
    let place = Place::with(ECHO);
    let arguments = ["chat", "flow.yaml", "--db", "a.db", "--session-id", "s-1"];
    let ran =
        place.ran_on(&arguments, b"One is a number.\n\nTwo \\\nis one.\nexit\nnever\n").ended(0);
    assert_eq!(ran.stdout, "One is a number.\n\nTwo is one.\n");
    // A note about a model is no part of the answer.
    assert!(ran.stderr.starts_with("note: offline is not a language model"), "{ran:#?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:#?}");
    // Another process goes on where this one has ended.
    let ran = place.ran_on(&arguments, b"/history\n/metrics\n").ended(0);
    assert!(ran.stdout.contains("One is a number.\n  One is a number."), "{ran:#?}");
    assert!(ran.stdout.contains("\n2 runs"), "{ran:#?}");
    assert_eq!(place.runs_in("a.db").len(), 2);
    assert!(place.session_in("a.db", "s-1").is_some());
}

#[test]
fn the_last_answer_decides_how_a_script_ends() {
    let flow = "format: 1\nname: F\nsteps: [{name: a, template: '{{ input.x.y }}'}]\n";
    let place = Place::with(flow);
    let ran = place.ran_on(&["chat", "flow.yaml"], b"fails\n").ended(1);
    assert_eq!(ran.stdout, "");
    assert!(ran.stderr.contains("error[SW0611]: step `a` failed"), "{ran:#?}");
    assert!(!ran.stderr.contains('\x1b'), "{ran:#?}");
    let place = Place::with(GREETING);
    let ran = place.ran_on(&["chat", "flow.yaml", "first"], b"/unknown\n").ended(0);
    assert_eq!(ran.stdout, "Hello first!\n");
    assert!(ran.stderr.contains("error[SW0118]: there is no command `/unknown`"), "{ran:#?}");
}

#[test]
fn a_session_of_somebody_else_is_not_told() {
    let place = Place::with(GREETING);
    let chat = |user: &str, said: &[u8], code: i32| {
        let arguments =
            ["chat", "flow.yaml", "--db", "a.db", "--session-id", "s-1", "--user-id", user];
        place.ran_on(&arguments, said).ended(code)
    };
    chat("ada", b"secret\n", 0);
    let ran = chat("eve", b"hello\n/history\n/state\n/metrics\n", 2);
    assert_eq!(ran.stdout, "");
    assert_eq!(ran.stderr.matches("session `s-1` was not found").count(), 4, "{ran:#?}");
    let session = SessionId::new("s-1").unwrap();
    assert_eq!(place.session_in("a.db", "s-1").unwrap().session_id, session);
}
