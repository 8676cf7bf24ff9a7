//! Databases that are damaged, deleted, replaced or locked, and clocks that are wrong: what the
//! command says, and how it ends.

use crate::support::{ASKING, GREETING, Place, Ran};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

/// A workflow whose second step ends when there is a file `go`.
const WAITING: &str = "\
format: 1
name: Slow
steps:
  - {name: a, template: 'AAAA {{ input }}'}
  - {name: nap, shell: 'echo begun >> begun.txt; while [ ! -e go ]; do sleep 0.01; done'}
  - {name: b, template: '{{ steps.a }} done'}
";

#[test]
fn a_run_is_verified_until_a_fact_of_it_is_changed() {
    let place = Place::with(WAITING);
    place.write("go", "");
    place.run(["--allow-shell", "MARKER", "--db", "a.db", "--run-id", "q"]).ended(0);
    let verified = place.on_db(&["verify", "q"]).ended(0);
    let lines: Vec<&str> = verified.stdout.lines().collect();
    let facts = place.on_db(&["events", "q"]).ended(0).stdout.lines().count();
    assert_eq!(lines[0], format!("run q: {facts} facts, all as they were written"));
    let head = lines[1].strip_prefix("chain hash  ").unwrap();
    assert!(head.len() == 64 && head.chars().all(|c| c.is_ascii_hexdigit()), "{head}");
    let json = place.on_db(&["verify", "q", "--json"]).ended(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json, serde_json::json!({"facts": facts, "chained": facts, "head": head}));
    let missing = place.on_db(&["verify", "none"]).ended(2);
    assert!(missing.stderr.contains("run `none` was not found"), "{missing:#?}");

    // A whole row of the journal that fits its checksum, and not the chain, is found as well.
    let database = rusqlite::Connection::open(place.path("a.db")).unwrap();
    database.execute("UPDATE journal SET chain = zeroblob(32) WHERE seq = 2", ()).unwrap();
    drop(database);
    let damaged = place.on_db(&["verify", "q"]).ended(5);
    assert!(damaged.stderr.contains("damaged"), "{damaged:#?}");
}

#[test]
fn a_changed_byte_is_told_by_everything_that_reads_the_run() {
    let place = Place::with(WAITING);
    place.write("go", "");
    place.run(["--allow-shell", "MARKER", "--db", "a.db", "--run-id", "q"]).ended(0);
    assert!(place.on_db(&["show", "q"]).ended(0).stdout.contains("AAAA MARKER done"));
    let mut bytes = fs::read(place.path("a.db")).unwrap();
    let places: Vec<usize> = bytes
        .windows(11)
        .enumerate()
        .filter(|(_, w)| w == b"AAAA MARKER")
        .map(|(n, _)| n)
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at + 6] = b'U';
    }
    place.write("a.db", bytes);
    for look in [&["show", "q"][..], &["show", "q", "--json"], &["events", "q"]] {
        let told = place.on_db(look).ended(5);
        assert!(!told.stdout.contains("MURKER"), "{told:#?}");
        assert!(told.stderr.contains("the journal of run `q` is damaged at fact"), "{told:#?}");
        assert!(told.stderr.contains("its checksum does not match"), "{told:#?}");
    }
}

/// Runs the flow, does `meanwhile` while its second step is at work, and tells how the run ended.
fn interfered(place: &Place, meanwhile: impl FnOnce()) -> Ran {
    let mut command = place.command(["run", "flow.yaml", "x", "--allow-shell", "--db", "a.db"]);
    command.args(["--run-id", "q"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let until = std::time::Instant::now() + crate::support::PATIENCE;
    while !place.path("begun.txt").exists() {
        assert!(std::time::Instant::now() < until, "the step did not begin");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    meanwhile();
    place.write("go", "");
    Ran::from(child.wait_with_output().unwrap())
}

#[test]
fn a_database_that_is_deleted_under_a_run_stops_it() {
    let place = Place::with(WAITING);
    let ran = interfered(&place, || {
        for file in ["a.db", "a.db-wal", "a.db-shm"] {
            fs::remove_file(place.path(file)).unwrap();
        }
    });
    let ran = ran.ended(5);
    assert!(ran.stderr.contains("`a.db` is not the one that was opened"), "{ran:#?}");
    assert!(ran.stderr.contains("it was deleted or moved while it was open"), "{ran:#?}");
    assert!(!ran.stdout.contains("done"), "{ran:#?}");
}

#[test]
fn a_database_that_is_replaced_under_a_run_stops_it_and_the_log_is_not_taken_for_that_of_the_new() {
    let place = Place::with(WAITING);
    place.write("greeting.yaml", GREETING);
    // Of more than one run, so that both have pages that the other one has.
    for run in ["one", "two", "three"] {
        place.ran(["run", "greeting.yaml", run, "--db", "b.db", "--run-id", run]).ended(0);
    }
    let ran = interfered(&place, || {
        assert!(place.path("a.db-wal").exists());
        fs::rename(place.path("b.db"), place.path("a.db")).unwrap();
    });
    let ran = ran.ended(5);
    assert!(ran.stderr.contains("another file replaced it while it was open"), "{ran:#?}");
    // The log of the old file stays behind, and does not fit the new one.
    assert!(place.path("a.db-wal").exists());
    let runs = place.on_db(&["runs"]).ended(5);
    assert_eq!(runs.stdout, "");
}

#[test]
fn an_empty_database_file_is_told_and_stays_as_it_is() {
    let place = Place::with(GREETING);
    place.write("a.db", "");
    let look: [&[&str]; 9] = [
        &["runs"],
        &["show", "r-1"],
        &["events", "r-1"],
        &["events", "r-1", "--follow"],
        &["verify", "r-1"],
        &["resume", "r-1"],
        &["continue", "r-1", "--approve", "publish"],
        &["cancel", "r-1"],
        &["sessions", "list"],
    ];
    for look in look {
        let told = place.on_db(look).ended(5);
        let empty = "error[SW0808]: the database `a.db` is empty: the file has no bytes";
        assert!(told.stderr.contains(empty) && told.stderr.contains("a backup"), "{told:#?}");
        assert_eq!(fs::metadata(place.path("a.db")).unwrap().len(), 0, "{look:?}");
    }
    place.run(["Ada", "--db", "a.db", "--run-id", "r-1"]).ended(0);
    place.on_db(&["show", "r-1"]).ended(0);
}

/// A reader that waits for the next event of a run would wait without end.
#[test]
fn a_reader_that_follows_a_run_is_told_that_the_database_is_gone() {
    for (is_replaced, why) in
        [(false, "it was deleted or moved"), (true, "another file replaced it")]
    {
        let place = Place::with(ASKING);
        place.run(["--allow-shell", "--db", "a.db", "--run-id", "q"]).ended(3);
        let mut follow = place.command(["events", "q", "--db", "a.db", "--follow"]);
        let mut follower = follow.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
        // It has read everything that is there, or is about to.
        while !lines.next().unwrap().unwrap().contains("paused") {}
        for file in ["a.db-wal", "a.db-shm"] {
            let _ = fs::remove_file(place.path(file));
        }
        if is_replaced {
            fs::write(place.path("b.db"), fs::read(place.path("a.db")).unwrap()).unwrap();
            fs::rename(place.path("b.db"), place.path("a.db")).unwrap();
        } else {
            fs::remove_file(place.path("a.db")).unwrap();
        }
        let ran = Ran::from(follower.wait_with_output().unwrap()).ended(5);
        assert!(ran.stderr.contains("`a.db` is not the one that was opened"), "{ran:#?}");
        assert!(ran.stderr.contains(why), "{ran:#?}");
    }
}

#[test]
fn a_database_that_is_locked_at_the_start_leaves_nothing_to_resume() {
    let place = Place::with(GREETING);
    place.run(["Ada", "--db", "a.db"]).ended(0);
    let lock = rusqlite::Connection::open(place.path("a.db")).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let ran = place.run(["Ada", "--db", "a.db", "--run-id", "l"]).ended(5);
    assert!(ran.stderr.contains("database is locked"), "{ran:#?}");
    let hint = format!(
        "help: nothing was begun; process {} keeps `a.db` locked: wait for it or end it, then run it \
         again",
        std::process::id()
    );
    let told = ran.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains(&hint) || told.contains("close the program"), "{ran:#?}");
    assert!(!ran.stderr.contains("interrupted") && !ran.stderr.contains("resume"), "{ran:#?}");
    lock.execute_batch("COMMIT").unwrap();
}

/// The command in a world whose clock is wrong; nothing where `faketime` is not installed.
fn with_clock(
    place: &Place,
    arguments: &[&str],
    clock: &[(&str, &str)],
) -> Option<std::process::Command> {
    let library =
        ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"]
            .iter()
            .map(|directory| format!("{directory}/faketime/libfaketimeMT.so.1"))
            .find(|path| std::path::Path::new(path).exists());
    let Some(library) = library else {
        #[expect(clippy::print_stderr, reason = "a test that is left out must say so")]
        {
            eprintln!("left out: `faketime` is not installed");
        }
        return None;
    };
    let mut command = place.command(arguments);
    command.env("LD_PRELOAD", library).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    command.env("FAKETIME_NO_CACHE", "1").envs(clock.iter().copied());
    Some(command)
}

const NAPPING: &str = "\
format: 1
name: Nap
steps:
  - {name: a, template: 'AAAA {{ input }}'}
  - {name: nap, sleep: 1s}
  - {name: b, template: '{{ steps.a }} slept'}
";

#[test]
fn a_sleep_ends_where_the_clock_stands_before_1970() {
    let place = Place::with(NAPPING);
    let clock = [("FAKETIME", "@1969-06-01 00:00:00")];
    let arguments = ["run", "flow.yaml", "x", "--db", "a.db"];
    let Some(mut command) = with_clock(&place, &arguments, &clock) else { return };
    let ran = Ran::of(&mut command).ended(0);
    assert!(ran.stdout.contains("AAAA x slept"), "{ran:#?}");
}

#[test]
fn a_sleep_ends_where_the_clock_is_set_back_while_it_lasts() {
    let place = Place::with(NAPPING);
    let now = place.path("now");
    fs::write(&now, "+0").unwrap();
    let clock = [("FAKETIME_TIMESTAMP_FILE", now.to_str().unwrap())];
    let arguments = ["run", "flow.yaml", "x", "--db", "a.db", "--json", "--events"];
    let Some(mut command) = with_clock(&place, &arguments, &clock) else { return };
    let began = std::time::Instant::now();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let asleep = lines.by_ref().any(|line| line.unwrap().contains("\"path\":\"nap\""));
    assert!(asleep, "the run never slept");
    fs::write(&now, "-3600").unwrap();
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert!(child.wait().unwrap().success(), "{rest:#?}");
    assert!(rest.last().unwrap().contains("AAAA x slept"), "{rest:#?}");
    // An hour is what it took before.
    assert!(began.elapsed() < crate::support::PATIENCE);
}
