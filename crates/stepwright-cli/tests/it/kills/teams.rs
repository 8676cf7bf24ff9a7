//! A team with an image whose process is killed between two members.

use super::acting::{check_calls, has_completed, waits_for};
use super::{Kept, Process, check, lines, resume_command, run_command};
use crate::kills::provider::{Call, Provider};
use crate::support::Place;
use stepwright::{Event, EventKind};

const FLOW: &str = "\
format: 1
name: Desk
model: openai-chat:scripted
media: {photo: image}
agents:
  scout: {description: Finds sources., instructions: Look.}
  critic: {description: Finds mistakes., instructions: Judge.}
teams:
  desk: {members: [scout, critic], instructions: Lead.}
steps:
  - name: both
    parallel: {}
    branches:
      - {name: report, team: desk, prompt: 'Use scout, wait, critic'}
      - {name: note, shell: 'echo note >> calls.txt'}
";

/// A picture that is too large for a fact.
fn photo() -> Vec<u8> {
    let mut photo = b"\x89PNG\r\n".to_vec();
    photo.extend((0..10_000_u32).flat_map(u32::to_le_bytes));
    photo
}

/// Returns the image of a request, as it was sent.
fn image(call: &Call) -> String {
    let text = call.messages.to_string();
    let data = text.split("base64,").nth(1).unwrap_or_else(|| panic!("no image: {text}"));
    data.split('"').next().unwrap().to_owned()
}

/// Returns the tasks of members that ended.
fn tasks(facts: &[Event]) -> Vec<&str> {
    let is_end = |fact: &&Event| matches!(fact.kind, EventKind::ToolCallCompleted { .. });
    facts.iter().filter(is_end).map(|fact| fact.path.as_str()).collect()
}

#[test]
fn a_team_that_is_killed_between_two_members_asks_only_the_second_again() {
    let (place, provider) = (Place::with(FLOW), Provider::start());
    place.write("photo.png", photo());
    let kept = Kept::file(&place, "runs.db");
    let mut first = run_command(&place, &kept, "r-1");
    first.args(["-i", "photo=@photo.png"]);
    let mut first = Process::start(&mut first, &provider, "t.1");
    provider.waits_for(|calls| calls.iter().find(|call| call.waits).map(|_| ()));
    waits_for(&kept, |facts| has_completed(facts, "both/note"));
    assert!(first.kill(), "its leader waits for the answer after the first member");
    assert_eq!(tasks(&kept.facts("r-1")), ["both/report/scout#1"]);
    std::fs::remove_file(place.path("photo.png")).unwrap();

    provider.lets_go("t.2");
    let resumed = Process::start(&mut resume_command(&place, &kept, "r-1"), &provider, "t.2");
    resumed.ended().ended(0);
    let facts = kept.facts("r-1");
    check(&facts);
    assert_eq!(tasks(&facts), ["both/report/scout#1", "both/report/critic#1"]);
    assert_eq!(lines(&place, "calls.txt"), 1);
    check_calls(&provider.calls("t."));
    let (before, after) = (provider.calls("t.1"), provider.calls("t.2"));
    // The leader, a member, and the leader: before the kill the first, and after it the second one.
    assert_eq!((before.len(), after.len()), (3, 3), "{after:#?}");
    let sent = image(&before[0]);
    assert!(sent.len() > 50_000, "{} bytes", sent.len());
    // The image is in no fact: the second process has it from the store.
    assert!(before.iter().chain(&after).all(|call| image(call) == sent), "the same image");
    assert!(!serde_json::to_string(&facts).unwrap().contains(&sent[..1_000]));
    place.ran(["verify", "r-1", "--db", &kept.0]).ended(0);
}
