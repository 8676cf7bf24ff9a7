//! Agents that act, in processes that are killed: calls of MCP servers, a workflow with an agent as
//! a tool, and a coding agent beside them.

use super::{Kept, Process, check, lines, resume_command, run_command};
use crate::kills::provider::{Call, Provider};
use crate::support::{PATIENCE, Place};
use std::collections::HashSet;
use std::time::{Duration, Instant};
use stepwright::{Event, EventKind};

const CODER: &str = include_str!("../../../../../examples/workflows/agents/scripted.py");

/// A server of MCP with two tools. Each call leaves a line; one never ends.
const NOTE: &str = "\
format: 1
name: Note
description: Notes a text.
steps:
  - {name: note, shell: {command: 'echo \"$1\" >> calls.txt', args: ['{{ input }}']}}
";
const HANG: &str = "\
format: 1
name: Hang
description: Never ends.
steps:
  - {name: hang, shell: {command: 'echo hang >> calls.txt; sleep 600', timeout: 1h}}
";

/// A workflow that is a tool, with an agent of its own.
const INNER: &str = "\
format: 1
name: Inner
description: Asks another agent.
model: openai-chat:scripted
agents: {inner: {instructions: Answer.}}
steps:
  - {name: asked, agent: inner, prompt: 'Inner {{ input }}'}
  - {name: note, shell: 'echo inner >> calls.txt'}
";

/// A place with an agent that uses these tools, in a branch beside this one.
fn place(plan: &str, beside: &str, server: &str) -> Place {
    // Its runs are in the database that its arguments name.
    let command = Place::with("").command([""]);
    let own = command.get_program().display();
    let place = Place::with(&format!(
        "format: 1\nname: Acting\nmodel: openai-chat:scripted\nmcp:\n  notes:\n    command: \
         {own}\n    args: [mcp, note.yaml, hang.yaml, --allow-shell, --db, notes.db]\n{server}\
         agents:\n  caller: {{instructions: Call., tools: [mcp:notes, workflow: {{file: \
         inner.yaml}}]}}\n  writer: {{instructions: Write.}}\nsteps:\n  - name: both\n    \
         parallel: {{join: wait_all}}\n    branches:\n      - {{name: calls, agent: caller, \
         prompt: '{plan}'}}\n{beside}"
    ));
    for (name, text) in
        [("note.yaml", NOTE), ("hang.yaml", HANG), ("inner.yaml", INNER), ("coder.py", CODER)]
    {
        place.write(name, text);
    }
    place
}

const CODE: &str = "      - {name: code, prompt: A line., agent: {harness: {acp: [python3, \
    coder.py]}, questions: allow}}\n";

/// Waits until this is true of the facts of the run.
#[track_caller]
pub(super) fn waits_for(kept: &Kept, is_so: impl Fn(&[Event]) -> bool) {
    let until = Instant::now() + PATIENCE;
    loop {
        let facts = kept.facts("r-1");
        if is_so(&facts) {
            return;
        }
        assert!(Instant::now() < until, "{facts:#?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(super) fn has_completed(facts: &[Event], path: &str) -> bool {
    facts.iter().any(|fact| {
        fact.path.as_str() == path && matches!(fact.kind, EventKind::StepCompleted { .. })
    })
}

/// Asserts that no request that was answered was sent again.
#[track_caller]
pub(super) fn check_calls(calls: &[Call]) {
    let mut answered = HashSet::new();
    for call in calls.iter().filter(|call| call.answered) {
        assert!(answered.insert(&call.key), "asked twice: {call:#?}");
    }
}

#[test]
fn a_kill_between_two_tool_calls_repeats_none_of_them() {
    let plan = "Use notes__note, inner, wait, notes__note";
    let (place, provider) = (place(plan, CODE, ""), Provider::start());
    let kept = Kept::file(&place, "runs.db");
    let mut first = Process::start(&mut run_command(&place, &kept, "r-1"), &provider, "a.1");
    provider.waits_for(|calls| calls.iter().find(|call| call.waits).map(|_| ()));
    waits_for(&kept, |facts| has_completed(facts, "both/code"));
    assert!(first.kill(), "it waits for its model");
    provider.lets_go("a.2");
    let resumed = Process::start(&mut resume_command(&place, &kept, "r-1"), &provider, "a.2");
    resumed.ended().ended(0);
    check(&kept.facts("r-1"));
    let called = std::fs::read_to_string(place.path("calls.txt")).unwrap();
    assert_eq!(called, "0\ninner\n2\n");
    assert_eq!(lines(&place, "CHANGES.md"), 1, "the coding agent worked once");
    check_calls(&provider.calls("a."));
    // Of what was asked, the request that was waiting alone was sent again.
    let second = provider.calls("a.2");
    assert_eq!(second.len(), 2, "{second:#?}");
}

#[test]
fn a_call_of_a_server_that_was_cut_off_asks_and_is_not_made_again() {
    let (place, provider) = (place("Use notes__hang", CODE, ""), Provider::start());
    let kept = Kept::file(&place, "runs.db");
    let mut first = Process::start(&mut run_command(&place, &kept, "r-1"), &provider, "a.1");
    waits_for(&kept, |facts| has_completed(facts, "both/code") && lines(&place, "calls.txt") == 1);
    assert!(first.kill(), "it waits for the server");
    let resumed = Process::start(&mut resume_command(&place, &kept, "r-1"), &provider, "a.2");
    let asked = resumed.ended().ended(7);
    assert!(asked.stderr.contains("both/calls/notes__hang#1"), "{asked:#?}");
    assert_eq!(lines(&place, "calls.txt"), 1, "it was not made again in silence");
    let answer = ["continue", "r-1", "--done", "both/calls/notes__hang#1=done by hand"];
    let mut answer = place.command(answer);
    answer.args(["--allow-shell", "--db", &kept.0]);
    Process::start(&mut answer, &provider, "a.3").ended().ended(0);
    check(&kept.facts("r-1"));
    assert_eq!((lines(&place, "calls.txt"), lines(&place, "CHANGES.md")), (1, 1));
    check_calls(&provider.calls("a."));
    let told = provider.calls("a.3").last().unwrap().messages.to_string();
    assert!(told.contains("done by hand"), "{told}");
}

#[test]
fn a_question_in_a_branch_outlives_its_process_and_is_answered_in_another() {
    let beside = "      - {name: words, agent: writer, prompt: Wait here.}\n";
    let confirmed = "    confirm: [note]\n";
    let (place, provider) = (place("Use notes__note", beside, confirmed), Provider::start());
    let kept = Kept::file(&place, "runs.db");
    let mut first = Process::start(&mut run_command(&place, &kept, "r-1"), &provider, "a.1");
    provider.waits_for(|calls| calls.iter().find(|call| call.waits).map(|_| ()));
    waits_for(&kept, |facts| facts.iter().any(|fact| fact.kind.requirement().is_some()));
    assert!(first.kill(), "one branch waits for its model, and one for a person");
    assert_eq!(lines(&place, "calls.txt"), 0);
    provider.lets_go("a.2");
    let mut answer = place.command(["continue", "r-1", "--approve", "both/calls/notes__note#1"]);
    answer.args(["--allow-shell", "--db", &kept.0]);
    Process::start(&mut answer, &provider, "a.2").ended().ended(0);
    check(&kept.facts("r-1"));
    assert_eq!(lines(&place, "calls.txt"), 1);
    check_calls(&provider.calls("a."));
}

#[test]
fn a_cancel_from_another_process_ends_the_answer_that_streams() {
    let beside = "      - {name: words, agent: writer, prompt: Stream words.}\n";
    let (place, provider) = (place("Use notes__hang", beside, ""), Provider::start());
    let kept = Kept::file(&place, "runs.db");
    let running = Process::start(&mut run_command(&place, &kept, "r-1"), &provider, "a.1");
    let until = Instant::now() + PATIENCE;
    while lines(&place, "calls.txt") == 0 || provider.calls("a.1").len() < 2 {
        assert!(Instant::now() < until, "{:#?}", provider.calls("a."));
        std::thread::sleep(Duration::from_millis(10));
    }
    place.ran(["cancel", "r-1", "--db", &kept.0]).ended(0);
    let ran = running.ended();
    assert_ne!(ran.code, 0, "{ran:#?}");
    let facts = kept.facts("r-1");
    check(&facts);
    assert_eq!(facts.last().unwrap().name(), "WorkflowCancelled");
    // The provider notices that its reader has gone.
    provider.waits_for(|calls| calls.iter().find(|call| call.left).map(|_| ()));
    assert_eq!(provider.calls("a.").len(), 2);
}
