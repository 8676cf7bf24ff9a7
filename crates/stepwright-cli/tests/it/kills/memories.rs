//! A process that is killed between the answer of a model and the memories that are made of it.

use super::{Kept, Process, check, resume_command, run_command};
use crate::kills::provider::Provider;
use crate::support::Place;
use serde_json::Value;
use std::time::{Duration, Instant};
use stepwright::Event;
use stepwright_testing::postgres;

const FLOW: &str = "\
format: 1
name: Talk
model: openai-chat:scripted
agents: {writer: {instructions: Write., memory: {by: after_run}}}
steps:
  - {name: write, agent: writer, prompt: 'About {{ input }}'}
";

fn count(facts: &[Event], name: &str) -> usize {
    facts.iter().filter(|fact| fact.name() == name).count()
}

#[test]
fn a_process_killed_between_the_answer_and_the_memories_leaves_both_to_the_next_one() {
    let settings = "-c fsync=off -c full_page_writes=off -c max_prepared_transactions=1";
    let Some(server) = postgres::Server::start_with(settings) else { return };
    let (place, provider) = (Place::with(FLOW), Provider::start());
    let address = server.database();
    let database = address.rsplit('/').next().unwrap().to_owned();
    let kept = Kept(address.clone());
    assert!(kept.facts("r-1").is_empty(), "the tables are made");
    place.ran(["memories", "add", "Likes tea.", "--user", "ada", "--db", &address]).ended(0);
    let listed = |user: &str| -> Vec<Value> {
        let ran = place.ran(["memories", "list", "--user", user, "--json", "--db", &address]);
        serde_json::from_str(&ran.ended(0).stdout).unwrap()
    };

    // Memories cannot be written until this transaction ends.
    let lock = "LOCK TABLE stepwright.memories IN EXCLUSIVE MODE";
    server.sql(&database, &format!("BEGIN; {lock}; PREPARE TRANSACTION 'held'"));
    let mut first = run_command(&place, &kept, "r-1");
    first.args(["--user-id", "ada"]);
    let mut first = Process::start(&mut first, &provider, "m.1");
    let until = Instant::now() + Duration::from_mins(1);
    while count(&kept.facts("r-1"), "ModelRequestCompleted") < 2 {
        assert!(Instant::now() < until, "{:#?}", provider.calls("m."));
    }
    assert!(first.kill(), "it waits for the table");
    server.sql(&database, "ROLLBACK PREPARED 'held'");
    let facts = kept.facts("r-1");
    assert_eq!(count(&facts, "MemoryUpdateCompleted"), 0);
    assert_eq!(listed("ada").len(), 1);

    Process::start(&mut resume_command(&place, &kept, "r-1"), &provider, "m.2").ended().ended(0);
    let facts = kept.facts("r-1");
    check(&facts);
    assert_eq!(count(&facts, "MemoryUpdateCompleted"), 1);
    let calls: Vec<u64> = ["m.1", "m.2"].iter().map(|by| provider.count(by)).collect();
    assert_eq!(calls, [2, 0], "an answered call was repeated");
    let texts: Vec<String> =
        listed("ada").iter().map(|it| it["memory"].as_str().unwrap().to_owned()).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].starts_with("Asked about "), "{texts:?}");
    assert!(listed("ben").is_empty());
}
