//! Ctrl-C, and being asked to end.

use crate::person::{CTRL_C, Person};
use crate::support::{HANGING, PATIENCE, Place, Ran};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use stepwright::{EventKind, RunStatus};

/// Well before anything would have ended by itself.
const PROMPT: Duration = Duration::from_secs(20);

fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
}

/// Starts it, and waits until its step hangs.
fn hanging(place: &Place, arguments: &[&str]) -> (Child, BufReader<std::process::ChildStderr>) {
    let child = place
        .command(["run", "flow.yaml", "--allow-shell", "--events"])
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    wait_for_hang(child.unwrap())
}

fn wait_for_hang(mut child: Child) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while line != "started hang\n" {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "it ended");
    }
    (child, stderr)
}

fn ended(child: Child, mut stderr: impl std::io::Read) -> Ran {
    let mut said = String::new();
    stderr.read_to_string(&mut said).unwrap();
    let mut ran = Ran::from(child.wait_with_output().unwrap());
    ran.stderr = said;
    ran
}

/// A check of an input that takes seconds is no reason to stay.
#[test]
fn a_signal_ends_the_check_of_a_large_input() {
    let place = Place::with(
        "format: 1\nname: Large\ninput:\n  type: array\n  items: {not: {not: {not: {not: {type: \
         string}}}}}\nsteps: [{name: a, template: x}]\n",
    );
    place.write("input.json", format!("[{}0]", "0,".repeat(900_000)).replace('0', "\"\""));
    let mut child =
        place.command(["run", "flow.yaml", "--input-file", "input.json", "--db", "a.db"]);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The database is opened before the input is checked.
    let asked = Instant::now();
    while !place.path("a.db").exists() {
        assert!(asked.elapsed() < PATIENCE && child.try_wait().unwrap().is_none(), "no database");
        std::thread::sleep(Duration::from_millis(5));
    }
    signal(&child, "-TERM");
    let stderr = child.stderr.take().unwrap();
    let ran = ended(child, stderr).ended(4);
    assert!(ran.stderr.contains("stopped while the input was checked"), "{ran:#?}");
    assert!(place.runs_in("a.db").is_empty());
}

#[test]
fn ctrl_c_cancels_the_run() {
    for (name, arguments) in [("-INT", &["--stream"][..]), ("-INT", &[])] {
        let place = Place::with(HANGING);
        let (child, stderr) = hanging(&place, &[&["--db", "a.db"], arguments].concat());
        let asked = Instant::now();
        signal(&child, name);
        let ran = ended(child, stderr).ended(4);
        assert!(asked.elapsed() < PROMPT, "{:?}", asked.elapsed());
        assert!(
            ran.stderr.contains(
                "note: cancelling: stopping `hang`; press Ctrl-C again to stop at once\n"
            ),
            "{ran:#?}"
        );
        assert!(ran.stderr.contains("cancelled hang\n"), "{ran:#?}");
        // The words so far stay.
        let said = if arguments.is_empty() { "" } else { "The first words stay.\n" };
        assert_eq!(ran.stdout, said);
        assert_eq!(place.runs_in("a.db")[0].1, RunStatus::Cancelled);
        let facts = place.facts_in("a.db");
        stepwright_testing::grammar::check(&facts);
        assert!(matches!(facts.last().unwrap().kind, EventKind::WorkflowCancelled { .. }));
    }
}

/// Blocking work has a thread of its own, which is not waited for.
#[test]
fn a_download_that_hangs_is_not_waited_for() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", server.local_addr().unwrap());
    let flow = format!("format: 1\nname: Get\nsteps: [{{name: hang, http_get: '{url}'}}]\n");
    let place = Place::with(&flow);
    let (child, stderr) = hanging(&place, &[]);
    let (mut connection, _) = server.accept().unwrap();
    connection.read_exact(&mut [0; 3]).unwrap();
    let asked = Instant::now();
    signal(&child, "-INT");
    ended(child, stderr).ended(4);
    assert!(asked.elapsed() < PROMPT, "{:?}", asked.elapsed());
}

/// A pipe that has so much in it and is not read is full soon: Linux gives it twice as much room.
const PIPE_BYTES: u64 = 32 * 1024;

#[test]
fn ctrl_c_twice_stops_at_once() {
    // A reader that does not read keeps the command from its end.
    let flow = "\
format: 1
name: Long
steps:
  - {name: long, value: '= lists.range(100000)'}
  - {name: hang, shell: 'sleep 60'}
";
    let place = Place::with(flow);
    let mut child = place
        .command(["run", "flow.yaml", "--allow-shell", "--json", "--events", "--db", "a.db"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    // It is about to write the long event, and cannot.
    let until = Instant::now() + PATIENCE;
    while rustix::io::ioctl_fionread(stdout.get_ref()).unwrap() < PIPE_BYTES {
        assert!(Instant::now() < until, "it does not write");
        std::thread::sleep(Duration::from_millis(5));
    }
    // One that comes too fast after another is the same to the system.
    let mut presses = 0;
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < until, "it does not end");
        signal(&child, "-INT");
        presses += 1;
        std::thread::sleep(Duration::from_millis(300));
    }
    assert!(presses > 1, "after the first it waits for its reader");
    let status = child.wait().unwrap();
    assert_eq!(crate::support::code(status), 130);
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(!said.contains("panicked"), "{said}");
    assert!(
        said.contains("this takes the run up: stepwright resume ") && said.contains("--db a.db")
    );
}

/// A closed terminal does not end a command whose parent process ignores the hangup signal.
#[test]
fn a_command_that_ignores_its_terminal_goes_on() {
    let place = Place::with(&HANGING.replace("sleep 60", "sleep 1"));
    let mut command = Command::new("sh");
    let script = "trap '' HUP; exec \"$@\"";
    let arguments = ["run", "flow.yaml", "--allow-shell", "--events"];
    command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_stepwright")]).args(arguments);
    command.envs(place.folders_of_user());
    command.current_dir(place.path(".")).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (child, stderr) = wait_for_hang(command.spawn().unwrap());
    signal(&child, "-HUP");
    ended(child, stderr).ended(0);
}

/// A terminal sends Ctrl-C to all that it runs: a command that hears of it would fail its step.
#[test]
fn ctrl_c_at_a_terminal_cancels_the_run_and_ends_what_its_commands_have_started() {
    // The end of a terminal would end what the command has started, too.
    let line = "trap '' HUP; sleep 300 & echo $! > child.txt; \
                trap 'echo no > heard.txt; exit 9' INT; echo up > up.txt; wait";
    let place = Place::with(&format!(
        "format: 1\nname: Hanging\nsteps:\n  - name: hang\n    shell: \"{line}\"\n"
    ));
    let arguments = ["run", "flow.yaml", "--allow-shell", "--db", "a.db", "--run-id", "r"];
    let person = Person::starts(&place, &arguments);
    let until = Instant::now() + PATIENCE;
    while !place.path("up.txt").exists() {
        assert!(Instant::now() < until, "{}", person.sees(""));
        std::thread::sleep(Duration::from_millis(5));
    }
    person.types(CTRL_C);
    person.sees("cancelled");
    assert_eq!(person.leaves(), 4);
    let facts = place.facts_in("a.db");
    assert!(facts.iter().any(|fact| matches!(fact.kind, EventKind::StepCancelled { .. })));
    assert!(!place.path("heard.txt").exists(), "Ctrl-C was for the run");
    let child = std::fs::read_to_string(place.path("child.txt")).unwrap();
    let lives = || {
        // A process that its parent has not waited for is a zombie, and does nothing.
        let status = std::fs::read_to_string(format!("/proc/{}/stat", child.trim()));
        status.is_ok_and(|status| !status.contains(") Z "))
    };
    while lives() {
        assert!(Instant::now() < until, "what the command has started lives on");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Without its driver, a run is cancelled by a process that does not have its steps.
#[test]
fn a_paused_run_that_is_cancelled_tells_which_steps_did_not_run() {
    let place = Place::with(
        "format: 1\nname: After\nsteps:\n  - {name: a, value: x, undo: {value: y}}\n  - {name: ask, \
         value: q, human_review: {requires_confirmation: Go on?}}\nfinally: [{name: f, value: \
         z}]\n",
    );
    place.run(["--db", "a.db", "--run-id", "r1"]).ended(3);
    let ran = place.ran(["cancel", "r1", "--db", "a.db"]).ended(0);
    assert!(ran.stderr.contains("`undo` and `finally` did not run"), "{ran:#?}");
}
