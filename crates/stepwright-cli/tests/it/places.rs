//! Where runs are stored if no database is named, and the short ways to name a run.

use crate::person::Person;
use crate::support::{ASKING, GREETING, Place, Ran};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

/// The id of the newest run in the usual database.
fn newest(place: &Place) -> String {
    let rows = place.ran(["runs", "--json"]).ended(0).stdout;
    let rows: serde_json::Value = serde_json::from_str(&rows).unwrap();
    rows[0]["run_id"].as_str().unwrap().to_owned()
}

#[test]
fn runs_are_stored_in_the_state_folder_of_the_user() {
    let place = Place::with(GREETING);
    let ran = place.run(["Ada"]).ended(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("Hello Ada!\n", ""));
    let [(_, state), ..] = place.folders_of_user();
    assert!(state.join("stepwright/runs.db").is_file());
    // Other users do not read it.
    let mode = fs::metadata(state.join("stepwright")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let shown = place.ran(["show", "last"]).ended(0).stdout;
    assert!(shown.contains("Hello Ada!") && shown.contains("completed"), "{shown}");
    assert!(fs::read_dir(place.path(".")).unwrap().count() == 1, "nothing beside the file");
}

#[test]
fn a_project_keeps_its_runs_beside_the_file_if_it_has_the_folder() {
    let place = Place::with(GREETING);
    fs::create_dir_all(place.path("flows/.stepwright")).unwrap();
    fs::rename(place.path("flow.yaml"), place.path("flows/flow.yaml")).unwrap();
    place.write("flows/ask.yaml", ASKING);
    place.ran(["run", "flows/flow.yaml", "Ada"]).ended(0);
    assert!(place.path("flows/.stepwright/runs.db").is_file());
    let [(_, state), ..] = place.folders_of_user();
    assert!(!state.exists());
    // From here the runs are found only by name, so the command to go on names them.
    let asked = place.ran(["run", "flows/ask.yaml", "--allow-shell", "--run-id", "r-1"]).ended(3);
    let db = "--db flows/.stepwright/runs.db";
    let go_on = format!("stepwright continue r-1 {db} --allow-shell --approve 'publish!confirm'");
    assert!(asked.stderr.contains(&go_on), "{asked:#?}");
    // In the folder they are found without it.
    let mut inside = place.command(["show", "last"]);
    let shown = Ran::of(inside.current_dir(place.path("flows"))).ended(0).stdout;
    assert!(shown.contains("r-1") && !shown.contains("--db"), "{shown}");
}

#[test]
fn no_db_stores_nothing() {
    let place = Place::with(GREETING);
    place.run(["Ada", "--no-db"]).ended(0);
    let [(_, state), ..] = place.folders_of_user();
    assert!(!state.exists());
    let both = place.run(["Ada", "--no-db", "--db", "a.db"]).ended(2);
    assert!(both.stderr.contains("error[SW0104]"), "{both:#?}");
}

#[test]
fn a_state_folder_that_cannot_be_made_is_told_and_the_run_goes_on() {
    let place = Place::with(GREETING);
    let mut command = place.command(["run", "flow.yaml", "Ada"]);
    // A file stands where the folder would be made.
    let ran = Ran::of(command.env("XDG_STATE_HOME", place.path("flow.yaml"))).ended(0);
    assert_eq!(ran.stdout, "Hello Ada!\n");
    assert!(ran.stderr.starts_with("note: the run is not stored: "), "{ran:#?}");
}

#[test]
fn addresses_of_sqlite_files_are_paths() {
    let place = Place::with(GREETING);
    for (address, file) in [("sqlite://a.db", "a.db"), ("sqlite:b.db", "b.db")] {
        place.run(["Ada", "--db", address]).ended(0);
        assert!(place.path(file).is_file(), "{address}");
    }
    let absolute = place.path("c.db");
    place.run(["Ada", "--db", &format!("sqlite://{}", absolute.display())]).ended(0);
    assert!(absolute.is_file());
}

#[test]
fn a_run_is_found_by_part_of_its_id() {
    let place = Place::with(GREETING);
    place.run(["Ada"]).ended(0);
    let first = newest(&place);
    place.run(["Ben"]).ended(0);
    let second = newest(&place);
    assert_ne!(first, second);
    let output = |reference: &str| place.ran(["show", reference, "--json"]);
    // The end of the id, and the whole of it.
    for reference in [&first[28..], &first] {
        assert!(output(reference).ended(0).stdout.contains("Hello Ada!"), "{reference}");
    }
    assert!(output("last").ended(0).stdout.contains("Hello Ben!"));
    // Runs of one moment begin alike.
    let unclear = output(&first[..4]).ended(2);
    assert!(unclear.stderr.contains("error[SW0119]: `"), "{unclear:#?}");
    assert!(unclear.stderr.contains(&first) && unclear.stderr.contains(&second), "{unclear:#?}");
    // Nor is one that is too short.
    let short = output(&first[..2]).ended(2);
    assert!(short.stderr.contains("error[SW0119]"), "{short:#?}");
    assert!(short.stderr.contains("too short: write at least 3 characters"), "{short:#?}");
    // Every command about a run takes these.
    for command in ["events", "verify", "resume"] {
        place.ran([command, &second[28..]]).ended(0);
    }
    place.run(["Cleo", "--run-id", "nightly-7"]).ended(0);
    assert!(output("nightly").ended(0).stdout.contains("Hello Cleo!"));
    let none = output("nightly-8").ended(2);
    assert!(none.stderr.contains("error[SW0701]: run `nightly-8` was not found"), "{none:#?}");
}

#[test]
fn a_terminal_shows_short_ids_and_relative_times() {
    let place = Place::with(GREETING);
    place.run(["Ada"]).ended(0);
    let id = newest(&place);
    let piped = place.ran(["runs"]).ended(0).stdout;
    assert!(piped.contains(&id) && piped.contains(" UTC"), "{piped}");
    let person = Person::starts(&place, &["runs"]);
    let screen = person.sees("just now");
    assert!(screen.contains(&id[28..]) && !screen.contains(&id), "{screen}");
    assert_eq!(person.leaves(), 0);
}

#[test]
fn continue_without_an_id_offers_the_runs_that_wait_at_a_terminal() {
    let place = Place::with(ASKING);
    place.run(["--allow-shell", "--run-id", "r-1"]).ended(3);
    place.run(["--allow-shell", "--run-id", "r-2"]).ended(3);
    let without = place.ran(["continue"]).ended(2);
    assert!(without.stderr.contains("error[SW0103]: no run given"), "{without:#?}");
    let person = Person::starts(&place, &["continue", "--allow-shell"]);
    let screen = person.sees("number ›");
    assert!(screen.contains("1  r-2 publish just now Publish it?"), "{screen}");
    person.types("3\r");
    person.sees("type a number from 1 to 2");
    person.waits_until(|screen| screen.trim_end().ends_with("number ›"));
    person.types("2\r");
    person.waits_until(|screen| screen.trim_end().ends_with("y/n ›"));
    person.types("y\r");
    person.waits_until(|screen| screen.trim_end().ends_with("y/n/e ›"));
    person.types("y\r");
    assert_eq!(person.leaves(), 0);
    let rows = place.ran(["runs"]).ended(0).stdout;
    assert!(rows.contains("r-1  completed") && rows.contains("r-2  paused"), "{rows}");
}

/// A test that runs the command by itself would write into the developer's own folder.
#[test]
fn every_test_gives_the_command_folders_of_its_own() {
    let tests = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let mut folders = vec![tests];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let runs_it = text.contains(concat!("CARGO_BIN_EXE_", "stepwright"));
            let by_script = text.contains("scripts/cases.py");
            assert!(!runs_it || by_script || text.contains("folders_of_user"), "{path:?}");
        }
    }
}
