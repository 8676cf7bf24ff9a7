//! The dispatchers that `--dispatcher` names, and programs that add one.

use crate::support::{GREETING, PATIENCE, Place, Ran};
use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use stepwright::dispatch::{DispatchError, Dispatcher, Drive, Driven, Limits, Wake};
use stepwright::{BoxFuture, Error};
use stepwright_cli::Program;
use stepwright_testing::postgres;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The variable with the words of a command line for the program of this test. Without it, a
/// process is the test.
const LINE: &str = "STEPWRIGHT_TEST_LINE";

/// The test that carries out such command lines.
const TEST: &str = "dispatchers::a_program_has_a_dispatcher_of_its_own";

const ADDRESS: &str = "here://me:geheim@h:1/?x=1";

#[test]
fn an_unknown_dispatcher_is_refused_with_those_that_there_are() {
    let place = Place::with(GREETING);
    for verb in ["run", "worker", "serve"] {
        let with = |address| place.ran([verb, "flow.yaml", "--dispatcher", address]).ended(2);
        let ran = with("redis://me:geheim@h/1");
        let says = ": `stepwright` has no dispatcher `redis://…`\n\
                    help: `stepwright` has `postgres://…`\n";
        assert!(ran.stderr.ends_with(says), "{ran:#?}");
        let ran = with("restate://h:8080");
        let says = "; use `stepwright-restate` for `restate://…`: see `stepwright docs scaling`\n";
        assert!(ran.stderr.ends_with(says), "{ran:#?}");
        let ran = with("runs.db");
        assert!(ran.stderr.contains("a dispatcher is an address such as `postgres://"), "{ran:#?}");
    }
}

#[test]
fn a_queue_is_the_database_of_the_runs() {
    let place = Place::with(GREETING);
    for verb in ["run", "worker", "serve"] {
        let line = [verb, "flow.yaml", "--dispatcher", "postgres://me:geheim@h/d", "--db", "a.db"];
        let ran = place.ran(line).ended(2);
        let says = "`--db` is `a.db` and `--dispatcher` is `h:5432/d`";
        assert!(ran.stderr.contains(says), "{ran:#?}");
        assert!(ran.stderr.contains("help: leave out `--db`"), "{ran:#?}");
        assert!(!ran.stderr.contains("geheim"), "{ran:#?}");
    }
    place.run(["Ada", "--priority", "3"]).ended(2);
    // A `db` for all commands is not for this one.
    place.write("stepwright.toml", "db = \"kept.db\"\n");
    let ran = place.run(["Ada", "--dispatcher", "postgres://h:port/d"]);
    assert!(ran.code != 0 && !ran.stderr.contains("`--db`"), "{ran:#?}");
    assert!(!place.path("kept.db").exists());
}

#[test]
fn a_program_has_a_dispatcher_of_its_own() {
    if let Ok(line) = std::env::var(LINE) {
        carry_out(&line);
    }
    let place = Place::with(GREETING);
    let of = |words: &[&str]| Ran::of(&mut program(&place, words));
    let dispatched = ["flow.yaml", "--dispatcher", ADDRESS];
    for verb in ["run", "worker", "serve"] {
        let with = |more: &[&str]| of(&[&[verb], &dispatched[..], more].concat()).ended(2);
        let ran = with(&["--db", "a.db"]);
        let says = "the workers of `here://h:1` cannot share the SQLite file `a.db`: they may be \
                    on several machines\nhelp: name a PostgreSQL database: `--db postgres://";
        assert!(ran.stderr.contains(says), "{ran:#?}");
        // The usual database is such a file, too.
        assert!(with(&[]).stderr.contains("runs.db`: they may be"));
    }
    let ran = of(&["run", "flow.yaml", "--dispatcher", "here://wrong"]).ended(2);
    assert!(ran.stderr.contains("`--dispatcher` is wrong"), "{ran:#?}");
    let ran = of(&[&["run"], &dispatched[..], &["--priority", "3"]].concat()).ended(2);
    let says = "`--priority` is `3`, and `here://h:1` has no priorities\nhelp: leave out";
    assert!(ran.stderr.contains(says), "{ran:#?}");
    let ran = of(&["run", "flow.yaml", "--dispatcher", "redis://h"]).ended(2);
    let says = "help: `stepwright-here` has `postgres://…` and `here://…`\n";
    assert!(ran.stderr.contains(says), "{ran:#?}");

    let described = of(&["capabilities", "--json"]).ended(0).stdout;
    let (_, json) = described.split_once('{').unwrap();
    let json: serde_json::Value = serde_json::from_str(&format!("{{{json}")).unwrap();
    assert_eq!(json["dispatchers"], serde_json::json!(["postgres", "here"]));
    assert!(of(&["run", "--help"]).ended(0).stdout.contains("stepwright-here run"));
    assert!(of(&["man"]).ended(0).stdout.contains(".TH stepwright-here 1"));
    assert!(of(&["completions", "bash"]).ended(0).stdout.contains("stepwright-here"));
}

#[test]
fn runs_go_to_workers_by_the_dispatcher_of_a_program() {
    let Some(server) = postgres::server() else { return };
    let (place, db) = (Place::with(GREETING), server.database());
    let line = ["run", "flow.yaml", "--dispatcher", ADDRESS, "--db", &db, "Ada", "--run-id", "r-1"];
    let ran = Ran::of(&mut program(&place, &line)).ended(0);
    assert!(ran.stdout.ends_with("Hello Ada!\n"), "{ran:#?}");
    assert!(ran.stderr.contains("driving runs of `greeting` from here://h:1\n"), "{ran:#?}");
    assert!(!ran.stderr.contains("geheim"), "{ran:#?}");
    let log = std::fs::read_to_string(place.path("here.log")).unwrap();
    let opened = log.lines().filter(|line| *line == format!("opened {ADDRESS}"));
    assert_eq!(opened.count(), 2, "by the worker and by `run`: {log}");
    assert!(log.contains("woke r-1\n") && log.contains("driven r-1\n"), "{log}");

    // A server only submits runs.
    let line = ["serve", "flow.yaml", "--port", "0", "--dispatcher", ADDRESS, "--db", &db];
    let mut serving = program(&place, &line);
    serving.stdout(Stdio::null()).stderr(File::create(place.path("said")).unwrap());
    let mut serving = serving.spawn().unwrap();
    let says = "runs wait in here://h:1 for workers: `stepwright-here worker FILE…`\n";
    let until = Instant::now() + PATIENCE;
    let mut said = String::new();
    while !said.contains(says) && Instant::now() < until && serving.try_wait().unwrap().is_none() {
        thread::sleep(Duration::from_millis(20));
        said = std::fs::read_to_string(place.path("said")).unwrap();
    }
    let _ = serving.kill();
    serving.wait().unwrap();
    assert!(said.contains(says), "{said}");
}

/// Returns a command that carries out a command line of the program: this process, started again.
fn program(place: &Place, words: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([TEST, "--exact", "--nocapture"]).env(LINE, words.join("\n"));
    command.current_dir(place.path("."));
    for (name, value) in place.command([""; 0]).get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// Carries out a command line. Beside `run` there is a worker.
#[expect(clippy::exit, reason = "the exit code of the program is that of this process")]
fn carry_out(line: &str) -> ! {
    let here = Arc::new(Here::default());
    let open = move |address: &str, _| {
        if address == "here://wrong" {
            return Err(Error::usage("`--dispatcher` is wrong"));
        }
        note(&format!("opened {address}"));
        let dispatcher: Arc<dyn Dispatcher> = here.clone();
        Ok(dispatcher)
    };
    let program = Program::new("stepwright-here").dispatcher("here", open);
    let given = |words: &[&str]| -> Vec<OsString> {
        [&["stepwright-here"], words].concat().into_iter().map(OsString::from).collect()
    };
    let words: Vec<&str> = line.split('\n').collect();
    if let ["run", file, dispatcher, address, db, server, ..] = words[..]
        && server.starts_with("postgres://")
    {
        let worker = given(&["worker", file, dispatcher, address, db, server]);
        let program = program.clone();
        thread::spawn(move || program.carry_out(&worker));
    }
    std::process::exit(program.carry_out(&given(&words)).into());
}

fn note(line: &str) {
    let mut log = File::options().append(true).create(true).open("here.log").unwrap();
    log.write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// A dispatcher that hands runs to a worker of the same process.
struct Here {
    wakes: mpsc::UnboundedSender<Wake>,
    waiting: Mutex<Option<mpsc::UnboundedReceiver<Wake>>>,
}

impl Default for Here {
    fn default() -> Self {
        let (wakes, waiting) = mpsc::unbounded_channel();
        Self { wakes, waiting: Mutex::new(Some(waiting)) }
    }
}

impl Dispatcher for Here {
    fn wake(&self, wake: Wake) -> BoxFuture<'_, Result<(), DispatchError>> {
        note(&format!("woke {}", wake.run));
        self.wakes.send(wake).unwrap();
        Box::pin(std::future::ready(Ok(())))
    }

    fn serve(
        self: Arc<Self>,
        drive: Arc<dyn Drive>,
        _: Limits,
        stop: CancellationToken,
    ) -> BoxFuture<'static, Result<(), DispatchError>> {
        Box::pin(async move {
            let mut waiting = self.waiting.lock().unwrap().take().unwrap();
            while let Some(Some(wake)) = stop.run_until_cancelled(waiting.recv()).await {
                match drive.drive(&wake).await {
                    Driven::Retry { after } => {
                        tokio::time::sleep(after).await;
                        self.wakes.send(wake).unwrap();
                    }
                    _ => note(&format!("driven {}", wake.run)),
                }
            }
            Ok(())
        })
    }
}
