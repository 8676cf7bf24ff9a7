//! Databases that are not files.

use crate::support::{ASKING, GREETING, Place};
use stepwright_testing::postgres;

#[test]
fn a_session_goes_on_in_a_server() {
    let Some(server) = postgres::server() else { return };
    let address = server.database().replace("postgres://", "postgresql+psycopg://");
    let flow = "\
format: 1
name: Count
steps:
  - {name: last, value: {before: = state.?at.orValue('none')}}
  - set_state: {at: = input}
";
    let place = Place::with(flow);
    let run = |input: &str, user: &str| {
        place.run([input, "--db", &address, "--session-id", "s-1", "--user-id", user])
    };
    let first = run("one", "ada").ended(0);
    assert_eq!(first.stdout, "{\n  \"before\": \"none\"\n}\n");
    assert!(first.stderr.starts_with("run ") && !first.stderr.contains("secret"), "{first:#?}");
    assert_eq!(run("two", "ada").ended(0).stdout, "{\n  \"before\": \"one\"\n}\n");
    let stranger = run("three", "ben").ended(2);
    assert!(stranger.stderr.contains("session `s-1` was not found"), "{stranger:#?}");
    assert!(!place.path("postgresql+psycopg:").exists());
    let runs =
        server.sql(address.rsplit('/').next().unwrap(), "SELECT status FROM stepwright.runs");
    assert_eq!(runs, "COMPLETED\nCOMPLETED\n");
}

#[test]
fn a_run_waits_in_a_server_and_is_answered_and_cancelled_there() {
    let Some(server) = postgres::server() else { return };
    let address = server.database();
    let place = Place::with(ASKING);
    let on = |arguments: &[&str]| place.ran(arguments.iter().chain(&["--db", &address]));
    for run in ["r-1", "r-2"] {
        let paused = on(&["run", "flow.yaml", "--allow-shell", "--run-id", run]).ended(3);
        // The command that is to be copied has no password in it.
        assert!(paused.stderr.contains("--approve"), "{paused:#?}");
        assert!(!paused.stderr.contains("secret"), "{paused:#?}");
    }
    let go_on = ["continue", "r-1", "--allow-shell", "--approve"];
    on(&[&go_on[..], &["publish"]].concat()).ended(3);
    let done = on(&[&go_on[..], &["letter"]].concat()).ended(0);
    assert_eq!(done.stdout, "a letter about published draft\n");
    assert_eq!(on(&["cancel", "r-2"]).ended(0).stderr, "run r-2 cancelled\n");
    let list = on(&["runs"]).ended(0).stdout;
    assert!(list.contains("r-2  cancelled  publish"), "{list}");
    assert!(list.contains("r-1  completed  publish"), "{list}");
    let events = on(&["events", "r-1", "--json", "--follow"]).ended(0).events();
    stepwright_testing::grammar::check(&events);
}

/// Also with everything logged.
#[test]
fn a_server_that_lets_nobody_in_is_told_without_the_password() {
    let Some(server) = postgres::server() else { return };
    let address = server.database().replace("secret", "geheim");
    let place = Place::with(GREETING);
    for debug in [&[][..], &["--debug"]] {
        let ran = place.run([&["Ada", "--db", &address], debug].concat()).ended(5);
        let shown = address.rsplit('@').next().unwrap();
        let told = format!("error[SW0816]: cannot connect to the database `{shown}`");
        assert!(ran.stderr.contains(&told), "{ran:#?}");
        assert!(ran.stderr.contains("help: check user `postgres` and its password"), "{ran:#?}");
        assert!(!ran.stderr.contains("geheim") && ran.stdout.is_empty(), "{ran:#?}");
    }
}

#[test]
fn an_address_that_is_not_understood_makes_no_file_and_is_not_repeated() {
    let place = Place::with(GREETING);
    for address in ["mysql://u:geheim@h/d", "postgres://u:ge/heim@h/d", "postgres://h/d?x=geheim"] {
        let ran = place.run(["Ada", "--db", address]).ended(5);
        let told = "error[SW0817]: cannot read the address of the database\n";
        assert!(ran.stderr.contains(told) && ran.stderr.contains("help: "), "{ran:#?}");
        assert!(!ran.stderr.contains("heim"), "{ran:#?}");
    }
    assert!(!place.path("mysql:").exists());
}
