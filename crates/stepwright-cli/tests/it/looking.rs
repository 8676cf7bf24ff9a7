//! Lists, single runs and their events: what is seen without touching anything.

use crate::support::{ASKING, FAILING, GREETING, Place};
use serde_json::Value;
use stepwright::Event;

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect(text)
}

/// A place with a run that completed, one that failed and one that waits, the newest last.
fn three() -> Place {
    let place = Place::with(GREETING);
    place.write("failing.yaml", FAILING);
    place.write("asking.yaml", ASKING);
    let run = |arguments: &[&str], id: &str, code| {
        place.on_db(&[&["run"], arguments, &["--run-id", id]].concat()).ended(code)
    };
    run(&["flow.yaml", "Ada", "--session-id", "s-1", "--user-id", "ada"], "r-1", 0);
    run(&["failing.yaml", "--allow-shell"], "r-2", 1);
    run(&["asking.yaml", "--allow-shell"], "r-3", 3);
    place
}

fn ids(place: &Place, arguments: &[&str]) -> Vec<String> {
    let ran = place.on_db(&[&["runs", "--json"], arguments].concat()).ended(0);
    let rows = json(&ran.stdout);
    rows.as_array().unwrap().iter().map(|r| r["run_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn runs_are_listed_the_newest_first_and_filtered() {
    let place = three();
    assert_eq!(ids(&place, &[]), ["r-3", "r-2", "r-1"]);
    for (filter, expected) in [
        (&["--status", "failed"][..], &["r-2"][..]),
        (&["--status", "PAUSED"], &["r-3"]),
        (&["--status", "completed"], &["r-1"]),
        (&["--session", "s-1"], &["r-1"]),
        (&["--user", "ada"], &["r-1"]),
        (&["--user", "ben"], &[]),
        (&["--workflow", "failing"], &["r-2"]),
        (&["--limit", "1"], &["r-3"]),
        (&["--limit", "0"], &[]),
        (&["--limit", "1", "--offset", "1"], &["r-2"]),
    ] {
        assert_eq!(ids(&place, filter), expected, "{filter:?}");
    }
    let list = place.on_db(&["runs"]).ended(0);
    let lines: Vec<&str> = list.stdout.lines().collect();
    assert!(lines[0].starts_with("RUN  STATUS     WORKFLOW  BEGAN "), "{list:#?}");
    assert!(lines[1].starts_with("r-3  paused     publish   20"), "{list:#?}");
    assert!(lines[2].starts_with("r-2  failed     failing   20"), "{list:#?}");
    assert!(lines[3].starts_with("r-1  completed  greeting  20"), "{list:#?}");
    assert!(lines[3].ends_with("  ada") && lines[3].contains("  s-1 "), "{list:#?}");
    let none = place.on_db(&["runs", "--user", "ben"]).ended(0);
    assert_eq!((none.stdout.as_str(), none.stderr.as_str()), ("", "note: there is no such run\n"));
    let wrong = place.on_db(&["runs", "--status", "gone"]).ended(2);
    assert!(wrong.stderr.contains("it is none of pending, running"), "{wrong:#?}");
}

#[test]
fn rows_have_a_shape_that_scripts_can_rely_on() {
    let place = three();
    let rows = json(&place.on_db(&["runs", "--json"]).stdout);
    let mut keys: Vec<&str> = rows[2].as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "background",
            "cost",
            "created_at",
            "digest",
            "driver",
            "metrics",
            "run_id",
            "session_id",
            "status",
            "updated_at",
            "user_id",
            "wake_at",
            "workflow_id",
        ]
    );
    assert_eq!((&rows[2]["status"], &rows[2]["user_id"]), (&"COMPLETED".into(), &"ada".into()));
}

#[test]
fn a_run_is_shown_with_its_steps_and_what_it_waits_for() {
    let place = three();
    let shown = place.on_db(&["show", "r-3"]).ended(0).stdout;
    for part in [
        "run         r-3\n",
        "workflow    Publish (publish)\n",
        "status      paused\n",
        "\nsteps\n  ├─ ✓ count  ",
        "\n  └─ ⏸ publish  waiting\n",
        "publish!confirm  a confirmation\n  Publish it?\n  draft\n",
        "to go on: stepwright continue r-3 --db a.db --allow-shell --approve 'publish!confirm'\n",
        "\npaused in ",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(shown.contains(&format!("{}\n", place.path("asking.yaml").display())), "{shown}");
    let failed = place.on_db(&["show", "r-2"]).ended(0).stdout;
    assert!(failed.contains("✓ first"), "{failed}");
    assert!(failed.contains("✗ second  failed  "), "{failed}");
    assert!(
        failed.contains("\nerror[SW0605]: step `second` failed after 2 attempts: "),
        "{failed}"
    );
    let done = place.on_db(&["show", "r-1"]).ended(0).stdout;
    assert!(
        done.contains("\ninput\n  Ada\n") && done.contains("\noutput\n  Hello Ada!\n"),
        "{done}"
    );
    let as_json = json(&place.on_db(&["show", "r-3", "--json"]).ended(0).stdout);
    assert_eq!(as_json["status"], "PAUSED");
    assert_eq!(as_json["requirements"][0]["id"], "publish!confirm");
    assert_eq!(as_json["step_results"][0]["path"], "count");
    let file = place.path("asking.yaml").display().to_string();
    assert_eq!(as_json["metadata"]["definition"]["file"], file);
}

#[test]
fn what_happened_is_shown_as_lines_and_as_json() {
    let place = three();
    let lines = place.on_db(&["events", "r-1"]).ended(0).stdout;
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines[0].starts_with("   0  20") && lines[0].ends_with("  workflow started: Greeting"));
    assert!(lines[3].starts_with("   3  20") && lines[3].ends_with("  workflow completed"));
    let all = place.on_db(&["events", "r-3", "--json"]).ended(0).events();
    let after = place.on_db(&["events", "r-3", "--json", "--after", "1"]).ended(0).events();
    assert_eq!(after, all[2..]);
    // A run that has ended is not waited for.
    let followed = place.on_db(&["events", "r-1", "--follow", "--after", "2"]).ended(0);
    assert_eq!(followed.stdout.lines().count(), 1, "{followed:#?}");
    assert_eq!(place.on_db(&["events", "r-1", "--follow", "--after", "9"]).ended(0).stdout, "");
}

#[test]
fn a_run_is_followed_from_another_process_to_its_end() {
    let flow = "\
format: 1
name: Follow
steps:
  - {name: first, template: one}
  - {name: hang, shell: 'while ! test -e go.txt; do sleep 0.01; done'}
";
    let place = Place::with(flow);
    let arguments = ["run", "flow.yaml", "--allow-shell", "--db", "a.db", "--run-id", "r-1"];
    let mut driver = place.command(arguments).stderr(std::process::Stdio::null()).spawn().unwrap();
    place.waits_for("r-1", |events| events.contains("started hang"));
    let mut follow = place.command(["events", "r-1", "--db", "a.db", "--follow", "--json"]);
    let mut follower = follow.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut seen = std::io::BufReader::new(follower.stdout.take().unwrap());
    let mut next = || {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut seen, &mut line).unwrap();
        serde_json::from_str::<Event>(&line).ok()
    };
    let mut events = Vec::new();
    while events.last().is_none_or(|event: &Event| event.path.as_str() != "hang") {
        events.push(next().unwrap());
    }
    place.write("go.txt", "");
    events.extend(std::iter::from_fn(next));
    stepwright_testing::grammar::check(&events);
    assert!(events.last().unwrap().kind.is_terminal());
    assert!(follower.wait().unwrap().success() && driver.wait().unwrap().success());
}

#[test]
fn what_is_not_there_is_not_found_and_nothing_is_made() {
    let place = Place::with(GREETING);
    for command in [&["runs"][..], &["show", "r-1"], &["sessions", "list"], &["cancel", "r-1"]] {
        let nowhere = place.ran(command).ended(5);
        assert!(
            nowhere.stderr.contains("error[SW0807]: there is no database")
                && nowhere.stderr.contains("state/stepwright/runs.db"),
            "{nowhere:#?}"
        );
        let mut homeless = place.command(command);
        homeless.env_remove("HOME").env_remove("XDG_STATE_HOME");
        let homeless = crate::support::Ran::of(&mut homeless).ended(2);
        assert!(
            homeless.stderr.contains("error[SW0105]: no database specified")
                && homeless.stderr.contains("help: pass `--db DB`, or set `STEPWRIGHT_DB`"),
            "{homeless:#?}"
        );
        let none = place.on_db(command).ended(5);
        assert!(none.stderr.contains("error[SW0807]: there is no database `a.db`"), "{none:#?}");
        assert!(!place.path("a.db").exists());
    }
    place.run(["Ada", "--db", "a.db"]).ended(0);
    for command in ["show", "events", "resume", "continue", "cancel"] {
        let unknown = place.on_db(&[command, "r-9"]).ended(2);
        assert!(
            unknown.stderr.contains("error[SW0701]: run `r-9` was not found\nhelp: "),
            "{unknown:#?}"
        );
    }
}

#[test]
fn the_environment_may_say_where() {
    let place = Place::with(ASKING);
    let run = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        crate::support::Ran::of(command.env("STEPWRIGHT_DB", "e.db"))
    };
    let paused = run(&["run", "flow.yaml", "--allow-shell", "--run-id", "r-1"]).ended(3);
    // A command line that is copied needs what is said no more than this one did.
    let go_on = "to go on: stepwright continue r-1 --allow-shell --approve 'publish!confirm'\n";
    assert!(paused.stderr.contains(go_on), "{paused:#?}");
    assert!(run(&["runs"]).ended(0).stdout.contains("r-1  paused"));
    assert!(place.path("e.db").exists());
    // The command line wins over the environment; an empty variable is no database.
    assert!(run(&["runs", "--db", "a.db"]).ended(5).stderr.contains("`a.db`"));
    let mut empty = place.command(["runs"]);
    let empty = crate::support::Ran::of(empty.env("STEPWRIGHT_DB", "")).ended(5);
    assert!(empty.stderr.contains("state/stepwright/runs.db"), "{empty:#?}");
}

#[test]
fn shells_are_told_what_can_be_typed() {
    let place = Place::with(GREETING);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = place.ran(["completions", shell]).ended(0).stdout;
        // The script asks the command, which knows the runs too.
        assert!(script.contains("COMPLETE") && script.contains("stepwright"), "{shell}: {script}");
    }
    place.ran(["completions", "cmd"]).ended(2);
}
