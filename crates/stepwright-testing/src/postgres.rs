//! Throw-away PostgreSQL servers, for tests of what needs a real one.
//!
//! It runs the programs of a PostgreSQL that is installed (in `PATH`, or where Debian, Fedora and
//! Homebrew put them), in a directory of its own, on a free port of this machine and on a Unix
//! socket. Where there is none, tests are left out, which is said on the error stream; with
//! `STEPWRIGHT_TEST_POSTGRES=required` they fail instead.
//!
//! PostgreSQL refuses to run as root: there the servers run as user `postgres` or `nobody`. They do
//! not wait for the disk (`fsync=off`) unless asked to, because nothing in them is to be kept.
//!
//! A shell beside each server waits for the end of its input and takes the server away with its
//! files, so that a server ends with the tests, even if they are killed. If the shell itself is
//! killed by `SIGKILL`, the server stays: `pg_ctl stop -D /tmp/stepwright-postgres.*/data`.
//!
//! ```no_run
//! use stepwright_testing::postgres;
//!
//! let Some(server) = postgres::server() else { return };
//! let address = server.database();
//! // `postgres://postgres:secret@127.0.0.1:54321/test_1`
//! ```

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Says whether tests may be left out where there is no PostgreSQL: not if it is `required`.
pub const VARIABLE: &str = "STEPWRIGHT_TEST_POSTGRES";

/// How often a free port is looked for: between looking and starting another may take it.
const PORT_ATTEMPTS_MAX: u32 = 10;

const SCRIPT: &str = include_str!("postgres/server.sh");

/// The server that the tests of this process share, started when it is first asked for. `None` if
/// PostgreSQL is not installed.
///
/// # Panics
/// If it is not installed and [`VARIABLE`] is `required`, or if it cannot be started.
pub fn server() -> Option<&'static Server> {
    static SHARED: OnceLock<Option<Server>> = OnceLock::new();
    SHARED.get_or_init(Server::start).as_ref()
}

/// A server of its own.
#[derive(Debug)]
pub struct Server {
    talk: Mutex<Talk>,
    directory: PathBuf,
    port: u16,
    databases: AtomicU32,
}

#[derive(Debug)]
struct Talk {
    shell: Child,
    // Closed before the shell is waited for.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Server {
    /// Starts a server for a test that stops it. `None` if PostgreSQL is not installed.
    ///
    /// # Panics
    /// As [`server`].
    pub fn start() -> Option<Self> {
        Self::start_with("-c fsync=off -c full_page_writes=off")
    }

    /// Starts a server with these settings on its command line, as `-c fsync=on`. `None` if
    /// PostgreSQL is not installed.
    ///
    /// # Panics
    /// As [`server`].
    pub fn start_with(settings: &str) -> Option<Self> {
        let Some(programs) = programs() else {
            let required = std::env::var(VARIABLE).is_ok_and(|value| value == "required");
            assert!(!required, "`initdb` is not installed, and {VARIABLE} says that it must be");
            #[expect(clippy::print_stderr, reason = "a test that is left out must say so")]
            {
                eprintln!("left out: PostgreSQL is not installed");
            }
            return None;
        };
        let mut talk = Talk::begin(&programs);
        let directory = talk.ask("where").expect("a directory");
        talk.ask("make").expect("a database cluster");
        let mut attempt = 1;
        let port = loop {
            let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
            let port = free.expect("a free port").port();
            talk.ask(&format!("port {port} {settings}")).expect("the port is noted");
            match talk.ask("start") {
                Ok(_) => break port,
                Err(said) if attempt == PORT_ATTEMPTS_MAX => panic!("PostgreSQL: {said}"),
                Err(_) => attempt += 1,
            }
        };
        let directory = PathBuf::from(directory.trim());
        Some(Self { talk: Mutex::new(talk), directory, port, databases: AtomicU32::new(0) })
    }

    /// Makes a database with nothing in it, and gives its address.
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed) + 1);
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.address(&name)
    }

    /// The address of a database, over TCP.
    pub fn address(&self, database: &str) -> String {
        format!("postgres://postgres:secret@127.0.0.1:{}/{database}", self.port)
    }

    /// The address of a database, over the Unix socket, where no password is asked for.
    pub fn socket_address(&self, database: &str) -> String {
        let (directory, port) = (self.directory.display(), self.port);
        format!("postgres://postgres@/{database}?host={directory}&port={port}")
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Carries out a statement of one line as the administrator, and gives what it answers: a line
    /// a row.
    ///
    /// # Panics
    /// If the statement fails.
    pub fn sql(&self, database: &str, statement: &str) -> String {
        assert!(!statement.contains('\n'), "more than one line");
        self.ask(&format!("sql {database} {statement}"))
    }

    /// Stops the server in an orderly way: transactions end, and whoever is connected is told.
    pub fn stop(&self) {
        self.ask("stop fast");
    }

    /// Stops the server as a crash would.
    pub fn crash(&self) {
        self.ask("stop immediate");
    }

    /// Starts it again after [`Server::stop`] or [`Server::crash`], with what it had.
    pub fn resume(&self) {
        self.ask("start");
    }

    fn ask(&self, command: &str) -> String {
        let mut talk = self.talk.lock().unwrap_or_else(PoisonError::into_inner);
        talk.ask(command).unwrap_or_else(|said| panic!("PostgreSQL, `{command}`: {said}"))
    }
}

impl Talk {
    fn begin(programs: &Path) -> Self {
        let mut command = match unprivileged() {
            None => Command::new("sh"),
            Some(user) => {
                let mut command = Command::new("setpriv");
                command.arg(format!("--reuid={user}"));
                command.args(["--regid", &group(&user), "--clear-groups", "sh"]);
                command
            }
        };
        let mut shell = command
            .args(["-c", SCRIPT, "server.sh"])
            .arg(programs)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let commands = shell.stdin.take();
        let answers = BufReader::new(shell.stdout.take().expect("the output of the shell"));
        Self { shell, commands, answers }
    }

    /// What is said to a command; as an error if it failed.
    fn ask(&mut self, command: &str) -> Result<String, String> {
        let input = self.commands.as_mut().expect("the shell is there");
        writeln!(input, "{command}").expect("the shell listens");
        let mut said = String::new();
        loop {
            let mut line = String::new();
            let read = self.answers.read_line(&mut line).expect("the shell answers");
            match line.trim_end() {
                "ok" => return Ok(said),
                "failed" => return Err(said),
                _ if read == 0 => return Err(format!("{said}the shell has ended")),
                line => {
                    said.push_str(line.strip_prefix("| ").unwrap_or(line));
                    said.push('\n');
                }
            }
        }
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        drop(self.commands.take());
        let _ = self.shell.wait();
    }
}

/// The directory of `initdb`, of the newest version where there are several.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found: Vec<PathBuf> = std::env::split_paths(&path).collect();
    for (directory, within) in
        [("/usr/lib/postgresql", "bin"), ("/opt/homebrew/opt", "bin"), ("/usr", "bin")]
    {
        let Ok(entries) = std::fs::read_dir(directory) else { continue };
        let mut versions: Vec<(u32, PathBuf)> = entries
            .filter_map(Result::ok)
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let version = name.trim_start_matches("postgresql@").trim_start_matches("pgsql-");
                Some((version.parse().ok()?, entry.path().join(within)))
            })
            .collect();
        versions.sort();
        found.extend(versions.into_iter().rev().map(|(_, path)| path));
    }
    // Both: a directory of links may have the one and not the other.
    found.into_iter().find(|directory| {
        ["initdb", "pg_ctl", "psql"].iter().all(|program| directory.join(program).is_file())
    })
}

/// Whom to run as, if this is root.
fn unprivileged() -> Option<String> {
    if id(&["-u"])? != "0" {
        return None;
    }
    let user = if id(&["-u", "postgres"]).is_some() { "postgres" } else { "nobody" };
    Some(user.to_owned())
}

fn group(user: &str) -> String {
    id(&["-g", user]).expect("the group of the user")
}

fn id(arguments: &[&str]) -> Option<String> {
    let answer = Command::new("id").args(arguments).stderr(Stdio::null()).output().ok()?;
    answer.status.success().then(|| String::from_utf8_lossy(&answer.stdout).trim().to_owned())
}
