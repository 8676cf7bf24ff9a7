//! Servers that are commands.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stepwright_core::redact::redact;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio_util::sync::{CancellationToken, DropGuard};

/// The time that a server has to end by itself after its input has been closed.
const GRACE: Duration = Duration::from_secs(2);

/// The time in which the last lines of a server that did not begin are read.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The lines of stderr that an error message has, and the longest of them in bytes.
const STDERR_LINES: usize = 8;
const STDERR_LINE_BYTES: usize = 400;

/// A command that is a server.
#[derive(Clone, PartialEq)]
pub(crate) struct Command {
    pub(crate) program: String,
    pub(crate) args: Vec<String>,
    /// The variables that are set for it.
    pub(crate) env: Vec<Variable>,
    /// The names of further variables of this process that it gets.
    pub(crate) pass_env: Vec<String>,
    pub(crate) dir: Option<PathBuf>,
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A variable may hold a key.
        f.debug_struct("Command").field("program", &self.program).finish_non_exhaustive()
    }
}

/// A variable of a command.
#[derive(Clone, PartialEq)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) value: String,
    /// `true` if another value makes no other server: a key is changed now and then.
    pub(crate) is_secret: bool,
}

impl Variable {
    /// Returns the name, and the value unless that is a secret.
    pub(crate) fn shown(&self) -> (&str, Option<&str>) {
        (&self.name, (!self.is_secret).then_some(&*self.value))
    }
}

/// A server that runs. When it is dropped, the server ends with all that it has started.
#[derive(Debug)]
pub(crate) struct Process {
    _stop: DropGuard,
    said: Said,
    /// Cancelled when the server writes no more to stderr.
    silent: CancellationToken,
}

/// The last lines that a server wrote to stderr.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said(Arc<Mutex<VecDeque<String>>>);

impl Said {
    fn add(&self, mut line: String) {
        line.truncate(line.floor_char_boundary(STDERR_LINE_BYTES));
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push_back(line);
        if lines.len() > STDERR_LINES {
            lines.pop_front();
        }
    }

    /// Returns the lines as the end of a message.
    pub(crate) fn told(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.is_empty() {
            return String::new();
        }
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        format!("; it wrote: {}", redact(&lines.join(" | ")))
    }
}

impl Process {
    pub(crate) fn said(&self) -> &Said {
        &self.said
    }

    /// Returns the last lines of a server that did not begin, as the end of a message. A server
    /// that has ended may have written lines which nothing has read yet.
    pub(crate) async fn last_words(&self) -> String {
        let _ = tokio::time::timeout(LAST_WORDS, self.silent.cancelled()).await;
        self.said.told()
    }
}

/// Starts a server. Call this on the runtime of connections.
pub(crate) async fn start(
    name: &str,
    command: &Command,
) -> Result<(Process, ChildStdout, ChildStdin), String> {
    let failed =
        |error: std::io::Error| format!("`{}` cannot be started: {error}", command.program);
    #[cfg(unix)]
    let mut process = stepwright_process::gated(&command.program, &command.args);
    #[cfg(not(unix))]
    let mut process = {
        let mut process = tokio::process::Command::new(&command.program);
        process.args(&command.args);
        process
    };
    if let Some(dir) = &command.dir {
        process.current_dir(dir);
    }
    process
        .env_clear()
        .envs(stepwright_process::passed(&command.pass_env))
        .envs(command.env.iter().map(|it| (&it.name, &it.value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = process.spawn().map_err(failed)?;
    #[cfg(unix)]
    let group =
        stepwright_process::Group::watched(child.id().unwrap_or_default()).map_err(failed)?;
    let (Some(mut stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(format!("`{}` has no pipes", command.program));
    };
    // The command begins when it is watched.
    #[cfg(unix)]
    stdin.write_all(b"\n").await.map_err(failed)?;
    let said = Said::default();
    let silent = CancellationToken::new();
    let (logging, end) = (said.clone(), silent.clone().drop_guard());
    let (server, stderr) = (name.to_owned(), BufReader::new(stderr));
    tokio::spawn(async move {
        let _end = end;
        log(server, stderr, logging).await;
    });
    let stop = CancellationToken::new();
    #[cfg(unix)]
    tokio::spawn(supervise(name.to_owned(), child, stop.clone(), group));
    #[cfg(not(unix))]
    tokio::spawn(supervise(name.to_owned(), child, stop.clone(), ()));
    Ok((Process { _stop: stop.drop_guard(), said, silent }, stdout, stdin))
}

/// Waits for the end of a server, and ends the rest of its group.
async fn supervise<G: Send + 'static>(
    name: String,
    mut child: Child,
    stop: CancellationToken,
    group: G,
) {
    let ended = tokio::select! {
        ended = child.wait() => Some(ended),
        () = stop.cancelled() => tokio::time::timeout(GRACE, child.wait()).await.ok(),
    };
    if let Some(Ok(status)) = ended {
        tracing::debug!(target: "stepwright", server = name, %status, "the MCP server ended");
    } else {
        tracing::debug!(target: "stepwright", server = name, "the MCP server is killed");
    }
    // This waits for the process that watches the group.
    let _ = tokio::task::spawn_blocking(move || drop(group)).await;
}

async fn log<R: tokio::io::AsyncRead + Unpin>(name: String, stderr: BufReader<R>, said: Said) {
    let mut lines = stderr.split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        tracing::debug!(target: "stepwright", server = name, "{}", redact(&line));
        if !line.is_empty() {
            said.add(line);
        }
    }
}
