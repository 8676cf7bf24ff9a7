//! Runs that are taken up again, and runs that are cancelled from elsewhere.

use crate::support::{ASKING, Place, Ran, code};
use std::process::{Child, Stdio};
use stepwright::{EventKind, RunStatus};

/// The second step hangs until there is a file.
const HELD: &str = "\
format: 1
name: Held
steps:
  - {name: once, shell: 'echo x >> done.txt; echo made'}
  - {name: held, shell: 'echo y >> tried.txt; while ! test -e go.txt; do sleep 0.01; done'}
  - {name: last, template: 'after {{ steps.once }}'}
";

/// Starts it, and waits until its second step is under way.
fn held(place: &Place) -> Child {
    let arguments = ["run", "flow.yaml", "--allow-shell", "--db", "a.db", "--run-id", "r-1"];
    let mut command = place.command(arguments);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    place.waits_for("r-1", |events| events.contains("started held"));
    child
}

/// Kills the command without asking it, and with it what its step runs.
fn killed(mut child: Child) {
    child.kill().unwrap();
    assert_eq!(code(child.wait().unwrap()), 137);
}

fn lines(place: &Place, file: &str) -> usize {
    std::fs::read_to_string(place.path(file)).unwrap().lines().count()
}

#[test]
fn a_killed_run_is_taken_up_and_does_nothing_twice_that_was_completed() {
    let place = Place::with(HELD);
    let child = held(&place);
    let shown = place.on_db(&["show", "r-1"]).ended(0).stdout;
    assert!(shown.contains("status      running, driven by process "), "{shown}");
    assert!(shown.contains("\nrunning · ") && !shown.contains("interrupted"), "{shown}");
    killed(child);
    let list = place.on_db(&["runs"]).ended(0).stdout;
    assert!(list.contains("r-1  interrupted  held"), "{list}");
    let shown = place.on_db(&["show", "r-1"]).ended(0).stdout;
    assert!(shown.contains("status      interrupted: process "), "{shown}");
    assert!(shown.contains("to go on: stepwright resume r-1 --db a.db --allow-shell\n"), "{shown}");
    // Its driver may have given it up, too.
    place.given_up("a.db", "r-1");
    let shown = place.on_db(&["show", "r-1"]).ended(0).stdout;
    assert!(
        shown.contains("status      pending: no process drives it, and it can be resumed\n"),
        "{shown}"
    );
    assert!(shown.contains("to go on: stepwright resume r-1 --db a.db --allow-shell\n"), "{shown}");
    let shown = place.on_db(&["show", "r-1", "--json"]).ended(0).stdout;
    assert!(shown.contains("\"status\": \"PENDING\""), "{shown}");
    let list = place.on_db(&["runs", "--status", "pending"]).ended(0).stdout;
    assert!(list.contains("r-1  pending  held"), "{list}");
    place.write("go.txt", "");
    let refused = place.on_db(&["resume", "r-1"]).ended(2);
    assert!(refused.stderr.contains("--allow-shell"), "{refused:#?}");
    let done = place.on_db(&["resume", "r-1", "--allow-shell", "--interrupted", "retry"]).ended(0);
    assert_eq!(done.stdout, "after made\n");
    assert_eq!(done.stderr, "run r-1 completed\n");
    assert_eq!((lines(&place, "done.txt"), lines(&place, "tried.txt")), (1, 2));
    stepwright_testing::grammar::check(&place.facts_in("a.db"));
    // It has ended, and gives what it gave.
    let again = place.on_db(&["resume", "r-1", "--allow-shell"]).ended(0);
    assert_eq!(again.stdout, "after made\n");
    assert!(again.stderr.contains("note: run `r-1` has ended already"), "{again:#?}");
}

/// The base directory is the one of the beginning, wherever the command is given.
#[test]
fn a_run_is_taken_up_from_elsewhere_with_the_file_and_the_directory_it_began_with() {
    let flow = "\
format: 1
name: Write
steps:
  - {write_file: {path: out.txt, text: hi}, human_review: {requires_confirmation: Write?}}
";
    let place = Place::with(flow);
    place.run(["--db", "a.db", "--run-id", "r-1"]).ended(3);
    std::fs::create_dir(place.path("sub")).unwrap();
    let db = place.path("a.db").display().to_string();
    let mut command = place.command(["continue", "r-1", "--db", &db, "--answers", "-"]);
    command.current_dir(place.path("sub"));
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let answers = br#"{"write_file": {"decision": "approve"}}"#;
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), answers).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(place.path("out.txt").exists() && !place.path("sub/out.txt").exists());
}

#[test]
fn a_file_that_is_gone_can_be_said() {
    let place = Place::with(ASKING);
    place.run(["--allow-shell", "--db", "a.db", "--run-id", "r-1"]).ended(3);
    std::fs::rename(place.path("flow.yaml"), place.path("moved.yaml")).unwrap();
    let go_on = ["continue", "r-1", "--allow-shell", "--approve", "publish"];
    let gone = place.on_db(&go_on).ended(2);
    let flow = place.path("flow.yaml").display().to_string();
    let told = format!(
        "error[SW0110]: the workflow file `{flow}`, with which run `r-1` began, is not there"
    );
    assert!(gone.stderr.starts_with(&told), "{gone:#?}");
    assert!(gone.stderr.contains("help: say where it is now: `--file FILE`"), "{gone:#?}");
    let moved = place.on_db(&[&go_on[..], &["--file", "moved.yaml"]].concat()).ended(3);
    assert!(moved.stderr.contains("continue r-1 --db a.db --file moved.yaml"), "{moved:#?}");
}

#[test]
fn a_changed_file_is_told_and_can_be_accepted() {
    let place = Place::with(ASKING);
    place.run(["--allow-shell", "--db", "a.db", "--run-id", "r-1"]).ended(3);
    let go_on = ["continue", "r-1", "--allow-shell", "--approve", "publish"];
    place.write("flow.yaml", ASKING.replace("name: letter", "name: note"));
    let changed = place.on_db(&go_on).ended(2);
    for part in [
        "workflow `Publish` has changed since run `r-1` began",
        "- `letter` is not there any more",
        "+ `note` is new",
        "or accept the change with `--accept-changes`",
    ] {
        assert!(changed.stderr.contains(part), "{part}: {changed:#?}");
    }
    let next = place.on_db(&[&go_on[..], &["--accept-changes"]].concat()).ended(3);
    assert!(next.stderr.contains("note!review"), "{next:#?}");
    // The steps that it has done must be there.
    place.write(
        "flow.yaml",
        ASKING.replace("name: count", "name: counted").replace("steps.count", "steps.counted"),
    );
    let gone = place.on_db(&["resume", "r-1", "--allow-shell", "--accept-changes"]).ended(2);
    assert!(
        gone.stderr.contains("the run has done `count`, which is not there any more"),
        "{gone:#?}"
    );
}

#[test]
fn a_run_that_is_driven_elsewhere_is_not_taken_up_and_that_is_said() {
    let place = Place::with(HELD);
    let child = held(&place);
    let driver = format!("process {} on ", child.id());
    let shown = place.on_db(&["show", "r-1"]).ended(0).stdout;
    assert!(shown.contains(&format!("running, driven by {driver}")), "{shown}");
    let refused = place.on_db(&["resume", "r-1", "--allow-shell"]).ended(5);
    assert!(
        refused.stderr.contains(&format!("error[SW0704]: run `r-1` is driven by {driver}")),
        "{refused:#?}"
    );
    let nobody = place.on_db(&["continue", "r-1", "--allow-shell", "--approve", "held"]).ended(2);
    assert!(nobody.stderr.contains("run `r-1` has no pending requests"), "{nobody:#?}");
    place.write("go.txt", "");
    let ran = Ran::from(child.wait_with_output().unwrap()).ended(0);
    assert_eq!(ran.stdout, "after made\n");
}

#[test]
fn an_answer_for_a_run_that_is_driven_elsewhere_goes_to_its_driver_once() {
    let flow = "\
format: 1
name: Both
steps:
  - name: both
    parallel: {}
    branches:
      - {name: held, shell: 'echo x >> held.txt; while ! test -e go.txt; do sleep 0.01; done'}
      - name: ask
        shell: 'echo x >> asked.txt; echo asked'
        human_review: {requires_confirmation: Go on?}
";
    let place = Place::with(flow);
    let arguments = ["run", "flow.yaml", "--allow-shell", "--db", "a.db", "--run-id", "r-1"];
    let piped = |mut command: std::process::Command| {
        command.stdin(std::process::Stdio::null());
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        command.spawn().unwrap()
    };
    let driver = piped(place.command(arguments));
    place.waits_for("r-1", |events| events.contains("both/ask") && place.path("held.txt").exists());
    let id = "both/ask!confirm";
    let unknown = ["continue", "r-1", "--allow-shell", "--approve", "asks"];
    let unknown = place.on_db(&unknown).ended(2);
    assert!(unknown.stderr.contains(&format!("help: it waits for `{id}`")), "{unknown:#?}");
    let answer = ["continue", "r-1", "--allow-shell", "--db", "a.db", "--approve", id];
    let answering = piped(place.command(answer));
    place.waits_for("r-1", |_| place.path("asked.txt").exists());
    // It is answered, and the run goes on elsewhere.
    let again = place.on_db(&["continue", "r-1", "--allow-shell", "--reject", id]).ended(2);
    assert!(again.stderr.contains("r-1"), "{again:#?}");
    place.write("go.txt", "");
    for child in [driver, answering] {
        let ran = Ran::from(child.wait_with_output().unwrap()).ended(0);
        assert!(ran.stdout.contains("\"ask\": \"asked\""), "{ran:#?}");
    }
    for done in ["held.txt", "asked.txt"] {
        assert_eq!(std::fs::read_to_string(place.path(done)).unwrap(), "x\n", "{done}");
    }
}

#[test]
fn a_name_is_taken_once() {
    let place = Place::with(HELD);
    place.write("go.txt", "");
    place.run(["--allow-shell", "--db", "a.db", "--run-id", "r-1"]).ended(0);
    let again = place.run(["--allow-shell", "--db", "a.db", "--run-id", "r-1"]).ended(2);
    assert!(again.stderr.contains("there is a run `r-1` already"), "{again:#?}");
    place.run(["--allow-shell", "--run-id", ""]).ended(2);
}

#[test]
fn a_run_is_cancelled_from_another_process() {
    let place = Place::with(HELD);
    let child = held(&place);
    let cancelled = place.on_db(&["cancel", "r-1"]).ended(0);
    assert_eq!(cancelled.stderr, "run r-1 cancelled\n");
    let ran = Ran::from(child.wait_with_output().unwrap()).ended(4);
    assert!(ran.stderr.contains("run r-1 cancelled"), "{ran:#?}");
    assert_eq!(place.runs_in("a.db")[0].1, RunStatus::Cancelled);
    let twice = place.on_db(&["cancel", "r-1"]).ended(0);
    assert_eq!(twice.stderr, "note: run `r-1` was cancelled before\n");
    // The message does not say that the run can go on.
    let over = place.on_db(&["resume", "r-1", "--allow-shell"]).ended(4);
    assert!(over.stderr.contains("has ended already: it was cancelled"), "{over:#?}");
}

/// No definition is needed for that, and no other run is taken up.
#[test]
fn a_run_that_nobody_drives_is_ended_here() {
    let place = Place::with(HELD);
    killed(held(&place));
    place.write("go.txt", "");
    place.write("flow.yaml", ASKING);
    place.run(["--allow-shell", "--db", "a.db", "--run-id", "r-2"]).ended(3);
    std::fs::remove_file(place.path("flow.yaml")).unwrap();
    for run in ["r-1", "r-2"] {
        let cancelled = place.on_db(&["cancel", run]).ended(0);
        assert_eq!(cancelled.stderr, format!("run {run} cancelled\n"));
        let events = place.on_db(&["events", run, "--json"]).ended(0).events();
        stepwright_testing::grammar::check(&events);
        assert!(matches!(events.last().unwrap().kind, EventKind::WorkflowCancelled { .. }));
    }
    let tree = place.on_db(&["show", "r-1"]).ended(0).stdout;
    assert!(tree.contains("├─ ✓ once") && tree.contains("└─ – held  cancelled"), "{tree}");
}

#[test]
fn a_run_that_has_ended_is_not_cancelled() {
    let place = Place::with(HELD);
    place.write("go.txt", "");
    place.run(["--allow-shell", "--db", "a.db", "--run-id", "r-1"]).ended(0);
    let over = place.on_db(&["cancel", "r-1"]).ended(2);
    assert_eq!(over.stderr, "error[SW0707]: run `r-1` has ended already: it completed\n");
}

#[test]
fn a_command_that_was_changed_after_its_approval_is_not_run() {
    const ASKED: &str = "\
format: 1
name: Chg
steps:
  - {name: plan, template: deploy v1}
  - name: gate
    shell: echo deploy v1
    human_review: {requires_confirmation: 'Deploy v1?'}
";
    let place = Place::with(ASKED);
    place.run(["--allow-shell", "--db", "a.db", "--run-id", "g"]).ended(3);
    let other = ASKED.replace("deploy v1", "deploy v9").replace("echo deploy", "echo RM -RF");
    place.write("changed.yaml", other);
    let go_on = ["continue", "g", "--allow-shell", "--file", "changed.yaml", "--approve", "gate"];
    let changed = place.on_db(&go_on).ended(2);
    for part in [
        "workflow `Chg` has changed since run `g` began",
        r#"~ `plan`: `template` was "deploy v1" and is "deploy v9""#,
        r#"~ `gate`: `shell` was "echo deploy v1" and is "echo RM -RF v9""#,
        "or accept the change with `--accept-changes`",
    ] {
        assert!(changed.stderr.contains(part), "{part}: {changed:#?}");
    }
    assert!(!changed.stdout.contains("RM"), "{changed:#?}");
    // The approval is not lost: the run goes on with what was shown.
    let accepted = [&go_on[..], &["--accept-changes"]].concat();
    assert!(place.on_db(&accepted).ended(0).stdout.contains("RM -RF v9"));
}
