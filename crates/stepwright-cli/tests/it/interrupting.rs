//! Steps of unknown outcome, answers that come too late, and answers that a dead process left.

use crate::support::{Place, Ran, code};
use std::process::Stdio;
use stepwright::people::Reply;
use stepwright::store::{Inbox as _, RunStore as _};
use stepwright::store::{RunFilter, Signal};
use stepwright::{Answer, EventKind, RunStatus, Sqlite, Timestamp};

/// The second step acts on the outside, and hangs until there is a file.
const DEPLOY: &str = "\
format: 1
name: Deploy
steps:
  - {name: build, template: 'version 1'}
  - name: deploy
    shell: 'echo x >> deployed.txt; until test -e go.txt; do sleep 0.01; done; echo up'
  - {name: tell, template: 'deployed: {{ previous }}'}
";

/// Says which of the processes that a run has started are alive, by what they are.
#[cfg(target_os = "linux")]
mod processes {
    use std::fs;

    /// The fields of a process after its name: its state, its parent and so on.
    fn stat(pid: u32) -> Option<Vec<String>> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields = stat.rsplit_once(')')?.1.split_whitespace();
        Some(fields.map(ToOwned::to_owned).collect())
    }

    pub(super) fn is_alive(pid: u32) -> bool {
        stat(pid).is_some_and(|fields| fields[0] != "Z")
    }

    /// Those that wait for the end of a process, to kill what it has started.
    pub(super) fn watches_of(parent: u32) -> Vec<u32> {
        let numbers = fs::read_dir("/proc").unwrap().flatten();
        let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let is_watch = |pid: &u32| {
            stat(*pid).is_some_and(|fields| fields[1] == parent.to_string())
                && fs::read_to_string(format!("/proc/{pid}/cmdline"))
                    .is_ok_and(|line| line.contains("trap '' HUP INT TERM"))
        };
        numbers.filter(is_watch).collect()
    }

    pub(super) fn kill(pid: u32) {
        let status = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status();
        assert!(status.unwrap().success());
    }
}

/// When the watch dies with the process, nothing but the journal knows what the command started.
#[cfg(target_os = "linux")]
#[test]
fn what_a_dead_process_has_left_running_is_killed_before_a_person_is_asked() {
    use processes::{is_alive, kill, watches_of};
    use std::fs;
    // A child of the command under way, and one that an ended command has left.
    let flow = "\
format: 1
name: Deploy
steps:
  - {name: serve, shell: 'sleep 300 >/dev/null 2>&1 & echo $! > server.txt'}
  - name: deploy
    shell: 'test -e again.txt && exit; echo $$ > shell.txt; sleep 300 & echo $! > child.txt; wait'
";
    for (arguments, code) in [
        (&["resume", "r-1", "--allow-shell"][..], 7),
        (&["resume", "r-1", "--allow-shell", "--interrupted", "fail"], 1),
        (&["resume", "r-1", "--allow-shell", "--interrupted", "retry"], 0),
        (&["cancel", "r-1"], 0),
    ] {
        let place = Place::with(flow);
        let run = ["run", "flow.yaml", "--allow-shell", "--db", "a.db", "--run-id", "r-1"];
        let mut command = place.command(run);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        place.waits_for("r-1", |events| events.contains("started deploy"));
        let files = ["server.txt", "shell.txt", "child.txt"].map(|name| place.path(name));
        let is_written = |file| fs::read_to_string(file).is_ok_and(|text| text.ends_with('\n'));
        while !files.iter().all(is_written) {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let left = files.map(|file| fs::read_to_string(file).unwrap().trim().parse().unwrap());
        let watches = watches_of(child.id());
        assert_eq!(watches.len(), 2, "one for each command");
        watches.into_iter().for_each(kill);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(left.into_iter().all(is_alive), "only the journal knows of them");
        place.write("again.txt", "");
        place.on_db(arguments).ended(code);
        assert!(!left.into_iter().any(is_alive), "{arguments:?}");
    }
}

/// A run whose process was killed in the middle of its command.
fn killed_in(flow: &str) -> Place {
    let place = Place::with(flow);
    let run = ["run", "flow.yaml", "--allow-shell", "--db", "a.db", "--run-id", "r-1"];
    let mut command = place.command(run);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    place.waits_for("r-1", |events| events.contains("started deploy"));
    while !place.path("deployed.txt").exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child.kill().unwrap();
    assert_eq!(code(child.wait().unwrap()), 137);
    place.write("go.txt", "");
    place
}

fn on_run(place: &Place, arguments: &[&str]) -> Ran {
    let (command, options) = arguments.split_first().unwrap();
    place.on_db(&[&[*command, "r-1", "--allow-shell"], options].concat())
}

fn deployed(place: &Place) -> usize {
    std::fs::read_to_string(place.path("deployed.txt")).unwrap().lines().count()
}

#[test]
fn a_command_that_was_under_way_is_not_run_again_before_a_person_says_so() {
    let place = killed_in(DEPLOY);
    let asked = on_run(&place, &["resume"]).ended(7);
    assert_eq!(asked.stdout, "");
    assert!(
        asked.stderr.contains(
            "deploy!interrupted  a decision about step deploy, whose outcome is unknown\n  \
             Was `deploy` done? Its process died while it was under way.\n  \
             submit, retry, reject\n"
        ),
        "{asked:#?}"
    );
    let go_on = "to go on: stepwright continue r-1 --db a.db --allow-shell --done \
                 'deploy!interrupted=OUTPUT'\n";
    assert!(asked.stderr.contains(go_on), "{asked:#?}");
    let shown = place.on_db(&["show", "r-1"]).ended(0).stdout;
    assert!(shown.contains("whose outcome is unknown") && shown.contains(go_on), "{shown}");
    // To be asked once more changes nothing.
    on_run(&place, &["resume"]).ended(7);
    assert_eq!(deployed(&place), 1);
    let done = on_run(&place, &["continue", "--done", "deploy=by hand"]).ended(0);
    assert_eq!(done.stdout, "deployed: by hand\n");
    assert_eq!(deployed(&place), 1);
    stepwright_testing::grammar::check(&place.facts_in("a.db"));
}

#[test]
fn a_run_goes_on_with_a_changed_file_although_a_command_had_begun() {
    let place = killed_in(DEPLOY);
    place.write("flow.yaml", DEPLOY.replace("deployed: {{", "it is up: {{"));
    let accepted = ["resume", "--accept-changes", "--interrupted", "retry"];
    assert_eq!(on_run(&place, &accepted).ended(0).stdout, "it is up: up\n");
}

#[test]
fn what_resumes_a_run_can_answer_for_all_commands_that_were_under_way() {
    let place = killed_in(DEPLOY);
    let failed = on_run(&place, &["resume", "--interrupted", "fail"]).ended(1);
    assert!(failed.stderr.contains("step `deploy` failed: its process died"), "{failed:#?}");
    assert!(failed.stderr.contains("it may have been done, or not"), "{failed:#?}");
    assert_eq!(deployed(&place), 1);

    let place = killed_in(DEPLOY);
    let done = on_run(&place, &["resume", "--interrupted", "retry"]).ended(0);
    assert_eq!((done.stdout.as_str(), deployed(&place)), ("deployed: up\n", 2));

    // After it was asked, too; and by an answer to the one question.
    for answer in [&["resume", "--interrupted", "retry"][..], &["continue", "--retry", "deploy"]] {
        let place = killed_in(DEPLOY);
        on_run(&place, &["resume"]).ended(7);
        assert_eq!(on_run(&place, answer).ended(0).stdout, "deployed: up\n");
        assert_eq!(deployed(&place), 2);
        stepwright_testing::grammar::check(&place.facts_in("a.db"));
    }
    let place = killed_in(DEPLOY);
    on_run(&place, &["resume"]).ended(7);
    let failed = on_run(&place, &["continue", "--reject", "deploy=half done"]).ended(1);
    assert!(failed.stderr.contains("it was given up: half done"), "{failed:#?}");
    let wrong = place.on_db(&["resume", "r-1", "--interrupted", "perhaps"]).ended(2);
    assert!(wrong.stderr.contains("it is neither retry nor fail"), "{wrong:#?}");
}

#[test]
fn a_file_says_what_happens_to_commands_that_were_under_way() {
    let with = |place: &str, policy: &str| match place {
        "file" => DEPLOY.replace("steps:\n", &format!("on_interrupted: {policy}\nsteps:\n")),
        _ => DEPLOY
            .replace("name: deploy\n", &format!("name: deploy\n    on_interrupted: {policy}\n")),
    };
    for place in ["file", "step"] {
        let run = killed_in(&with(place, "retry"));
        assert_eq!(on_run(&run, &["resume"]).ended(0).stdout, "deployed: up\n");
        let run = killed_in(&with(place, "fail"));
        let failed = on_run(&run, &["resume"]).ended(1);
        assert!(failed.stderr.contains("it may have been done, or not"), "{failed:#?}");
    }
}

#[test]
fn a_command_that_timed_out_is_not_tried_again_by_itself() {
    let flow = "\
format: 1
name: Pay
steps:
  - name: pay
    shell:
      command: 'echo x >> deployed.txt; test -e go.txt || sleep 60; echo paid'
      timeout: 200ms
    retry: {max: 3, backoff: 1ms}
";
    let place = Place::with(flow);
    let run = ["--allow-shell", "--db", "a.db", "--run-id", "r-1"];
    let asked = place.run(run).ended(7);
    assert!(
        asked.stderr.contains("Was `pay` done? The command took longer than 200ms."),
        "{asked:#?}"
    );
    assert_eq!(deployed(&place), 1);
    place.write("go.txt", "");
    // The machine may be busy, and take longer once more.
    let mut done = on_run(&place, &["continue", "--retry", "pay"]);
    while done.code == 7 {
        done = on_run(&place, &["continue", "--retry", "pay"]);
    }
    assert_eq!(done.ended(0).stdout, "paid\n");
    let retried = Place::with(&flow.replace("    retry:", "    on_interrupted: retry\n    retry:"));
    retried.run(run).ended(1);
    assert_eq!(deployed(&retried), 4);
}

#[cfg(unix)]
#[test]
fn a_person_at_a_terminal_says_what_came_of_a_command() {
    use crate::person::Person;
    for (typed, output, times) in
        [("d by hand\r", "deployed: by hand", 1), ("r\r", "deployed: up", 2)]
    {
        let place = killed_in(DEPLOY);
        on_run(&place, &["resume"]).ended(7);
        let go_on = ["continue", "r-1", "--allow-shell", "--db", "a.db"];
        let person = Person::starts(&place, &go_on);
        person.sees("Was `deploy` done?");
        person.waits_until(|screen| screen.trim_end().ends_with("d/r/f ›"));
        person.types("what\r");
        person.sees("type `d` if it was done");
        person.waits_until(|screen| screen.trim_end().ends_with("d/r/f ›"));
        person.types(typed);
        person.sees(output);
        assert_eq!(person.leaves(), 0);
        assert_eq!(deployed(&place), times);
    }
}

// --- deadlines and inboxes ---

const GATE: &str = "\
format: 1
name: Late
steps:
  - name: gate
    shell: 'echo x >> deployed.txt; echo DEPLOYED'
    human_review:
      {requires_confirmation: 'Deploy?', timeout: 1h, on_timeout: reject, on_reject: fail}
";

/// A run that has waited at the gate for so many seconds: it is its facts that move into the past.
fn at_the_gate(seconds: u64) -> Place {
    let place = Place::with(GATE);
    place.run(["--allow-shell", "--db", "now.db", "--run-id", "r-1"]).ended(3);
    let facts = place.facts_in("now.db");
    let back = |time: Timestamp| Timestamp(time.0 - seconds * 1_000);
    let moved = facts.into_iter().map(|mut fact| {
        fact.time = back(fact.time);
        match &mut fact.kind {
            EventKind::StepPaused { requirement } => requirement.due = requirement.due.map(back),
            EventKind::WorkflowPaused { until } => *until = until.map(back),
            _ => {}
        }
        fact
    });
    let moved: Vec<_> = moved.collect();
    on_store(&place, "a.db", async |store| {
        let run = moved[0].run.clone();
        let append = stepwright::store::Append { run, facts: moved, close: None, driver: None };
        stepwright::store::RunStore::append(&store, append).await.unwrap();
    });
    place
}

fn on_store<T>(place: &Place, db: &str, work: impl AsyncFnOnce(Sqlite) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    runtime.block_on(async { work(Sqlite::open(place.path(db)).await.unwrap()).await })
}

#[test]
fn an_answer_after_the_deadline_is_refused_and_the_run_goes_its_way() {
    let place = at_the_gate(3_700);
    let late = on_run(&place, &["continue", "--approve", "gate", "--by", "ada"]).ended(2);
    let told = "the answer to `gate!confirm` came too late: its deadline was ";
    assert!(late.stderr.contains(&format!("error[SW0712]: {told}")), "{late:#?}");
    assert!(late.stderr.contains("`approve` by ada came at "), "{late:#?}");
    assert_eq!(late.stdout, "");
    assert!(!place.path("deployed.txt").exists(), "it is deployed");
    assert_eq!(place.runs_in("a.db")[0].1, RunStatus::Error);
    let shown = place.on_db(&["show", "r-1"]).ended(0).stdout;
    assert!(shown.contains(&format!("refused: {told}")), "{shown}");
    assert!(shown.contains("it was rejected: no answer came in time"), "{shown}");
    stepwright_testing::grammar::check(&place.facts_in("a.db"));
    // In time, it counts.
    let place = at_the_gate(3_000);
    assert_eq!(on_run(&place, &["continue", "--approve", "gate"]).ended(0).stdout, "DEPLOYED\n");
}

/// Leaves an answer where a run finds it, and dies before anything comes of it.
fn leave_and_die(place: &Place, answer: &Answer) {
    on_store(place, "a.db", async |store| {
        let rows = store.runs(RunFilter::default()).await.unwrap();
        let reply = Reply {
            requirement_id: "gate!confirm".into(),
            answer: answer.clone(),
            by: None,
            timed_out: false,
        };
        let run = rows[0].run_id.clone();
        let signal = Signal::answer(run, reply, rows[0].updated_at);
        assert!(store.submit(signal).await.unwrap());
    });
}

#[test]
fn an_answer_that_a_dead_process_left_is_taken_and_another_one_is_refused() {
    for go_on in [&["continue"][..], &["continue", "--approve", "gate"], &["resume"]] {
        let place = at_the_gate(10);
        leave_and_die(&place, &Answer::Approve);
        let shown = place.on_db(&["show", "r-1"]).ended(0).stdout;
        assert!(shown.contains("to go on: stepwright resume r-1 --db a.db"), "{shown}");
        assert!(shown.contains("gate!confirm is answered: approve at "), "{shown}");
        let other = on_run(&place, &["continue", "--reject", "gate=no"]).ended(2);
        assert!(
            other.stderr.contains("`gate!confirm` is already answered: the answer `approve`"),
            "{other:#?}"
        );
        let done = on_run(&place, go_on).ended(0);
        assert_eq!((done.stdout.as_str(), deployed(&place)), ("DEPLOYED\n", 1), "{go_on:?}");
    }
    // An answer that is taken late does no harm: it came in time.
    let place = at_the_gate(3_700);
    leave_and_die(&place, &Answer::Approve);
    assert_eq!(on_run(&place, &["resume"]).ended(0).stdout, "DEPLOYED\n");
}
