//! Events for runs in other processes, which die before they take them, or go on.

use super::{Kept, Process, check, resume_command, run_command};
use crate::kills::provider::Provider;
use crate::support::Place;
use stepwright_testing::postgres;

/// One branch waits for an event, and the other one keeps the process at work.
const FLOW: &str = "\
format: 1
name: Orders
model: openai-chat:scripted
agents: {writer: {instructions: Write.}}
steps:
  - name: board
    parallel:
    branches:
      - {name: paid, wait_for: {event: order.paid, key: = input, match: = event.amount > 3}}
      - {name: write, agent: writer, prompt: 'Wait for {{ input }}'}
  - {name: told, template: 'paid {{ steps.board.paid.amount }}'}
";

#[test]
fn an_event_for_a_process_that_is_killed_is_received_once_from_a_file() {
    let place = Place::with(FLOW);
    survives(&place, &Kept::file(&place, "runs.db"));
}

#[test]
fn an_event_for_a_process_that_is_killed_is_received_once_from_a_server() {
    let Some(server) = postgres::server() else { return };
    let place = Place::with(FLOW);
    survives(&place, &Kept(server.database()));
}

fn survives(place: &Place, kept: &Kept) {
    let provider = Provider::start();
    let mut first = Process::start(&mut run_command(place, kept, "r-1"), &provider, "m.1");
    provider.waits_for(|calls| calls.first().map(|_| ()));
    let waits = |fact: &stepwright::Event| {
        fact.kind.requirement().is_some_and(stepwright::Requirement::is_event)
    };
    while !kept.facts("r-1").iter().any(waits) {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let emit = |payload: &str, key: &str| {
        let words = ["emit", "order.paid", "--key", key, "--id", "e-1", "--by", "ada"];
        let words = words.into_iter().chain(["-i", payload, "--db", &kept.0]);
        place.ran(words).ended(0)
    };
    let none = "event e-1 was received by 0 runs\n";
    let refused = emit(r#"{"amount": 2}"#, "ants");
    assert_eq!(refused.stdout, none);
    assert!(refused.stderr.contains("no run waits for this event now"), "{refused:?}");
    assert_eq!(emit(r#"{"amount": 5}"#, "bees").stdout, none);

    // It takes nothing any more, and is killed after the event was accepted.
    let mut stop = std::process::Command::new("kill");
    assert!(stop.arg("-STOP").arg(first.id().to_string()).status().unwrap().success());
    let received = emit(r#"{"amount": 5}"#, "ants");
    assert_eq!(received.stdout, "event e-1 was received by run r-1\n");
    let again = emit(r#"{"amount": 5}"#, "ants").stdout;
    assert_eq!(again, "event e-1 was received before\n", "the same id again");
    assert!(first.kill());

    provider.lets_go("m.2");
    let resumed = Process::start(&mut resume_command(place, kept, "r-1"), &provider, "m.2");
    assert_eq!(resumed.ended().ended(0).stdout, "paid 5\n");
    let facts = kept.facts("r-1");
    check(&facts);
    let replies: Vec<_> = facts.iter().filter_map(|fact| fact.kind.reply()).collect();
    assert_eq!(replies.len(), 1);
    assert_eq!(replies[0].by.as_deref(), Some("ada"));
    assert_eq!(emit(r#"{"amount": 5}"#, "ants").stdout, none);
}

#[test]
fn a_paused_run_shows_what_it_waits_for_and_how_to_send_it() {
    let flow = "format: 1\nname: Orders\nsteps:\n  \
                - {name: paid, wait_for: {event: order.paid, key: o-17, timeout: 2d}}\n";
    let place = Place::with(flow);
    place.ran(["run", "flow.yaml", "--db", "a.db", "--run-id", "r-1"]).ended(3);
    let shown = place.ran(["show", "r-1", "--db", "a.db"]).ended(0).stdout;
    assert!(shown.contains("the event `order.paid` with the key `o-17`"), "{shown}");
    assert!(shown.contains("stepwright emit order.paid --key o-17 -i JSON --db a.db"), "{shown}");
    let answered = place.ran(["continue", "r-1", "--db", "a.db", "--approve", "paid"]).ended(2);
    assert!(answered.stderr.contains("no pending requests"), "{answered:?}");
    let wrong = place.ran(["emit", "order paid", "--db", "a.db"]).ended(2);
    assert!(wrong.stderr.contains("SW0740"), "{wrong:?}");
    let emit = ["emit", "order.paid", "--key", "o-17", "-i", "-", "--json", "--db", "a.db"];
    let sent = place.ran_on(&emit, br#"{"n": 1}"#).ended(0).stdout;
    let sent: serde_json::Value = serde_json::from_str(&sent).unwrap();
    assert_eq!(sent["received"], serde_json::json!(["r-1"]));
    let resumed = place.ran(["resume", "r-1", "--db", "a.db"]).ended(0);
    assert!(resumed.stdout.contains("\"n\": 1"), "{resumed:?}");
}
