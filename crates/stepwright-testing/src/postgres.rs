//! Temporary PostgreSQL servers for tests.
//!
//! It runs the programs of an installed PostgreSQL (in `PATH`, or in the directories of Debian,
//! Fedora and Homebrew), in a directory of its own, on a free local port and on a Unix socket. If
//! PostgreSQL is not installed, tests are skipped with a message on stderr; with
//! `STEPWRIGHT_TEST_POSTGRES=required` they fail instead.
//!
//! PostgreSQL refuses to run as root. A root process runs the servers as user `postgres`, or as the
//! unprivileged default user. They do not wait for the disk (`fsync=off`) unless requested, because
//! no data has to survive.
//!
//! A shell beside each server waits for the end of its input, then stops the server and deletes its
//! files, so that a server ends with the tests even if they are killed. If the shell itself is
//! killed by `SIGKILL`, the server stays: run `pg_ctl stop -D /tmp/stepwright-postgres.*/data`.
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

/// The environment variable that makes PostgreSQL `required`. Otherwise tests are skipped without
/// it.
pub const VARIABLE: &str = "STEPWRIGHT_TEST_POSTGRES";

/// The number of ports tried: another process may take a free port before the server does.
const PORT_ATTEMPTS_MAX: u32 = 10;

const SCRIPT: &str = include_str!("postgres/server.sh");

/// Returns the server shared by the tests of this process, starting it on the first call. Returns
/// `None` if PostgreSQL is not installed.
///
/// # Panics
/// Panics if PostgreSQL is not installed and [`VARIABLE`] is `required`, or if the server cannot
/// start.
pub fn server() -> Option<&'static Server> {
    static SHARED: OnceLock<Option<Server>> = OnceLock::new();
    SHARED.get_or_init(Server::start).as_ref()
}

/// A PostgreSQL server for tests.
#[derive(Debug)]
pub struct Server {
    shell: Mutex<Shell>,
    directory: PathBuf,
    port: u16,
    databases: AtomicU32,
}

#[derive(Debug)]
struct Shell {
    process: Child,
    // Closed before the shell is waited for.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Server {
    /// Starts a server for a test that stops it. Returns `None` if PostgreSQL is not installed.
    ///
    /// # Panics
    /// Panics as [`server`] does.
    pub fn start() -> Option<Self> {
        Self::start_with("-c fsync=off -c full_page_writes=off")
    }

    /// Starts a server with these command-line settings, such as `-c fsync=on`. Returns `None` if
    /// PostgreSQL is not installed.
    ///
    /// # Panics
    /// Panics as [`server`] does.
    pub fn start_with(settings: &str) -> Option<Self> {
        let Some(programs) = programs() else {
            let required = std::env::var(VARIABLE).is_ok_and(|value| value == "required");
            assert!(!required, "`initdb` is not installed, and {VARIABLE} says that it must be");
            #[expect(clippy::print_stderr, reason = "a skipped test must say so")]
            {
                eprintln!("skipped: PostgreSQL is not installed");
            }
            return None;
        };
        let mut shell = Shell::start(&programs);
        let directory = shell.ask("where").expect("a directory");
        shell.ask("make").expect("a database cluster");
        let mut attempt = 1;
        let port = loop {
            let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
            let port = free.expect("a free port").port();
            shell.ask(&format!("port {port} {settings}")).expect("the port is noted");
            match shell.ask("start") {
                Ok(_) => break port,
                Err(said) if attempt == PORT_ATTEMPTS_MAX => panic!("PostgreSQL: {said}"),
                Err(_) => attempt += 1,
            }
        };
        let directory = PathBuf::from(directory.trim());
        Some(Self { shell: Mutex::new(shell), directory, port, databases: AtomicU32::new(0) })
    }

    /// Creates an empty database and returns its address.
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed) + 1);
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.address(&name)
    }

    /// Returns the TCP address of a database.
    pub fn address(&self, database: &str) -> String {
        format!("postgres://postgres:secret@127.0.0.1:{}/{database}", self.port)
    }

    /// Returns the Unix socket address of a database, which needs no password.
    pub fn socket_address(&self, database: &str) -> String {
        let (directory, port) = (self.directory.display(), self.port);
        format!("postgres://postgres@/{database}?host={directory}&port={port}")
    }

    /// Returns the port of the server.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Executes a one-line statement as the administrator and returns its result, one row per line.
    ///
    /// # Panics
    /// Panics if the statement fails.
    pub fn sql(&self, database: &str, statement: &str) -> String {
        assert!(!statement.contains('\n'), "more than one line");
        self.ask(&format!("sql {database} {statement}"))
    }

    /// Stops the server in order: transactions end, and clients are notified.
    pub fn stop(&self) {
        self.ask("stop fast");
    }

    /// Stops the server as a crash does.
    pub fn crash(&self) {
        self.ask("stop immediate");
    }

    /// Starts the server again after [`Server::stop`] or [`Server::crash`], with its data.
    pub fn resume(&self) {
        self.ask("start");
    }

    fn ask(&self, command: &str) -> String {
        let mut shell = self.shell.lock().unwrap_or_else(PoisonError::into_inner);
        shell.ask(command).unwrap_or_else(|said| panic!("PostgreSQL, `{command}`: {said}"))
    }
}

impl Shell {
    fn start(programs: &Path) -> Self {
        let mut command = match unprivileged() {
            None => Command::new("sh"),
            Some(user) => {
                let mut command = Command::new("setpriv");
                command.arg(format!("--reuid={user}"));
                command.args(["--regid", &group(&user), "--clear-groups", "sh"]);
                command
            }
        };
        let mut process = command
            .args(["-c", SCRIPT, "server.sh"])
            .arg(programs)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let commands = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().expect("the output of the shell"));
        Self { process, commands, answers }
    }

    /// Sends a command and returns its output, as an error if it failed.
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

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.commands.take());
        let _ = self.process.wait();
    }
}

/// Returns the directory of `initdb`, preferring the newest version.
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
    // Require all programs: a directory of links may have only some of them.
    found.into_iter().find(|directory| {
        ["initdb", "pg_ctl", "psql"].iter().all(|program| directory.join(program).is_file())
    })
}

/// Returns the user to run as if this process is root.
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
