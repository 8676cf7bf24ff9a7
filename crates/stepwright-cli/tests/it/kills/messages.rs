//! Messages to agents in other processes, which die or go on.

use super::{Kept, Process, check, resume_command, run_command};
use crate::kills::provider::{Call, Provider};
use crate::support::Place;

const FLOW: &str = "\
format: 1
name: Talk
model: openai-chat:scripted
agents: {writer: {instructions: Write.}}
steps:
  - {name: write, agent: writer, prompt: 'Wait for {{ input }}'}
";

/// The number of messages of a request that say this.
fn said(call: &Call, what: &str) -> usize {
    call.messages.to_string().matches(what).count()
}

#[test]
fn a_message_to_a_process_that_is_killed_is_given_once_by_the_next_one() {
    let (place, provider) = (Place::with(FLOW), Provider::start());
    let kept = Kept::file(&place, "runs.db");
    let mut first = Process::start(&mut run_command(&place, &kept, "r-1"), &provider, "m.1");
    provider.waits_for(|calls| calls.first().map(|_| ()));
    let sent = ["send", "r-1", "hurry up", "--by", "ada", "--db", &kept.0];
    assert!(place.ran(sent).ended(0).stderr.contains("was sent to run r-1"));
    assert!(first.kill(), "it waits for its model");
    // The request that had begun is sent again as it was. The message comes after its answer.
    provider.lets_go("m.2");
    let resumed = Process::start(&mut resume_command(&place, &kept, "r-1"), &provider, "m.2");
    resumed.ended().ended(0);
    let facts = kept.facts("r-1");
    check(&facts);
    let given = facts.iter().filter(|fact| fact.name() == "MessageReceived").count();
    assert_eq!(given, 1);
    let calls = provider.calls("m.");
    let times: Vec<usize> = calls.iter().map(|call| said(call, "hurry up")).collect();
    assert_eq!(times, [0, 0, 1], "{calls:#?}");
    // It has ended: the message is for the next run of the session.
    let late = place.ran(["send", "r-1", "and now?", "--db", &kept.0]).ended(0);
    assert!(late.stderr.contains("the next run of its session gets the message"), "{late:?}");
}

#[test]
fn an_interruption_from_another_process_cuts_the_answer_off() {
    let (place, provider) = (Place::with(FLOW), Provider::start());
    let kept = Kept::file(&place, "runs.db");
    let running = Process::start(&mut run_command(&place, &kept, "r-1"), &provider, "m.1");
    provider.waits_for(|calls| calls.first().map(|_| ()));
    let interrupt = ["send", "r-1", "enough", "--mode", "interrupt", "--db", &kept.0];
    place.ran(interrupt).ended(0);
    // The provider never answers what it was told to wait for.
    running.ended().ended(0);
    let facts = kept.facts("r-1");
    check(&facts);
    let names: Vec<&str> = facts.iter().map(stepwright::Event::name).collect();
    let cut = names.iter().position(|name| *name == "ModelRequestInterrupted").unwrap();
    assert_eq!(names[cut + 1], "MessageReceived");
    let times: Vec<usize> = provider.calls("m.").iter().map(|call| said(call, "enough")).collect();
    assert_eq!(times, [0, 1]);
}

#[test]
fn a_message_that_cannot_be_sent_is_refused_with_the_reason() {
    let place = Place::with("format: 1\nname: Plain\nsteps: [{name: a, template: b}]\n");
    place.ran(["run", "flow.yaml", "--db", "a.db", "--run-id", "r-1"]).ended(0);
    let refused = place.ran(["send", "r-1", "hi", "--db", "a.db"]).ended(2);
    assert!(refused.stderr.contains("SW0734"), "{refused:?}");
    let empty = place.ran(["send", "r-1", " ", "--db", "a.db"]).ended(2);
    assert!(empty.stderr.contains("SW0733"), "{empty:?}");
    let mode = place.ran(["send", "r-1", "hi", "--mode", "now", "--db", "a.db"]).ended(2);
    assert!(mode.stderr.contains("write `steer`, `follow_up` or `interrupt`"), "{mode:?}");
    place.ran(["send", "none", "hi", "--db", "a.db"]).ended(2);
}

#[test]
fn a_second_process_of_a_busy_session_gives_its_input_to_the_first_one_or_is_rejected() {
    let of_session = |place: &Place, kept: &Kept, run: &str| {
        let mut command = run_command(place, kept, run);
        command.args(["--session-id", "s-1"]);
        command
    };
    for on_busy in ["interrupt", "reject"] {
        let flow = FLOW.replace("name: Talk\n", &format!("name: Talk\non_busy: {on_busy}\n"));
        let (place, provider) = (Place::with(&flow), Provider::start());
        let kept = Kept::file(&place, "runs.db");
        let mut first = of_session(&place, &kept, "r-1");
        let first = Process::start(&mut first, &provider, "m.1");
        provider.waits_for(|calls| calls.first().map(|_| ()));
        let mut second = of_session(&place, &kept, "r-2");
        let second = Process::start(&mut second, &provider, "m.2").ended();
        if on_busy == "reject" {
            assert!(second.ended(8).stderr.contains("SW0736"));
            assert!(kept.facts("r-2").is_empty());
            provider.lets_go("m.1");
            first.ended().ended(0);
            continue;
        }
        let (first, second) = (first.ended().ended(0), second.ended(0));
        assert!(first.stdout.contains("I say key-") && first.stdout == second.stdout);
        assert!(kept.facts("r-2").is_empty(), "no second run began");
        let given = kept.facts("r-1");
        assert_eq!(given.iter().filter(|fact| fact.name() == "MessageReceived").count(), 1);
    }
    let place =
        Place::with("format: 1\nname: P\non_busy: steer\nsteps: [{name: a, template: b}]\n");
    let refused = place.ran(["check", "flow.yaml"]).ended(2);
    assert!(refused.stderr.contains("`on_busy: steer` needs an agent"), "{refused:?}");
}
