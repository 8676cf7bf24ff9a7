//! Disks that are full, databases that cannot be written, and journals that are damaged: what is
//! said, and that nothing becomes worse.

use crate::support::{ASKING, GREETING, Place, Ran};
use rusqlite::Connection;
use rusqlite::types::Value;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use stepwright_testing::postgres;

/// A run that waits before its second step.
fn paused() -> Place {
    let place = Place::with(ASKING);
    place.run(["--allow-shell", "--db", "a.db", "--run-id", "r-1"]).ended(3);
    place
}

/// Commands that change a run.
const CHANGE: [&[&str]; 3] = [
    &["resume", "r-1", "--allow-shell"],
    &["continue", "r-1", "--allow-shell", "--approve", "publish"],
    &["cancel", "r-1"],
];

/// Commands that read a run.
const LOOK: [&[&str]; 2] = [&["show", "r-1"], &["events", "r-1"]];

/// Returns `true` if a command works here; says so if it does not.
fn works(program: &str, arguments: &[&str]) -> bool {
    let works =
        Command::new(program).args(arguments).output().is_ok_and(|ran| ran.status.success());
    if !works {
        #[expect(clippy::print_stderr, reason = "a test that is left out must say so")]
        {
            eprintln!("left out: `{program} {}` does not work here", arguments.join(" "));
        }
    }
    works
}

/// A script in a world with mounts of its own, in which `stepwright` is the command.
fn in_own_mounts(place: &Place, script: &str) -> Option<Ran> {
    let own: &[&str] = if works("unshare", &["-m", "true"]) { &["-m"] } else { &["-rm"] };
    if !works("unshare", &[own, &["true"]].concat()) {
        return None;
    }
    let script = format!("stepwright() {{ \"$0\" \"$@\"; }}\n{script}");
    let mut command = Command::new("unshare");
    command.args(own).args(["sh", "-ec", &script, env!("CARGO_BIN_EXE_stepwright")]);
    command.current_dir(place.path(".")).envs(place.folders_of_user());
    Some(Ran::of(&mut command))
}

/// Returns the rows that `a.db` keeps of runs.
fn rows(place: &Place) -> Vec<String> {
    let db = Connection::open(place.path("a.db")).unwrap();
    let mut all = Vec::new();
    for table in ["runs", "journal", "sessions", "inbox", "blobs", "plans"] {
        let mut rows = db.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2")).unwrap();
        let columns = rows.column_count();
        let mut rows = rows.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values = (0..columns).map(|at| row.get::<_, Value>(at).unwrap());
            all.push(format!("{table}: {:?}", values.collect::<Vec<_>>()));
        }
    }
    all
}

#[test]
fn a_full_disk_is_told_and_the_run_goes_on_when_there_is_room() {
    let flow = "\
format: 1
name: Fill
on_interrupted: retry
steps:
  - {name: first, shell: 'echo x >> done.txt; echo first'}
  - {name: much, shell: {command: 'head -c 4000000 /dev/urandom | base64 -w 0', max_bytes: 9000000}}
  - {name: last, template: 'after {{ steps.first }}'}
";
    let place = Place::with(flow);
    for directory in ["disk", "base"] {
        std::fs::create_dir(place.path(directory)).unwrap();
    }
    // Some megabytes are written to where there are two, and then to where there is room for all.
    let script = "\
mount -t tmpfs -o size=32m none disk
head -c 30000000 /dev/zero > disk/ballast
code() { echo \"$1: $?\"; }
stepwright run flow.yaml --allow-shell --base-dir base --db disk/a.db --run-id r-1 || code run
stepwright show r-1 --db disk/a.db > show.txt && code shown
stepwright resume r-1 --allow-shell --db disk/a.db || code resume
rm disk/ballast
stepwright resume r-1 --allow-shell --db disk/a.db && code resumed
cp disk/a.db* .
";
    let Some(ran) = in_own_mounts(&place, script) else { return };
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert_eq!(ran.stdout, "run: 5\nshown: 0\nresume: 5\nafter first\nresumed: 0\n", "{ran:#?}");
    for part in [
        "error[SW0814]: cannot write to the database `disk/a.db`\n  caused by: database or disk is full",
        "help: free some space on the disk that holds `disk/a.db`",
    ] {
        assert_eq!(ran.stderr.matches(part).count(), 2, "{part}: {ran:#?}");
    }
    let shown = std::fs::read_to_string(place.path("show.txt")).unwrap();
    assert!(shown.contains("├─ ✓ first"), "{shown}");
    stepwright_testing::grammar::check(&place.facts_in("a.db"));
    assert_eq!(std::fs::read_to_string(place.path("base/done.txt")).unwrap(), "x\n");
}

#[test]
fn a_database_that_may_not_be_written_is_told_and_stays_as_it_is() {
    // Root may do everything, unless that is taken away.
    let mut program = vec!["env"];
    let own = std::fs::metadata("/proc/self").unwrap();
    if std::os::unix::fs::MetadataExt::uid(&own) == 0 {
        program = vec!["setpriv", "--bounding-set=-all", "--inh-caps=-all"];
        if !works(program[0], &[&program[1..], &["true"]].concat()) {
            return;
        }
    }
    program.push(env!("CARGO_BIN_EXE_stepwright"));
    let place = paused();
    std::fs::create_dir(place.path("kept")).unwrap();
    std::fs::rename(place.path("a.db"), place.path("kept/a.db")).unwrap();
    let before = std::fs::read(place.path("kept/a.db")).unwrap();
    let kept = ["--db", "kept/a.db"];
    for (file, directory) in [(0o444, 0o755), (0o644, 0o555), (0o444, 0o555)] {
        allow(&place.path("kept/a.db"), file);
        allow(&place.path("kept"), directory);
        let ran = |arguments: &[&str]| {
            let mut command = Command::new(program[0]);
            command.args(&program[1..]).args(arguments).args(kept);
            Ran::of(command.current_dir(place.path(".")).envs(place.folders_of_user()))
        };
        for arguments in CHANGE {
            let ran = ran(arguments).ended(5);
            assert!(
                ran.stderr.starts_with("error[SW0809]: cannot "),
                "{directory:o} {file:o} {ran:#?}"
            );
            assert!(ran.stderr.contains(" the database `kept/a.db`\n"), "{ran:#?}");
            assert!(ran.stderr.contains("help: allow this program to write to "), "{ran:#?}");
        }
        // Looking is not writing.
        for arguments in LOOK {
            let ran = ran(arguments);
            assert!(ran.code == 0 && ran.stderr.is_empty(), "{directory:o} {file:o} {ran:#?}");
            assert!(ran.stdout.contains("publish"), "{ran:#?}");
        }
        allow(&place.path("kept"), 0o755);
        assert_eq!(std::fs::read(place.path("kept/a.db")).unwrap(), before);
    }
    allow(&place.path("kept/a.db"), 0o644);
    place.ran([CHANGE[1], &kept].concat()).ended(3);
    // A log that only a program with more rights can read: nothing of it is left out in silence.
    let writing = Connection::open(place.path("kept/a.db")).unwrap();
    writing.execute_batch("UPDATE runs SET updated_at = updated_at + 1").unwrap();
    std::fs::copy(place.path("kept/a.db-wal"), place.path("log")).unwrap();
    drop(writing);
    std::fs::rename(place.path("log"), place.path("kept/a.db-wal")).unwrap();
    let _ = std::fs::remove_file(place.path("kept/a.db-shm"));
    allow(&place.path("kept"), 0o555);
    for arguments in LOOK {
        let mut command = Command::new(program[0]);
        command.args(&program[1..]).args(arguments).args(kept);
        let ran = Ran::of(command.current_dir(place.path("."))).ended(5);
        assert!(
            ran.stderr.starts_with("error[SW0809]: cannot read all of the database"),
            "{ran:#?}"
        );
        assert!(ran.stderr.contains("help: copy `kept/a.db` and `kept/a.db-wal`"), "{ran:#?}");
    }
    allow(&place.path("kept"), 0o755);
}

#[test]
fn a_locked_database_is_waited_for_as_long_as_wanted() {
    let place = paused();
    let locks = Connection::open(place.path("a.db")).unwrap();
    locks.execute_batch("BEGIN IMMEDIATE").unwrap();
    let began = std::time::Instant::now();
    let ran = place.on_db(&["cancel", "r-1", "--lock-wait", "20ms"]).ended(5);
    assert!(ran.stderr.starts_with("error[SW0813]"), "{ran:#?}");
    // By default it would be five seconds.
    assert!(began.elapsed() < std::time::Duration::from_secs(4), "{:?}", began.elapsed());
    locks.execute_batch("COMMIT").unwrap();
    place.on_db(&["cancel", "r-1", "--lock-wait", "20ms"]).ended(0);

    for (arguments, told) in [
        (&["runs", "--db", "postgres://h/d", "--lock-wait", "1s"][..], "is for SQLite files"),
        (
            &["run", "flow.yaml", "--allow-shell", "--no-db", "--lock-wait", "1s"],
            "cannot be used with",
        ),
        (
            &["chat", "flow.yaml", "--allow-shell", "--no-db", "--lock-wait", "1s"],
            "cannot be used with",
        ),
    ] {
        let ran = place.ran(arguments).ended(2);
        assert!(ran.stderr.contains(told) && ran.stderr.contains("help"), "{ran:#?}");
    }
}

fn allow(path: &Path, mode: u32) {
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
    std::fs::set_permissions(path, permissions).unwrap();
}

#[test]
fn a_disk_that_cannot_be_written_is_told() {
    let place = paused();
    let before = std::fs::read(place.path("a.db")).unwrap();
    let mut script = "mount --bind . .; mount -o remount,ro,bind .; cd \"$PWD\"\n".to_owned();
    for arguments in CHANGE.into_iter().chain(LOOK) {
        let arguments = arguments.join(" ");
        let _ = writeln!(script, "stepwright {arguments} --db a.db || echo $?");
    }
    let Some(ran) = in_own_mounts(&place, &script) else { return };
    assert_eq!(ran.stdout.lines().filter(|line| *line == "5").count(), 3, "{ran:#?}");
    for part in
        ["error[SW0809]: cannot open the database `a.db`\n", "help: allow this program to write to"]
    {
        assert_eq!(ran.stderr.matches(part).count(), 3, "{part}: {ran:#?}");
    }
    // What was looked at is shown.
    assert!(ran.stdout.contains("workflow started: Publish"), "{ran:#?}");
    assert_eq!(std::fs::read(place.path("a.db")).unwrap(), before);
    place.on_db(CHANGE[1]).ended(3);
}

/// Ways to damage a fact, each with the number of the fact that the message names.
const DAMAGE: [(&str, u64); 6] = [
    ("UPDATE journal SET body = substr(body, 1, 20) WHERE seq = 3", 3),
    ("UPDATE journal SET body = 'x' WHERE seq = 0", 0),
    ("UPDATE journal SET body = '{\"event\": \"Nonsense\"}' WHERE seq = 3", 3),
    ("DELETE FROM journal WHERE seq = 2", 2),
    // These are facts, but of another run than this.
    ("UPDATE journal SET path = 'a/b' WHERE seq = 2", 2),
    ("UPDATE journal SET path = 'publish' WHERE seq = 2", 2),
];

#[test]
fn a_damaged_fact_is_named_and_nothing_becomes_worse() {
    for (damage, sequence) in DAMAGE {
        let place = paused();
        assert_eq!(Connection::open(place.path("a.db")).unwrap().execute(damage, []), Ok(1));
        let before = rows(&place);
        for arguments in CHANGE.into_iter().chain(LOOK) {
            let ran = place.on_db(arguments);
            assert_eq!(rows(&place), before, "{damage}: {ran:#?}");
            is_told(damage, sequence, &ran);
        }
        assert_eq!(std::fs::read_to_string(place.path("done.txt")).unwrap(), "x\n");
    }
}

/// A session in which something has run already, and what it knew is gone.
#[test]
fn a_damaged_session_is_named_and_stays_as_it_is() {
    for state in ["[]", "3", "", "no JSON", "{\"count\": 1"] {
        let place = Place::with(GREETING);
        let run = || place.run(["Ada", "--session-id", "s-1", "--db", "a.db"]);
        run().ended(0);
        let db = Connection::open(place.path("a.db")).unwrap();
        assert_eq!(db.execute("UPDATE sessions SET state = ?1", [state]), Ok(1));
        let before = rows(&place);
        let ran = run().ended(5);
        let told = "error[SW0805]: what is stored of session `s-1` is damaged\n";
        assert!(ran.stderr.starts_with(told), "{state}: {ran:#?}");
        assert!(ran.stderr.contains("help: "), "{state}: {ran:#?}");
        assert_eq!(ran.stdout, "", "{state}: {ran:#?}");
        assert_eq!(rows(&place), before, "{state}: {ran:#?}");
        // Other sessions are as they were.
        place.run(["Ben", "--session-id", "s-2", "--db", "a.db"]).ended(0);
    }
}

/// A fact that cannot be recorded has not happened: the run is not told as completed, and its step
/// is not done again and again in the hope that it can.
#[test]
fn a_run_whose_end_cannot_be_recorded_has_not_ended_and_is_not_driven_again() {
    let flow = "\
format: 1
name: Publish
steps:
  - name: publish
    shell: 'echo x >> done.txt; echo published'
    human_review: {requires_confirmation: 'Publish it?'}
";
    let place = Place::with(flow);
    let run = ["--allow-shell", "--session-id", "s-1", "--db", "a.db", "--run-id", "r-1"];
    place.run(run).ended(3);
    let db = Connection::open(place.path("a.db")).unwrap();
    assert_eq!(db.execute("UPDATE sessions SET state = '[]'", []), Ok(1));
    let go_on = ["continue", "r-1", "--db", "a.db", "--allow-shell", "--approve", "publish"];
    let ran = place.ran(go_on).ended(5);
    assert!(
        ran.stderr.contains("error[SW0805]: what is stored of session `s-1` is damaged"),
        "{ran:#?}"
    );
    assert!(!ran.stderr.contains("completed") && ran.stdout.is_empty(), "{ran:#?}");
    assert_eq!(std::fs::read_to_string(place.path("done.txt")).unwrap(), "x\n");
    // It can be taken up when the session is what it was.
    db.execute("UPDATE sessions SET state = '{}'", []).unwrap();
    // No journal says that the command ended, so that a person says what came of it.
    let asked = place.on_db(&["resume", "r-1", "--allow-shell"]).ended(7);
    assert!(asked.stderr.contains("publish!interrupted"), "{asked:#?}");
    let done = ["continue", "r-1", "--allow-shell", "--done", "publish=published"];
    assert_eq!(place.on_db(&done).ended(0).stdout, "published\n");
    assert_eq!(std::fs::read_to_string(place.path("done.txt")).unwrap(), "x\n");
}

#[test]
fn a_damaged_fact_in_a_server_is_named_and_nothing_becomes_worse() {
    let Some(server) = postgres::server() else { return };
    for (damage, sequence) in DAMAGE {
        let (place, address) = (Place::with(ASKING), server.database());
        let kept = ["--db", &address];
        place.run([&["--allow-shell", "--run-id", "r-1"], &kept[..]].concat()).ended(3);
        let database = address.rsplit('/').next().unwrap();
        server.sql(database, &damage.replace(" journal ", " stepwright.journal "));
        let rows = || {
            ["runs", "journal", "sessions", "inbox"]
                .map(|table| server.sql(database, &format!("SELECT * FROM stepwright.{table}")))
        };
        let before = rows();
        for arguments in CHANGE.into_iter().chain(LOOK) {
            let ran = place.ran([arguments, &kept].concat());
            assert_eq!(rows(), before, "{damage}: {ran:#?}");
            is_told(damage, sequence, &ran);
        }
    }
}

#[track_caller]
fn is_told(damage: &str, sequence: u64, ran: &Ran) {
    assert_eq!(ran.code, 5, "{damage}: {ran:#?}");
    let told = format!("error[SW0804]: the journal of run `r-1` is damaged at fact {sequence}");
    assert!(ran.stderr.starts_with(&told), "{damage}: {ran:#?}");
}

/// The file itself is damaged: in the middle, where the journal is.
#[test]
fn a_damaged_file_is_told_and_stays_as_it_is() {
    let place = paused();
    let mut bytes = std::fs::read(place.path("a.db")).unwrap();
    let page = 4096;
    // All but the first page, which says what tables there are.
    bytes[page..].fill(0x5a);
    place.write("a.db", &bytes);
    for arguments in CHANGE.into_iter().chain(LOOK) {
        let ran = place.on_db(arguments).ended(5);
        assert!(ran.stderr.contains(" the database `a.db`\n"), "{ran:#?}");
        assert!(ran.stderr.contains("it is damaged"), "{ran:#?}");
        assert!(ran.stderr.contains("help: "), "{ran:#?}");
        assert!(std::fs::read(place.path("a.db")).unwrap() == bytes);
    }
}
