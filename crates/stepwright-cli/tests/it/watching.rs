//! `stepwright attach` and `stepwright top`.

use crate::person::{CTRL_C, Person};
use crate::support::{ASKING, GREETING, Place};
use std::process::Stdio;

/// Hangs until there is a file.
const HELD: &str = "\
format: 1
name: Held
steps:
  - {name: once, template: made}
  - {name: held, shell: 'until test -e go.txt; do sleep 0.01; done; echo up'}
";

#[test]
fn a_run_is_watched_from_its_beginning_in_another_terminal() {
    let place = Place::with(HELD);
    let run = ["run", "flow.yaml", "--allow-shell", "--db", "a.db", "--run-id", "r-1"];
    let mut driver = place.command(run);
    let mut driver = driver.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    place.waits_for("r-1", |events| events.contains("started held"));
    let left = Person::starts(&place, &["attach", "r-1", "--db", "a.db"]);
    left.sees("✓ once");
    left.waits_until(|screen| screen.lines().any(|line| line.contains(" held ")));
    left.types(CTRL_C);
    left.sees("left run `r-1`, which goes on");
    assert_eq!(left.leaves(), 0);
    let top = Person::starts(&place, &["top", "--db", "a.db"]);
    let screen = top.sees("r-1");
    assert!(screen.contains("1 under way") && screen.contains("1/2"), "{screen}");
    assert!(screen.contains("running") && screen.contains(" held"), "{screen}");
    let person = Person::starts(&place, &["attach", "last", "--db", "a.db"]);
    person.sees("✓ once");
    place.write("go.txt", "");
    person.sees("completed in ");
    assert_eq!(person.leaves(), 0);
    assert!(driver.wait().unwrap().success(), "it was not cancelled");
    top.sees("0 under way");
    top.types(CTRL_C);
    assert_eq!(top.leaves(), 0);
    // Without a terminal: lines, and once.
    let lines = place.on_db(&["attach", "r-1"]).ended(0);
    assert!(lines.stderr.contains("started held\n"), "{lines:#?}");
    let once = place.on_db(&["top"]).ended(0).stdout;
    assert!(once.contains("r-1  completed") && !once.contains('\x1b'), "{once:?}");
}

#[test]
fn a_watched_run_that_pauses_says_how_to_answer_and_ends_with_the_code_of_its_end() {
    let place = Place::with(ASKING);
    place.run(["--allow-shell", "--db", "a.db", "--run-id", "r-1"]).ended(3);
    let person = Person::starts(&place, &["attach", "r-1", "--db", "a.db"]);
    person.sees("to go on: stepwright continue r-1 --db a.db");
    place.on_db(&["cancel", "r-1"]).ended(0);
    person.sees("cancelled");
    assert_eq!(person.leaves(), 4);
    let unknown = Place::with(GREETING);
    unknown.run(["Ada", "--db", "a.db"]).ended(0);
    unknown.on_db(&["attach", "r-9"]).ended(2);
}
