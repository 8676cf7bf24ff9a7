//! Limits of runs over several processes, and the cost in lists.

use crate::stopping::terminate;
use crate::support::{PATIENCE, Place, Ran};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use stepwright_testing::postgres;

/// One run of a customer at once. The step hangs until there is a file.
const HELD: &str = "\
format: 1
name: Held
concurrency: {key: '= input.customer', max: 1, then: queue}
steps:
  - name: held
    shell: 'echo $$ > pid.txt; until test -e go.txt; do sleep 0.01; done; echo up'
    on_interrupted: retry
";

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn start(place: &Place, db: &str, run: &str, customer: &str) -> Child {
    let input = format!("customer={customer}");
    place
        .command(["run", "flow.yaml", "--allow-shell", "--db", db, "--run-id", run, "-i", &input])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn ended(child: Child) -> Ran {
    Ran::from(child.wait_with_output().unwrap())
}

fn in_each_database(test: impl Fn(&Place, &str)) {
    let place = Place::with(HELD);
    test(&place, "a.db");
    if let Some(server) = postgres::server() {
        let place = Place::with(HELD);
        test(&place, &(server.database() + "?connect_timeout=60"));
    }
}

fn events(place: &Place, db: &str, run: &str) -> String {
    place.ran(["events", run, "--db", db]).stdout
}

#[test]
fn a_run_waits_for_another_process_and_goes_on_when_that_is_killed() {
    in_each_database(|place, db| {
        let mut first = start(place, db, "r-1", "acme");
        let pid = place.path("pid.txt");
        wait_until("the step runs", || {
            std::fs::read_to_string(&pid).is_ok_and(|pid| pid.ends_with('\n'))
        });
        let second = start(place, db, "r-2", "acme");
        let queued = "workflow queued for key `acme`, of which 1 run may go on at once";
        wait_until("the second waits", || events(place, db, "r-2").contains(queued));
        let listed = place.ran(["runs", "--db", db]).ended(0).stdout;
        assert!(listed.contains("queued for key acme"), "{listed}");
        let shown = place.ran(["show", "r-2", "--db", db]).ended(0).stdout;
        assert!(shown.contains("status      queued for key `acme`"), "{shown}");
        let json = place.ran(["runs", "--json", "--db", db]).ended(0).stdout;
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json[0]["queued"]["key"], "acme", "{json}");
        assert_eq!(json[1].get("queued"), None, "{json}");

        first.kill().unwrap();
        first.wait().unwrap();
        // The command of the first outlives it no longer than the next driver of its run.
        wait_until("the second goes on", || {
            events(place, db, "r-2").contains("workflow goes on: a slot is free")
        });
        place.write("go.txt", "");
        assert_eq!(ended(second).ended(0).stdout, "up\n");
        let resumed = place.ran(["resume", "r-1", "--allow-shell", "--db", db]).ended(0);
        assert_eq!(resumed.stdout, "up\n");
    });
}

#[test]
fn a_killed_run_that_is_resumed_waits_behind_the_one_that_has_its_slot() {
    in_each_database(|place, db| {
        let mut first = start(place, db, "r-1", "acme");
        let begun = |run: &str| events(place, db, run).contains("started held");
        wait_until("the first runs", || begun("r-1"));
        first.kill().unwrap();
        first.wait().unwrap();
        let second = start(place, db, "r-2", "acme");
        wait_until("the second runs", || begun("r-2"));
        let again = place
            .command(["resume", "r-1", "--allow-shell", "--db", db])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait_until("the first waits", || events(place, db, "r-1").contains("workflow queued"));
        place.write("go.txt", "");
        ended(second).ended(0);
        ended(again).ended(0);
    });
}

#[test]
fn a_run_that_is_skipped_has_an_exit_code_of_its_own_and_is_not_stored() {
    in_each_database(|place, db| {
        place.write("flow.yaml", HELD.replace("then: queue", "then: skip"));
        let first = start(place, db, "r-1", "acme");
        wait_until("the first runs", || events(place, db, "r-1").contains("started held"));
        let skipped = ended(start(place, db, "r-2", "acme")).ended(8);
        assert_eq!(skipped.stdout, "");
        assert!(skipped.stderr.contains("error[SW0730]: the run was skipped"), "{skipped:#?}");
        assert!(skipped.stderr.contains("`r-1` is under way"), "{skipped:#?}");
        let listed = place.ran(["runs", "--db", db]).ended(0).stdout;
        assert!(!listed.contains("r-2"), "{listed}");
        place.write("go.txt", "");
        ended(first).ended(0);
        ended(start(place, db, "r-3", "acme")).ended(0);
    });
}

#[test]
fn of_many_processes_with_one_key_one_begins() {
    in_each_database(|place, db| {
        let flow = "format: 1\nname: Once\ndedupe: {key: '= input.customer', within: 1h}\n\
                    steps: [{name: a, shell: 'echo x >> done.txt'}]\n";
        place.write("flow.yaml", flow);
        // The database exists before they race for the key.
        ended(start(place, db, "r-0", "other")).ended(0);
        let all: Vec<Child> =
            (1..6).map(|nth| start(place, db, &format!("r-{nth}"), "acme")).collect();
        let codes: Vec<i32> = all.into_iter().map(|child| ended(child).code).collect();
        assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
        assert_eq!(codes.iter().filter(|code| **code == 8).count(), 4, "{codes:?}");
        let done = std::fs::read_to_string(place.path("done.txt")).unwrap();
        assert_eq!(done, "x\nx\n");
    });
}

#[test]
fn a_list_of_runs_has_the_cost_and_an_unknown_price_is_not_zero() {
    let agent = "format: 1\nname: Asks\nmodel: offline\nagents: {a: {}}\n\
                 steps: [{name: ask, agent: a}]\n";
    let place = Place::with(agent);
    place.on_db(&["run", "flow.yaml", "Hello there."]).ended(0);
    let listed = place.on_db(&["runs"]).ended(0).stdout;
    assert!(listed.contains("COST") && !listed.contains("unknown"), "free is free: {listed}");
    // The model tells no tokens, so what it costs at a price is not known.
    place.write("prices.yaml", "\"offline:extract\": {input: 1, output: 2}\n");
    place.on_db(&["run", "flow.yaml", "Hello there.", "--prices", "prices.yaml"]).ended(0);
    let listed = place.on_db(&["runs"]).ended(0).stdout;
    assert!(listed.contains(" unknown "), "{listed}");
    let json = place.on_db(&["runs", "--json"]).ended(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["cost"]["unpriced_requests"], 1, "{json}");
    assert_eq!(json[1]["cost"], serde_json::json!({"usd": 0.0}), "{json}");
    assert_eq!(json[0]["metrics"]["model_calls"], 1, "{json}");

    // The list needs no journal.
    let database = rusqlite::Connection::open(place.path("a.db")).unwrap();
    database.execute("DELETE FROM journal", []).unwrap();
    assert_eq!(place.on_db(&["runs"]).ended(0).stdout, listed);
}

/// The steps that run afterwards hang until there is a file.
const AFTER: &str = "\
format: 1
name: After
timeout: 1s
steps:
  - {name: held, shell: 'sleep 600'}
finally:
  - {name: first, shell: 'echo x >> first.txt'}
  - name: second
    shell: 'echo $$ > second.txt; until test -e go.txt; do sleep 0.01; done'
    on_interrupted: retry
";

#[test]
fn sigterm_does_not_wait_for_the_steps_that_run_afterwards() {
    let place = Place::with(AFTER);
    let child = place
        .command(["run", "flow.yaml", "--allow-shell", "--db", "a.db", "--run-id", "r-1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("the steps afterwards run", || place.path("second.txt").exists());
    place.waits_for("r-1", |events| events.contains("started finally/second"));
    let begin = Instant::now();
    terminate(&child);
    let ran = ended(child).ended(6);
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    assert!(ran.stderr.contains("to go on: stepwright resume r-1"), "{ran:#?}");
    place.write("go.txt", "");
    // The run took too long, and ends so.
    let resumed = place.on_db(&["resume", "r-1", "--allow-shell"]).ended(1);
    let first = std::fs::read_to_string(place.path("first.txt")).unwrap();
    assert_eq!(first, "x\n", "what was done afterwards is not done again: {resumed:#?}");
    let facts = place.facts_in("a.db");
    stepwright_testing::grammar::check(&facts);
    let names: Vec<_> = facts.iter().map(|fact| format!("{} {}", fact.name(), fact.path)).collect();
    assert!(names.contains(&"StepCompleted finally/second".to_owned()), "{names:#?}");
}

#[test]
fn permissions_of_an_untrusted_project_narrow_those_of_the_user() {
    let place = Place::with("format: 1\nname: S\nsteps: [{name: a, shell: 'echo hi'}]\n");
    place.write("stepwright.toml", "permissions = \"project.yaml\"\n");
    let user = place.folders_of_user()[1].1.join("stepwright");
    std::fs::create_dir_all(&user).unwrap();
    let run = |user_rules: Option<&str>, project: &str| {
        place.write("project.yaml", project);
        match user_rules {
            Some(rules) => {
                std::fs::write(user.join("mine.yaml"), rules).unwrap();
                std::fs::write(user.join("stepwright.toml"), "permissions = \"mine.yaml\"\n")
            }
            None => std::fs::write(user.join("stepwright.toml"), ""),
        }
        .unwrap();
        place.run(["--no-db"])
    };
    let (allow, deny) = ("allow: ['shell: echo *']\n", "deny: [shell]\n");
    assert_eq!(run(Some(allow), allow).ended(0).stdout, "hi\n");
    let denied = run(Some(allow), deny).ended(1);
    assert!(denied.stderr.contains("of the project"), "{denied:#?}");
    let denied = run(Some(deny), "allow: ['*']\n").ended(1);
    assert!(denied.stderr.contains("of the user"), "{denied:#?}");
    // Where the user says nothing, the project allows nothing.
    let refused = run(None, "allow: ['*']\n").ended(2);
    assert!(refused.stderr.contains("this file runs commands"), "{refused:#?}");
}
