//! A process that is killed after a person has permitted an effect for the session.

use super::provider::Provider;
use super::{Kept, Process};
use crate::support::Place;

const FLOW: &str = "\
format: 1
name: Permitted
model: openai-chat:scripted
agents: {writer: {instructions: Write one line.}}
steps:
  - {name: act, write_file: {path: made.txt, text: x}}
  - {name: held, agent: writer, prompt: 'Wait for {{ input }}'}
";

#[test]
fn what_is_always_permitted_is_not_asked_again_after_a_kill() {
    let (place, provider) = (Place::with(FLOW), Provider::start());
    place.write("mine.yaml", "deny: [shell]\n");
    let kept = Kept::file(&place, "runs.db");
    let command = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        command.args(["--permissions", "mine.yaml", "--db", &kept.0]);
        command
    };
    let run =
        |id: &str| command(&["run", "flow.yaml", "ants", "--session-id", "s-1", "--run-id", id]);
    let waits = |by: &str| {
        provider.waits_for(|log| log.iter().find(|call| call.by == by && call.waits).map(|_| ()));
    };
    Process::start(&mut run("r-1"), &provider, "p.1").ended().ended(3);
    let mut first = command(&["continue", "r-1", "--always", "act"]);
    let mut first = Process::start(&mut first, &provider, "p.2");
    waits("p.2");
    assert!(first.kill());

    // The first run has not ended, and the second one does not ask.
    let mut second = Process::start(&mut run("r-2"), &provider, "p.3");
    waits("p.3");
    assert!(second.kill());
    for run in ["r-1", "r-2"] {
        let facts = kept.facts(run);
        let asked = facts.iter().filter(|fact| fact.name() == "StepPaused").count();
        assert_eq!(asked, usize::from(run == "r-1"), "{run}: {facts:#?}");
    }
}
