//! Memories of users, on the command line.

use crate::support::{GREETING, Place};
use serde_json::Value;

fn place() -> Place {
    let place = Place::with(GREETING);
    place.on_db(&["run", "flow.yaml", "Ada", "--user-id", "ada", "--run-id", "r-1"]).ended(0);
    place
}

fn json_of(place: &Place, arguments: &[&str]) -> Value {
    let ran = place.on_db(&[&["memories"], arguments, &["--json"]].concat()).ended(0);
    serde_json::from_str(&ran.stdout).expect(&ran.stdout)
}

#[test]
fn memories_are_listed_searched_added_changed_and_removed() {
    let place = place();
    let add = |memory: &str, user: &str| {
        let added = json_of(&place, &["add", memory, "--topic", "travel", "--user", user]);
        added["memory_id"].as_str().unwrap().to_owned()
    };
    let (train, tea) = (add("Travels by train.", "ada"), add("Drinks tea.", "ada"));
    let other = add("Travels by car.", "ben");
    let texts = |arguments: &[&str]| -> Vec<String> {
        let all = json_of(&place, arguments);
        let all = all.as_array().unwrap().iter();
        all.map(|memory| memory["memory"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(texts(&["list", "--user", "ada"]).len(), 2);
    assert_eq!(texts(&["search", "train", "--user", "ada"]), ["Travels by train."]);
    assert_eq!(texts(&["search", "travel", "--limit", "1", "--user", "ada"]).len(), 1);
    json_of(&place, &["edit", &train, "Travels by bike.", "--user", "ada"]);
    json_of(&place, &["remove", &tea, "--user", "ada"]);
    assert_eq!(texts(&["list", "--user", "ada"]), ["Travels by bike."]);
    let list = place.on_db(&["memories", "list", "--user", "ada"]).ended(0).stdout;
    assert!(list.starts_with("MEMORY") && list.contains("Travels by bike."), "{list}");
    // The memory of another user does not exist.
    for arguments in [&["edit", &other, "Stolen."][..], &["remove", &other]] {
        let arguments = [&["memories"], arguments, &["--user", "ada"]].concat();
        let refused = place.on_db(&arguments).ended(2);
        assert!(refused.stderr.contains("of user `ada` was not found"), "{refused:#?}");
    }
    assert_eq!(texts(&["list", "--user", "ben"]), ["Travels by car."]);
    let empty = place.on_db(&["memories", "add", " ", "--user", "ada"]).ended(2);
    assert!(empty.stderr.contains("the memory is empty"), "{empty:#?}");
    let none = place.on_db(&["memories", "list", "--user", "eva"]).ended(0);
    assert!(none.stderr.contains("user `eva` has no such memories"), "{none:#?}");
}

#[test]
fn memories_of_a_user_are_erased_with_all_else_and_the_command_says_so() {
    let place = place();
    json_of(&place, &["add", "Travels by train.", "--user", "ada"]);
    json_of(&place, &["add", "Travels by car.", "--user", "ben"]);
    let told = place.on_db(&["erase", "--user", "ada", "--dry-run"]).ended(0);
    assert!(told.stdout.contains("; 1 memory\n"), "{told:#?}");
    assert_eq!(json_of(&place, &["list", "--user", "ada"]).as_array().unwrap().len(), 1);
    let erased = place.on_db(&["erase", "--user", "ada", "--yes"]).ended(0);
    assert!(erased.stdout.contains("1 run and 1 session"), "{erased:#?}");
    assert!(erased.stdout.contains("; 1 memory\n"), "{erased:#?}");
    assert!(json_of(&place, &["list", "--user", "ada"]).as_array().unwrap().is_empty());
    assert_eq!(json_of(&place, &["list", "--user", "ben"]).as_array().unwrap().len(), 1);
}

#[test]
fn memories_move_with_their_user_or_with_everything_and_older_ones_overwrite_nothing() {
    let place = place();
    let added =
        json_of(&place, &["add", "Travels by train.", "--topic", "travel", "--user", "ada"]);
    json_of(&place, &["add", "Travels by car.", "--user", "ben"]);
    let listed = |user: &str, db: &str| -> Value {
        let ran = place.ran(["memories", "list", "--user", user, "--json", "--db", db]).ended(0);
        serde_json::from_str(&ran.stdout).unwrap()
    };
    let export = |arguments: &[&str]| place.on_db(&[&["export"], arguments].concat()).ended(0);
    // A run alone, and a session alone, are not all that is stored of their user.
    assert!(!export(&["r-1"]).stdout.contains("Travels"));
    let (of_ada, all) = (export(&["--user", "ada"]), export(&[]));
    assert!(of_ada.stderr.contains(", and 1 memory exported"), "{of_ada:#?}");
    assert!(!of_ada.stdout.contains("Travels by car."));
    assert!(all.stderr.contains(", and 2 memories exported"), "{all:#?}");
    place.write("ada.jsonl", &of_ada.stdout);
    place.write("all.jsonl", &all.stdout);
    let imported = place.ran(["import", "ada.jsonl", "--db", "b.db"]).ended(0);
    assert!(imported.stdout.contains(", and 1 memory imported"), "{imported:#?}");
    let there = listed("ada", "b.db");
    assert_eq!(there[0], added, "with its id, its topics and its times");
    place.ran(["import", "all.jsonl", "--db", "b.db"]).ended(0);
    assert_eq!(listed("ben", "b.db").as_array().unwrap().len(), 1);

    let id = added["memory_id"].as_str().unwrap();
    let edit = ["memories", "edit", id, "Travels by bike.", "--user", "ada", "--db", "b.db"];
    place.ran(edit).ended(0);
    place.ran(["import", "all.jsonl", "--db", "b.db"]).ended(0);
    assert_eq!(listed("ada", "b.db")[0]["memory"], "Travels by bike.", "it is newer");
    let broken = all.stdout.replacen("Travels by car.", "Travels by boat.", 1);
    let refused = place.ran_on(&["import", "-", "--db", "c.db"], broken.as_bytes()).ended(2);
    assert!(refused.stderr.contains("lines before it were changed"), "{refused:#?}");
}
