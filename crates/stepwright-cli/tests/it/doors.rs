//! Limits of what a workflow file can do, and of what is left of a command whose process dies.

use crate::support::{PATIENCE, Place, code};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A flow whose first step leaves something running, and whose second one starts more of it.
const BUSY: &str = "\
format: 1
name: Busy
steps:
  - {name: left, shell: 'sleep 600 >/dev/null 2>&1 & echo $! >> pids.txt'}
  - name: busy
    shell: |
      echo $$ >> pids.txt
      sleep 600 & echo $! >> pids.txt
      (trap '' TERM HUP INT; sleep 600) & echo $! >> pids.txt
      nohup sleep 600 >/dev/null 2>&1 & echo $! >> pids.txt
      yes | sleep 600 & echo $! >> pids.txt
      echo >> begun.txt
      wait
";

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Starts it, and waits until its last step is under way.
fn begun(place: &Place, arguments: &[&str]) -> Child {
    let mut command = place.command(["run", "flow.yaml", "--allow-shell"]);
    let command = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().unwrap();
    wait_until("the step does not begin", || place.path("begun.txt").exists());
    child
}

fn processes(place: &Place) -> Vec<String> {
    let pids = std::fs::read_to_string(place.path("pids.txt")).unwrap();
    pids.lines().map(ToOwned::to_owned).collect()
}

fn is_alive(process: &str) -> bool {
    let mut kill = Command::new("sh");
    kill.args(["-c", "kill -0 \"$1\" && ! grep -q '^State:.Z' \"/proc/$1/status\"", "sh", process]);
    kill.stderr(Stdio::null()).status().unwrap().success()
}

#[test]
fn what_a_command_starts_dies_with_its_process_however_that_dies() {
    for signal in ["KILL", "TERM", "INT", "ABRT", "SEGV"] {
        let place = Place::with(BUSY);
        let mut child = begun(&place, &[]);
        let processes = processes(&place);
        assert_eq!(processes.len(), 6);
        assert!(processes.iter().all(|process| is_alive(process)), "{processes:?}");
        let id = child.id().to_string();
        let kill = Command::new("kill").args(["-s", signal, &id]).status().unwrap();
        assert!(kill.success());
        child.wait().unwrap();
        wait_until(signal, || !processes.iter().any(|process| is_alive(process)));
    }
}

#[test]
fn what_a_command_leaves_running_ends_when_the_run_has_ended() {
    let flow = "\
format: 1
name: Server
steps:
  - {name: left, shell: 'sleep 600 >/dev/null 2>&1 & echo $! >> pids.txt'}
  - {name: uses, shell: 'kill -0 \"$(cat pids.txt)\" && echo it runs'}
";
    let place = Place::with(flow);
    let ran = place.run(["--allow-shell"]).ended(0);
    assert_eq!(ran.stdout, "it runs\n");
    let processes = processes(&place);
    wait_until("it goes on", || !is_alive(&processes[0]));
}

#[test]
fn a_command_of_a_killed_process_does_not_go_on_beside_that_of_resume() {
    let flow = "\
format: 1
name: Orphan
steps:
  - name: work
    shell: |
      echo begin >> log.txt
      echo $$ >> pids.txt
      touch begun.txt
      while ! test -e go.txt; do sleep 0.01; done
      echo end >> log.txt
";
    let place = Place::with(flow);
    let mut child = begun(&place, &["--db", "a.db", "--run-id", "r-1"]);
    child.kill().unwrap();
    assert_eq!(code(child.wait().unwrap()), 137);
    let processes = processes(&place);
    wait_until("it goes on", || !is_alive(&processes[0]));
    place.write("go.txt", "");
    place.on_db(&["resume", "r-1", "--allow-shell"]);
    let log = std::fs::read_to_string(place.path("log.txt")).unwrap();
    assert!(log.matches("end").count() <= 1, "{log}");
}

#[test]
fn a_file_of_a_stranger_is_refused_by_every_command_that_reads_it() {
    let place = Place::with("");
    place.write("secret.txt", "sk-secret");
    std::fs::create_dir(place.path("flows")).unwrap();
    let flow = "\
format: 1
name: Harmless summary
model: offline
agents: {a: {instructions: {file: /proc/self/environ}}}
steps: [{agent: a, prompt: {file: ../secret.txt}}]
";
    place.write("flows/flow.yaml", flow);
    for command in ["check", "run", "chat"] {
        let mut command = place.command([command, "flows/flow.yaml"]);
        let ran = crate::support::Ran::of(command.env("OPENAI_API_KEY", "sk-secret"));
        let ran = ran.ended(2);
        assert!(ran.stderr.contains("--allow-path DIR"), "{ran:#?}");
        assert!(ran.stderr.contains("flow.yaml:4:"), "{ran:#?}");
        assert!(!ran.stderr.contains("sk-secret") && ran.stdout.is_empty(), "{ran:#?}");
    }
    let json = place.ran(["check", "flows/flow.yaml", "--json"]).ended(2).stdout;
    assert!(json.contains("--allow-path") && !json.contains("sk-secret"), "{json}");
}

#[test]
fn what_a_run_was_allowed_is_told_and_must_be_allowed_again() {
    let place = Place::with("");
    std::fs::create_dir(place.path("flows")).unwrap();
    std::fs::create_dir(place.path("shared")).unwrap();
    place.write("shared/prompt.md", "Rust is fast.");
    let flow = "\
format: 1
name: Allowed
model: offline
agents: {a: {}}
steps:
  - {agent: a, prompt: {file: ../shared/prompt.md}}
  - name: ask
    shell: 'echo \"key: $MY_KEY, other: $OTHER\"'
    human_review: {requires_confirmation: Go on?}
";
    place.write("flows/flow.yaml", flow);
    let allowed = ["--allow-shell", "--allow-path", "shared", "--pass-env", "MY_KEY"];
    let mut run = place.command(["run", "flows/flow.yaml", "--db", "a.db", "--run-id", "r-1"]);
    let paused = crate::support::Ran::of(run.args(allowed)).ended(3);
    assert!(
        paused.stderr.contains("--allow-shell --allow-path shared --pass-env MY_KEY --approve"),
        "{paused:#?}"
    );
    let shown = place.on_db(&["show", "r-1"]).ended(0).stdout;
    assert!(shown.contains("/shared --pass-env MY_KEY --approve"), "{shown}");
    let go_on = ["continue", "r-1", "--db", "a.db", "--approve", "ask"];
    let refused = place.ran(go_on.iter().chain(&["--allow-shell"])).ended(2);
    assert!(refused.stderr.contains("--allow-path DIR"), "{refused:#?}");
    let mut done = place.command(go_on.iter().chain(&allowed));
    let done = crate::support::Ran::of(done.env("MY_KEY", "k").env("OTHER", "o")).ended(0);
    assert_eq!(done.stdout, "key: k, other: \n");
}
