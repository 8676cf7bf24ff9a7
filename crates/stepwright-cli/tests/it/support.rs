//! A directory, a command in it, and what became of it.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use stepwright::store::RunFilter;
use stepwright::store::{Leases as _, RunStore as _, SessionStore as _};
use stepwright::{Event, RunId, RunStatus, Session, SessionId, Sqlite};

/// Variables of the environment that change what is written. `CI` does: build servers show colours
/// even where a terminal says that it has none.
pub(crate) const SAYS_HOW_TO_WRITE: [&str; 7] =
    ["CI", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "RUST_LOG", "COLUMNS", "STEPWRIGHT_DB"];

/// The longest time for anything that comes at once. Nothing waits for it if all is well.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// A workflow that greets.
pub(crate) const GREETING: &str = "\
format: 1
name: Greeting
steps:
  - {name: greet, template: 'Hello {{ input }}!'}
";

/// A workflow whose second step fails at its second attempt.
pub(crate) const FAILING: &str = "\
format: 1
name: Failing
steps:
  - {name: first, template: done}
  - {name: second, shell: 'echo oops >&2; exit 3', retry: {max: 1, backoff: 1ms}}
";

/// A workflow whose second step does not end by itself.
pub(crate) const HANGING: &str = "\
format: 1
name: Hanging
model: offline
agents: {writer: {}}
steps:
  - {agent: writer, prompt: 'The first words stay.'}
  - {name: hang, shell: 'sleep 60'}
";

/// A workflow that asks a person before the second step, and for a review of the third.
pub(crate) const ASKING: &str = "\
format: 1
name: Publish
steps:
  - {name: count, shell: 'echo x >> done.txt; echo draft'}
  - name: publish
    template: 'published {{ steps.count }}'
    human_review: {requires_confirmation: Publish it?, on_reject: fail}
  - name: letter
    template: 'a letter about {{ previous }}'
    human_review: {requires_output_review: Good?}
";

/// A workflow of two agents, who quote what they are told.
pub(crate) const AGENTS: &str = "\
format: 1
name: Article
model: offline
agents: {writer: {instructions: One sentence.}}
steps:
  - {name: draft, agent: writer, prompt: 'Rust is fast.'}
  - {name: page, agent: writer, prompt: 'Rust is small.'}
";

/// A directory with workflow files, in which the command runs.
pub(crate) struct Place {
    directory: tempfile::TempDir,
    user: tempfile::TempDir,
}

/// The result of the command.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    /// A place with this workflow in `flow.yaml`.
    pub(crate) fn with(flow: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let place = Self { directory, user: tempfile::tempdir().unwrap() };
        place.write("flow.yaml", flow);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// The command, in an environment that says nothing about colours.
    pub(crate) fn command<I: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = I>,
    ) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stepwright"));
        command.args(arguments).current_dir(self.directory.path());
        for name in SAYS_HOW_TO_WRITE {
            command.env_remove(name);
        }
        for (name, folder) in self.folders_of_user() {
            command.env(name, folder);
        }
        command
    }

    /// The folders of the user, which are not those of the developer: tests never touch their runs.
    pub(crate) fn folders_of_user(&self) -> [(&'static str, PathBuf); 3] {
        let of = |name: &str| self.user.path().join(name);
        [
            ("XDG_STATE_HOME", of("state")),
            ("XDG_CONFIG_HOME", of("config")),
            ("XDG_DATA_HOME", of("data")),
        ]
    }

    /// Runs the command to its end.
    pub(crate) fn ran<I: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Ran {
        Ran::of(&mut self.command(arguments))
    }

    /// Runs `stepwright run flow.yaml` with these arguments.
    pub(crate) fn run<I: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Ran {
        let mut command = self.command(["run", "flow.yaml"]);
        Ran::of(command.args(arguments))
    }

    /// Runs the command on this input.
    pub(crate) fn ran_on(&self, arguments: &[&str], stdin: &[u8]) -> Ran {
        let mut command = self.command(arguments);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(stdin).unwrap();
        Ran::from(child.wait_with_output().unwrap())
    }

    /// Runs `stepwright` with these arguments on the database `a.db`.
    pub(crate) fn on_db(&self, arguments: &[&str]) -> Ran {
        self.ran(arguments.iter().chain(&["--db", "a.db"]))
    }

    /// Waits until this is true of what is recorded of a run.
    #[track_caller]
    pub(crate) fn waits_for(&self, run: &str, is_so: impl Fn(&str) -> bool) {
        let until = Instant::now() + PATIENCE;
        loop {
            // Until there is a database, there is nothing.
            let seen = self.on_db(&["events", run]);
            if seen.code == 0 && is_so(&seen.stdout) {
                return;
            }
            assert!(Instant::now() < until, "{seen:#?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Returns the runs in this database with their status, the newest first.
    pub(crate) fn runs_in(&self, db: &str) -> Vec<(String, RunStatus)> {
        self.ask(db, async |store| {
            let rows = store.runs(RunFilter::default()).await.unwrap();
            rows.into_iter().map(|row| (row.run_id.to_string(), row.status)).collect()
        })
    }

    /// Returns the facts of the only run in this database.
    pub(crate) fn facts_in(&self, db: &str) -> Vec<Event> {
        self.ask(db, async |store| {
            let rows = store.runs(RunFilter::default()).await.unwrap();
            assert_eq!(rows.len(), 1, "{rows:?}");
            stepwright::store::RunStore::load(&store, &rows[0].run_id, 0, 1000).await.unwrap()
        })
    }

    pub(crate) fn session_in(&self, db: &str, session: &str) -> Option<Session> {
        self.ask(db, async |store| store.session(&SessionId::new(session).unwrap()).await.unwrap())
    }

    /// Makes a run one that no process drives, as its driver does that gives it up.
    pub(crate) fn given_up(&self, db: &str, run: &str) {
        let run = RunId::new(run).unwrap();
        self.ask(db, async |store| {
            let row = store.run(&run).await.unwrap().unwrap();
            store.release(&run, &row.driver.unwrap()).await.unwrap();
        });
    }

    fn ask<T>(&self, db: &str, question: impl AsyncFnOnce(Sqlite) -> T) -> T {
        let path = self.path(db);
        assert!(path.exists(), "there is no database `{db}`");
        let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
        runtime.block_on(async { question(Sqlite::open(path).await.unwrap()).await })
    }
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        command.output().unwrap().into()
    }

    /// Its events, which must follow the grammar if they are all there.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    /// Asserts how it ended, and gives it back.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        let has_old_form = |line: &str| line.starts_with("error:") || line.starts_with("hint:");
        assert!(!self.stderr.lines().any(has_old_form), "an error without a code: {self:#?}");
        if code == 5 {
            assert!(self.stderr.contains("error[SW"), "an error without a code: {self:#?}");
        }
        self
    }
}

impl From<std::process::Output> for Ran {
    fn from(output: std::process::Output) -> Self {
        Self {
            code: code(output.status),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The exit code; what a shell says if a signal killed it.
pub(crate) fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap())
}
