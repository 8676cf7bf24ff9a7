//! Failures of the command: its messages, and what is left behind.

use crate::support::{FAILING, GREETING, Place, Ran};
use std::os::unix::fs::PermissionsExt as _;
use stepwright::{EventKind, RunStatus};

#[test]
fn a_failing_step_fails_the_run() {
    let place = Place::with(FAILING);
    let ran = place.run(["--allow-shell", "--db", "a.db"]).ended(1);
    assert_eq!(ran.stdout, "");
    let run = &place.runs_in("a.db")[0];
    assert_eq!(run.1, RunStatus::Error);
    assert_eq!(
        ran.stderr,
        format!(
            "run {} failed\nerror[SW0605]: step `second` failed after 2 attempts: the command failed \
             (exit status: 3): oops\n",
            run.0
        )
    );
    let facts = place.facts_in("a.db");
    stepwright_testing::grammar::check(&facts);
    assert!(matches!(facts.last().unwrap().kind, EventKind::WorkflowError { attempts: 2, .. }));
    // The same as events.
    let events = place.run(["--allow-shell", "--json", "--events"]).ended(1);
    stepwright_testing::grammar::check(&events.events());
    assert!(events.stderr.starts_with("error[SW0605]: step `second` failed"), "{events:#?}");
}

#[test]
fn a_failing_agent_says_where_to_look() {
    let flow = "\
format: 1
name: Mute
model: offline
agents: {writer: {}}
steps: [{agent: writer}]
";
    let place = Place::with(flow);
    let ran = place.run([""]).ended(1);
    assert!(ran.stderr.contains("error[SW0504]: step `writer` failed"), "{ran:#?}");
    assert!(ran.stderr.contains("help: "), "{ran:#?}");
}

#[test]
fn a_step_that_takes_too_long_fails_the_run() {
    let flow = "\
format: 1
name: Slow
steps: [{name: slow, shell: sleep 60, timeout: 200ms}]
";
    let place = Place::with(flow);
    let ran = place.run(["--allow-shell", "--db", "a.db"]).ended(1);
    assert!(ran.stderr.contains("error[SW0403]: step `slow` failed: "), "{ran:#?}");
    assert!(ran.stderr.contains("200ms"), "{ran:#?}");
    let facts = place.facts_in("a.db");
    assert!(facts.iter().any(|fact| matches!(fact.kind, EventKind::StepError { .. })));
    assert_eq!(place.runs_in("a.db")[0].1, RunStatus::Error);
}

/// The step after it goes on, with nothing; the run has failed all the same.
#[test]
fn a_run_that_went_on_after_a_failure_has_failed() {
    let flow = "\
format: 1
name: On
steps:
  - {name: a, value: = input.none, on_error: continue}
  - {name: b, template: done}
";
    let ran = Place::with(flow).run(["--events"]).ended(1);
    assert!(ran.stderr.contains("\ncompleted b\nworkflow failed: "), "{ran:#?}");
    assert_eq!(ran.stdout, "");
}

#[test]
fn a_bad_definition_is_shown_where_it_is() {
    let place = Place::with(&GREETING.replace("input", "imput"));
    let ran = place.run(["Ada", "--db", "a.db"]).ended(2);
    for part in ["flow.yaml:4", "there is no `imput`", "did you mean `input`?", "1 mistake"] {
        assert!(ran.stderr.contains(part), "{part}: {ran:#?}");
    }
    assert!(!ran.stderr.contains('\x1b'), "{ran:#?}");
    assert!(!place.path("a.db").exists());
}

#[test]
fn a_bad_input_is_told_before_anything_runs() {
    let flow = "\
format: 1
name: Strict
input: {type: object, required: [a]}
steps: [{write_file: {path: out.txt, text: ran}}]
";
    let place = Place::with(flow);
    let wrong = place.run(["{a}", "--db", "a.db"]).ended(2);
    assert!(wrong.stderr.contains("INPUT is not JSON: key must be a string at line 1 column 2"));
    assert!(!place.path("a.db").exists());
    let unfit = place.run(["{}", "--db", "a.db"]).ended(2);
    assert!(unfit.stderr.contains("does not fit workflow `Strict`: "), "{unfit:#?}");
    assert!(place.runs_in("a.db").is_empty());
    let missing = place.run::<&str>([]).ended(2);
    assert!(missing.stderr.contains("help: give the run an input"), "{missing:#?}");
    assert!(!place.path("out.txt").exists());
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let place = Place::with(GREETING);
    place.write("latin.yaml", b"format: 1\nname: Caf\xe9\n");
    place.write("latin.txt", b"Caf\xe9");
    let fails = |arguments: &[&str], parts: &[&str]| {
        let ran = place.ran(arguments).ended(2);
        for part in parts {
            assert!(ran.stderr.contains(part), "{part}: {ran:#?}");
        }
    };
    fails(
        &["run", "none.yaml"],
        &["error[SW0202]: none.yaml: cannot be read: there is no such file\n"],
    );
    fails(&["run", "."], &["cannot be read", "directory"]);
    fails(&["run", "latin.yaml"], &["latin.yaml", "UTF-8"]);
    let input = ["run", "flow.yaml", "--input-file"];
    fails(&[&input[..], &["none.txt"]].concat(), &["the input file `none.txt`", "No such file"]);
    fails(&[&input[..], &["."]].concat(), &["the input file `.`", "directory"]);
    fails(&[&input[..], &["latin.txt"]].concat(), &["`latin.txt` is not UTF-8 text: byte 3"]);
    let stdin = place.ran_on(&["run", "flow.yaml", "--input-file", "-"], b"\xff").ended(2);
    assert!(stdin.stderr.contains("the input from stdin is not UTF-8 text"), "{stdin:#?}");
}

#[test]
fn names_that_cannot_be_are_refused() {
    let place = Place::with(GREETING);
    let ran = place.run(["Ada", "--db", "a.db", "--session-id", ""]).ended(2);
    assert!(ran.stderr.starts_with("error[SW0303]: "), "{ran:#?}");
}

#[test]
fn a_database_that_cannot_be_opened_is_named() {
    let place = Place::with(GREETING);
    place.write("other.db", "This is no database, however long it may be. ".repeat(100));
    for (db, code, part) in [
        (".", "SW0807", "is a directory"),
        ("none/a.db", "SW0807", "create the directory `none`"),
        ("other.db", "SW0810", "is not an SQLite database"),
        ("flow.yaml/a.db", "SW0807", "`flow.yaml` is not a directory"),
    ] {
        let ran = place.run(["Ada", "--db", db]).ended(5);
        let told = format!("error[{code}]: cannot open the database");
        assert!(ran.stderr.contains(&told), "{ran:#?}");
        assert!(ran.stderr.contains(part), "{part}: {ran:#?}");
        assert_eq!(ran.stdout, "");
    }
    assert!(std::fs::read_to_string(place.path("other.db")).unwrap().starts_with("This is no"));
}

#[test]
fn a_database_that_cannot_be_written_is_named() {
    let place = Place::with(GREETING);
    place.run(["Ada", "--db", "a.db"]).ended(0);
    let allow = |mode| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(place.path("a.db"), permissions).unwrap();
    };
    allow(0o444);
    if std::fs::OpenOptions::new().append(true).open(place.path("a.db")).is_ok() {
        // A user with all rights may write to it as well.
        return;
    }
    let ran = place.run(["Ada", "--db", "a.db"]).ended(5);
    assert!(ran.stderr.contains("help: allow this program to write to"), "{ran:#?}");
    allow(0o644);
    assert_eq!(place.runs_in("a.db").len(), 1);
}

/// The journal stops the run: nothing is shown that is not remembered. A limit on the size of files
/// is as a full disk is, and needs no disk.
#[test]
fn a_full_disk_stops_the_run_and_leaves_what_was_recorded() {
    let flow = "\
format: 1
name: Fill
steps:
  - {name: first, template: done}
  - {name: much, shell: 'head -c 3000000 /dev/urandom | base64'}
  - {name: last, template: done}
";
    let place = Place::with(flow);
    // In blocks of 512 bytes.
    let script = "ulimit -f 1000; exec \"$@\"";
    let mut command = std::process::Command::new("sh");
    let binary = env!("CARGO_BIN_EXE_stepwright");
    let arguments = ["run", "flow.yaml", "--allow-shell", "--db", "a.db"];
    command.args(["-c", script, "sh", binary]).args(arguments).current_dir(place.path("."));
    command.envs(place.folders_of_user());
    let ran = Ran::of(&mut command).ended(5);
    assert!(ran.stderr.contains("error[SW0814]: cannot write to the database `a.db`"), "{ran:#?}");
    assert!(ran.stderr.contains("help: "), "{ran:#?}");
    assert!(ran.stderr.contains("interrupted"), "{ran:#?}");
    assert_eq!(ran.stdout, "");
    assert_eq!(place.runs_in("a.db")[0].1, RunStatus::Running);
    let facts = place.facts_in("a.db");
    let first = facts.iter().find(|fact| matches!(fact.kind, EventKind::StepCompleted { .. }));
    assert_eq!(first.unwrap().path.as_str(), "first");
}
