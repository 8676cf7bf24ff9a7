//! Sessions, looked after on the command line.

use crate::support::{GREETING, Place};
use serde_json::{Value, json};

/// A place with two sessions, the first of them Ada's.
fn two() -> Place {
    let place = Place::with(GREETING);
    let run = |arguments: &[&str]| {
        place.on_db(&[&["run", "flow.yaml"], arguments].concat()).ended(0);
    };
    run(&["Ada", "--session-id", "s-1", "--user-id", "ada", "--run-id", "r-1"]);
    run(&["Ben", "--session-id", "s-2"]);
    run(&["Ada", "--session-id", "s-1", "--user-id", "ada", "--run-id", "r-2"]);
    place
}

fn json_of(place: &Place, arguments: &[&str]) -> Value {
    let ran = place.on_db(&[&["sessions"], arguments].concat()).ended(0);
    serde_json::from_str(&ran.stdout).expect(&ran.stdout)
}

#[test]
fn sessions_are_listed_and_shown() {
    let place = two();
    let ids = |arguments: &[&str]| -> Vec<Value> {
        let all = json_of(&place, &[&["list", "--json"], arguments].concat());
        all.as_array().unwrap().iter().map(|session| session["session_id"].clone()).collect()
    };
    assert_eq!(ids(&[]), ["s-1", "s-2"]);
    assert_eq!(ids(&["--user", "ada"]), ["s-1"]);
    assert_eq!(ids(&["--limit", "1", "--offset", "1"]), ["s-2"]);
    assert!(ids(&["--workflow", "other"]).is_empty());
    let list = place.on_db(&["sessions", "list"]).ended(0).stdout;
    assert!(list.starts_with("SESSION  NAME  WORKFLOW  RUNS  LAST USED"), "{list}");
    let shown = place.on_db(&["sessions", "show", "s-1"]).ended(0).stdout;
    for part in ["session     s-1\n", "user        ada\n", "runs        2 in ", "\nr-2  completed"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let one = json_of(&place, &["show", "s-1", "--json"]);
    assert_eq!((&one["metrics"]["runs"], &one["user_id"]), (&json!(2), &json!("ada")));
    let none = place.on_db(&["sessions", "show", "s-9"]).ended(2);
    assert!(
        none.stderr.contains("error[SW0702]: session `s-9` was not found\nhelp: "),
        "{none:#?}"
    );
}

#[test]
fn sessions_are_renamed_and_deleted() {
    let place = two();
    place.on_db(&["sessions", "rename", "s-1", "About bridges"]).ended(0);
    assert_eq!(json_of(&place, &["show", "s-1", "--json"])["name"], "About bridges");
    let kept = place.on_db(&["sessions", "delete", "s-1"]).ended(2);
    assert!(kept.stderr.contains("is not deleted without `--yes`"), "{kept:#?}");
    place.on_db(&["sessions", "delete", "s-1", "--yes"]).ended(0);
    place.on_db(&["sessions", "delete", "s-1", "--yes"]).ended(2);
    assert_eq!(place.runs_in("a.db").len(), 1);
}

#[test]
fn the_state_of_a_session_is_written_and_changed() {
    let place = two();
    assert_eq!(json_of(&place, &["state", "s-1"]), json!({}));
    let change = |changes: &[&str]| json_of(&place, &[&["state", "s-1"], changes].concat());
    let changed = change(&["--set", "language=\"en\"", "--append", "seen=1", "--increment", "n=2"]);
    assert_eq!(changed, json!({"language": "en", "seen": [1], "n": 2}));
    let merged = change(&["--merge", "about={\"a\": 1}", "--set", "seen=null"]);
    assert_eq!(merged, json!({"language": "en", "n": 2, "about": {"a": 1}}));
    for (wrong, why) in [
        (["--set", "language=en"], "a text stands in quotes"),
        (["--set", "language"], "has no value"),
        (["--increment", "n=\"x\""], "has no number"),
        (["--append", "language=1"], "language"),
    ] {
        let ran = place.on_db(&[&["sessions", "state", "s-1"], &wrong[..]].concat()).ended(2);
        assert!(ran.stderr.contains(why), "{why}: {ran:#?}");
    }
    assert_eq!(json_of(&place, &["state", "s-1"]), merged);
}
