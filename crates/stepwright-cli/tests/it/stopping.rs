//! SIGTERM leaves a run so that it can be resumed.

use crate::person::Person;
use crate::support::{ASKING, PATIENCE, Place, Ran, code};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use stepwright::{EventKind, RunStatus};

/// The last step hangs until there is a file.
const HELD: &str = "\
format: 1
name: Held
steps:
  - {name: once, shell: 'echo x >> done.txt; echo first'}
  - name: held
    shell: 'echo $$ > pid.txt; until test -e go.txt; do sleep 0.01; done; echo up'
    on_interrupted: retry
";

/// Both branches and the turn of a loop hang.
const INSIDE: &str = "\
format: 1
name: Inside
steps:
  - name: both
    parallel: {join: wait_all}
    branches:
      - {name: done, shell: 'echo x >> done.txt'}
      - name: turns
        loop: {at_most: 2, until: '= size(content) > 0'}
        do:
          - name: held
            shell: 'echo $$ > pid.txt; until test -e go.txt; do sleep 0.01; done; echo up'
            on_interrupted: retry
";

pub(crate) fn terminate(child: &Child) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
}

fn wait_until(is_so: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Starts a run, and waits until its command is under way. Returns the id of that process.
fn held(place: &Place, arguments: &[&str]) -> (Child, String) {
    let child = place
        .command(["run", "flow.yaml", "--allow-shell"])
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = place.path("pid.txt");
    wait_until(|| std::fs::read_to_string(&pid).is_ok_and(|pid| pid.ends_with('\n')));
    let done = place.path("done.txt");
    wait_until(|| done.exists());
    (child, std::fs::read_to_string(pid).unwrap().trim().to_owned())
}

fn ended(child: Child) -> Ran {
    Ran::from(child.wait_with_output().unwrap())
}

fn is_alive(pid: &str) -> bool {
    Command::new("kill").args(["-0", pid]).stderr(Stdio::null()).status().unwrap().success()
}

#[test]
fn sigterm_leaves_a_run_that_can_be_resumed() {
    for flow in [HELD, INSIDE] {
        let place = Place::with(flow);
        let (child, pid) = held(&place, &["--db", "a.db", "--run-id", "r-1"]);
        place.waits_for("r-1", |events| flow == HELD || events.contains("completed both/done"));
        terminate(&child);
        let ran = ended(child).ended(6);
        assert!(ran.stderr.contains("error[SW0725]: run `r-1` was stopped"), "{ran:#?}");
        let go_on = "help: to go on: stepwright resume r-1 --db a.db --allow-shell\n";
        assert!(ran.stderr.contains(go_on), "{ran:#?}");
        assert_eq!(ran.stdout, "");
        // The command of the step has ended, the row waits, and nothing says that it was cancelled.
        wait_until(|| !is_alive(&pid));
        assert_eq!(place.runs_in("a.db")[0].1, RunStatus::Pending);
        let is_end = |kind: &EventKind| {
            matches!(kind, EventKind::StepCancelled { .. } | EventKind::WorkflowCancelled { .. })
        };
        assert!(!place.facts_in("a.db").iter().any(|fact| is_end(&fact.kind)));
        let shown = place.on_db(&["show", "r-1"]).ended(0).stdout;
        assert!(shown.contains("status      pending: no process drives it"), "{shown}");
        assert!(shown.contains("to go on: stepwright resume r-1 --db a.db"), "{shown}");
        place.write("go.txt", "");
        place.on_db(&["resume", "r-1", "--allow-shell"]).ended(0);
        let done = std::fs::read_to_string(place.path("done.txt")).unwrap();
        assert_eq!(done, "x\n", "what was completed is not done again");
        stepwright_testing::grammar::check(&place.facts_in("a.db"));
    }
}

#[test]
fn a_step_of_unknown_outcome_has_an_exit_code_of_its_own() {
    let place = Place::with(&HELD.replace("    on_interrupted: retry\n", ""));
    let (child, _) = held(&place, &["--db", "a.db", "--run-id", "r-1"]);
    terminate(&child);
    ended(child).ended(6);
    let asked = place.on_db(&["resume", "r-1", "--allow-shell"]).ended(7);
    assert!(asked.stderr.contains("held!interrupted"), "{asked:#?}");
    // A question of another kind keeps its code.
    let asking = Place::with(ASKING);
    asking.run(["--allow-shell", "--db", "a.db"]).ended(3);
}

#[test]
fn a_run_that_is_not_stored_is_cancelled_by_sigterm() {
    let place = Place::with(HELD);
    let (child, pid) = held(&place, &["--no-db"]);
    terminate(&child);
    let ran = ended(child).ended(4);
    assert!(!ran.stderr.contains("resume"), "{ran:#?}");
    wait_until(|| !is_alive(&pid));
}

#[test]
fn a_resumed_run_can_be_stopped_again_and_a_follower_does_not_stop_it() {
    let place = Place::with(HELD);
    let (child, _) = held(&place, &["--db", "a.db", "--run-id", "r-1"]);
    terminate(&child);
    ended(child).ended(6);
    let resume = || {
        std::fs::remove_file(place.path("pid.txt")).unwrap();
        let mut command = place.command(["resume", "r-1", "--allow-shell", "--db", "a.db"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_until(|| std::fs::read_to_string(place.path("pid.txt")).is_ok_and(|t| !t.is_empty()));
        child
    };
    let child = resume();
    terminate(&child);
    ended(child).ended(6);
    let child = resume();
    let mut follower = place.command(["attach", "r-1", "--db", "a.db"]);
    let follower = follower.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    terminate(&follower);
    let left = code(follower.wait_with_output().unwrap().status);
    // Before it listens for signals, it just ends.
    assert!(left == 0 || left == 143, "{left}");
    place.write("go.txt", "");
    ended(child).ended(0);
}

#[test]
fn sigterm_at_a_question_leaves_the_run_paused() {
    let place = Place::with(ASKING);
    let arguments = ["run", "flow.yaml", "--allow-shell", "--db", "a.db", "--run-id", "r-1"];
    let person = Person::starts(&place, &arguments);
    person.sees("Publish it?");
    person.waits_until(|screen| screen.trim_end().ends_with('›'));
    person.is_told("-TERM");
    assert_eq!(person.leaves(), 3);
    assert_eq!(place.runs_in("a.db")[0].1, RunStatus::Paused);
}

#[test]
fn sigterm_during_a_chat_leaves_the_answer_to_be_resumed() {
    let place = Place::with(HELD);
    let mut command = place.command(["chat", "flow.yaml", "--allow-shell", "--db", "a.db", "hi"]);
    let child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until(|| place.path("pid.txt").exists());
    terminate(&child);
    let ran = ended(child).ended(6);
    assert!(ran.stderr.contains("to go on: stepwright resume "), "{ran:#?}");
    assert_eq!(place.runs_in("a.db")[0].1, RunStatus::Pending);
}
