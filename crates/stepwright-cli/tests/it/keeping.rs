//! Old runs are deleted, exported, imported and erased on the command line.

use crate::support::{GREETING, Place};
use serde_json::Value;

fn place() -> Place {
    let place = Place::with(GREETING);
    for (run, session, user) in
        [("r-1", "s-1", "ada"), ("r-2", "s-1", "ada"), ("r-3", "s-2", "ben")]
    {
        let options = ["--run-id", run, "--session-id", session, "--user-id", user];
        place.on_db(&[&["run", "flow.yaml", "Geheimnis"], &options[..]].concat()).ended(0);
    }
    place
}

fn json_of(place: &Place, arguments: &[&str]) -> Value {
    let ran = place.on_db(&[arguments, &["--json"]].concat()).ended(0);
    serde_json::from_str(&ran.stdout).expect(&ran.stdout)
}

#[test]
fn old_runs_are_pruned() {
    let place = place();
    let none = json_of(&place, &["prune", "--older-than", "30d"]);
    assert_eq!(none["runs"], serde_json::json!([]));
    std::thread::sleep(std::time::Duration::from_millis(5));
    let would = json_of(&place, &["prune", "--older-than", "0s", "--keep", "1", "--dry-run"]);
    assert_eq!(would["runs"], serde_json::json!(["r-1", "r-2"]));
    assert_eq!(place.runs_in("a.db").len(), 3);
    let told = place.on_db(&["prune", "--older-than", "0s", "--keep", "1"]).ended(0).stdout;
    assert!(told.starts_with("2 runs deleted, with "), "{told}");
    assert_eq!(place.runs_in("a.db").len(), 1);
    place.on_db(&["sessions", "show", "s-1"]).ended(0);
    let wrong = place.on_db(&["prune", "--older-than", "30"]).ended(2);
    assert!(wrong.stderr.contains("it has no unit"), "{wrong:#?}");
    place.on_db(&["prune"]).ended(2);
}

const DRAWS: &str = "format: 1
name: Draws
steps:
  - name: draw
    write_file: {path: out.txt, text: 'of {{ input }}'}
    workspace: {temp: true, keep: true}
";

#[test]
fn kept_files_are_removed_with_the_runs_that_have_them() {
    let place = Place::with(DRAWS);
    for (run, input) in [("r-1", "ada"), ("r-2", "ben"), ("r-3", "ben")] {
        place.on_db(&["run", "flow.yaml", input, "--run-id", run]).ended(0);
    }
    let would = json_of(&place, &["erase", "--run", "r-1", "--dry-run"]);
    assert_eq!(would["kept_files"], serde_json::json!({"files": 1, "bytes": 6}), "{would}");
    let asks = place.on_db(&["erase", "--run", "r-1"]).ended(2);
    assert!(asks.stderr.contains("1 kept file of workspaces (6 bytes)"), "{asks:#?}");
    let told = place.on_db(&["erase", "--run", "r-1", "--yes"]).ended(0).stdout;
    assert!(told.contains("and 1 kept file of workspaces (6 bytes)"), "{told}");
    let none = json_of(&place, &["erase", "--run", "r-2", "--yes"]);
    assert_eq!(none["kept_files"]["files"], 0, "another run has the same file: {none}");
    let last = json_of(&place, &["prune", "--older-than", "0s"]);
    assert_eq!((&last["runs"][0], &last["kept_files"]["files"]), (&"r-3".into(), &1.into()));
}

#[test]
fn a_user_is_erased_to_the_last_byte() {
    let place = place();
    place.on_db(&["erase"]).ended(2);
    place.on_db(&["erase", "--user", "ada", "--run", "r-1"]).ended(2);
    let kept = place.on_db(&["erase", "--user", "ada"]).ended(2);
    assert!(kept.stderr.contains("is not erased without `--yes`"), "{kept:#?}");
    assert!(kept.stderr.contains("help: it has 2 runs and 1 session, with"), "{kept:#?}");
    let would = json_of(&place, &["erase", "--user", "ada", "--dry-run"]);
    assert_eq!(place.runs_in("a.db").len(), 3);
    let done = json_of(&place, &["erase", "--user", "ada", "--yes"]);
    assert_eq!((&would["runs"], &would["facts"]), (&done["runs"], &done["facts"]));
    assert_eq!(place.runs_in("a.db").len(), 1);
    place.on_db(&["erase", "--session", "s-2", "--yes"]).ended(0);
    for file in ["a.db", "a.db-wal"] {
        let bytes = std::fs::read(place.path(file)).unwrap_or_default();
        for text in ["Geheimnis", "ada", "ben"] {
            let found = bytes.windows(text.len()).any(|window| window == text.as_bytes());
            assert!(!found, "`{text}` is in {file}");
        }
    }
    let none = place.on_db(&["erase", "--run", "r-3", "--yes"]).ended(2);
    assert!(none.stderr.contains("run `r-3` was not found"), "{none:#?}");
}

#[test]
fn runs_are_moved_from_one_database_to_another() {
    let place = place();
    let lines = place.on_db(&["export", "r-1", "r-3"]).ended(0);
    assert!(lines.stderr.contains("2 runs with"), "{lines:#?}");
    place.write("two.jsonl", &lines.stdout);
    place.ran(["import", "two.jsonl", "--db", "b.db", "--dry-run"]).ended(5);
    let told = place.ran(["import", "two.jsonl", "--db", "b.db"]).ended(0).stdout;
    assert!(told.starts_with("2 runs with") && told.ends_with(" imported\n"), "{told}");
    assert_eq!(place.runs_in("b.db").len(), 2);
    place.ran(["verify", "r-1", "--db", "b.db"]).ended(0);
    let again = place.ran(["import", "two.jsonl", "--db", "b.db", "--json"]).ended(0).stdout;
    assert_eq!(serde_json::from_str::<Value>(&again).unwrap()["known"], 2);

    let summary = json_of(&place, &["export", "--output", "all.jsonl"]);
    assert_eq!(summary["runs"], 3);
    place.on_db(&["export", "--output", "all.jsonl"]).ended(2);
    place.on_db(&["export", "--json"]).ended(2);
    assert_eq!(json_of(&place, &["export", "--user", "ada", "--dry-run"])["runs"], 2);
    let broken = lines.stdout.replacen("Geheimnis", "Geheimnus", 1);
    let ran = place.ran_on(&["import", "-", "--db", "c.db"], broken.as_bytes()).ended(2);
    assert!(ran.stderr.contains("of the import: "), "{ran:#?}");
    assert!(!place.path("c.db").exists(), "nothing was written");
    place.on_db(&["export", "r-9"]).ended(2);
}

#[test]
fn a_database_is_compacted() {
    let place = place();
    let dry = json_of(&place, &["vacuum", "--dry-run"]);
    assert_eq!(dry["dry_run"], true);
    let compacted = json_of(&place, &["vacuum"]);
    assert!(compacted["after"].as_u64() <= compacted["before"].as_u64(), "{compacted}");
    assert_eq!(place.runs_in("a.db").len(), 3);
    place.ran(["vacuum", "--db", "nowhere.db"]).ended(5);
}
