//! The process of a coding agent.

use crate::runtime::runtime;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stepwright_core::redact::redact;
use stepwright_core::{StepContext, StepError};
use stepwright_process::{Kept, keep};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio_util::sync::{CancellationToken, DropGuard};

/// The time that an agent has to end by itself after its turn, when its input is closed.
const GRACE: Duration = Duration::from_secs(3);

/// The time in which the last lines of an agent that has ended are read.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The lines of stderr that an error message has, and the longest of them in bytes.
const STDERR_LINES: usize = 8;
const STDERR_LINE_BYTES: usize = 400;

/// A program, ready to be started.
#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) pass_env: Vec<String>,
    pub(crate) dir: PathBuf,
}

/// The reason that a program does not run.
#[derive(Debug)]
pub(crate) enum NotStarted {
    Missing,
    Failed(String),
    Stopped(StepError),
}

/// The pipes of a process.
pub(crate) struct Pipes {
    pub(crate) stdin: ChildStdin,
    pub(crate) stdout: BufReader<ChildStdout>,
}

/// A process with all that it starts. Dropping it kills them.
#[derive(Debug)]
pub(crate) struct Process {
    // Ahead of the token, so that the process is dead when that is cancelled.
    #[cfg(unix)]
    _group: stepwright_process::Group,
    _stop: DropGuard,
    exited: CancellationToken,
    leader: u32,
}

impl Process {
    /// Keeps the process when its run is resumed.
    pub(crate) fn kept(&self) -> Kept {
        keep(self.leader)
    }

    /// Waits for the end of a process whose input is closed, and kills what is left of it.
    pub(crate) async fn finish(self) {
        let exited = self.exited.clone();
        let waited = runtime().spawn(async move {
            let _ = tokio::time::timeout(GRACE, exited.cancelled()).await;
        });
        let _ = waited.await;
    }
}

/// The last lines of a process on stderr, and its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    lines: Arc<Mutex<VecDeque<String>>>,
    status: Arc<Mutex<Option<String>>>,
    silent: CancellationToken,
    exited: CancellationToken,
}

impl Said {
    fn add(&self, mut line: String) {
        line.truncate(line.floor_char_boundary(STDERR_LINE_BYTES));
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push_back(line);
        if lines.len() > STDERR_LINES {
            lines.pop_front();
        }
    }

    /// Returns how a process ended that no longer answers, as the end of a message.
    pub(crate) async fn last_words(&self) -> String {
        let both = async {
            self.exited.cancelled().await;
            self.silent.cancelled().await;
        };
        let _ = tokio::time::timeout(LAST_WORDS, both).await;
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let status = status.map(|status| format!(" ({status})")).unwrap_or_default();
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.is_empty() {
            return status;
        }
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        format!("{status}; it wrote: {}", redact(&lines.join(" | ")))
    }
}

/// Returns `true` if a program is there: at its path, or in `PATH`.
pub(crate) fn is_there(program: &str) -> bool {
    let is_file = |path: &Path| path.is_file();
    if program.contains('/') || program.contains('\\') {
        return is_file(Path::new(program));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| {
        let plain = dir.join(program);
        is_file(&plain)
            || cfg!(windows)
                && ["exe", "cmd", "bat"].iter().any(|end| is_file(&plain.with_extension(end)))
    })
}

/// Starts a program, whose group is recorded before it does anything.
pub(crate) async fn start(
    program: Program,
    cx: &StepContext,
) -> Result<(Process, Pipes, Said), NotStarted> {
    if !is_there(&program.name) {
        return Err(NotStarted::Missing);
    }
    let traced = cx.is_traced().then(|| cx.trace_context().traceparent().to_owned());
    let spawned = runtime().spawn(async move { spawned(&program, traced) });
    let spawned = spawned.await.map_err(|error| NotStarted::Failed(error.to_string()))?;
    let (process, mut pipes, said, leader) = spawned.map_err(NotStarted::Failed)?;
    #[cfg(unix)]
    {
        let open = stepwright_process::recorded(leader, cx).await.map_err(NotStarted::Stopped)?;
        let opened = runtime().spawn(async move {
            pipes.stdin.write_all(&open).await?;
            Ok::<_, io::Error>(pipes)
        });
        let opened = opened.await.map_err(|error| NotStarted::Failed(error.to_string()))?;
        pipes = opened.map_err(|error| NotStarted::Failed(error.to_string()))?;
    }
    #[cfg(not(unix))]
    let _ = leader;
    Ok((process, pipes, said))
}

fn spawned(
    program: &Program,
    traced: Option<String>,
) -> Result<(Process, Pipes, Said, u32), String> {
    let failed = |error: io::Error| error.to_string();
    #[cfg(unix)]
    let mut command = stepwright_process::gated(&program.name, &program.args);
    #[cfg(not(unix))]
    let mut command = {
        let mut command = tokio::process::Command::new(&program.name);
        command.args(&program.args);
        command
    };
    command
        .current_dir(&program.dir)
        .env_clear()
        .envs(stepwright_process::passed(&program.pass_env))
        .envs(traced.map(|traced| ("TRACEPARENT", traced)))
        .envs(program.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(failed)?;
    let leader = child.id().unwrap_or_default();
    #[cfg(unix)]
    let group = stepwright_process::Group::watched(leader).map_err(failed)?;
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err("it has no pipes".to_owned());
    };
    let said = Said::default();
    tokio::spawn(log(program.name.clone(), stderr, said.clone()));
    let (stop, exited) = (CancellationToken::new(), said.exited.clone());
    let (stopped, told) = (stop.clone(), said.clone());
    tokio::spawn(async move {
        let ended = tokio::select! {
            ended = child.wait() => ended.ok(),
            () = stopped.cancelled() => {
                let _ = child.start_kill();
                child.wait().await.ok()
            }
        };
        let status = ended.map(|status| status.to_string());
        *told.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
        told.exited.cancel();
    });
    let process = Process {
        #[cfg(unix)]
        _group: group,
        _stop: stop.drop_guard(),
        exited,
        leader,
    };
    Ok((process, Pipes { stdin, stdout: BufReader::new(stdout) }, said, leader))
}

async fn log(program: String, stderr: ChildStderr, said: Said) {
    let _silent = said.silent.clone().drop_guard();
    let mut lines = BufReader::new(stderr).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        tracing::debug!(target: "stepwright", program, "{}", redact(&line));
        if !line.is_empty() {
            said.add(line);
        }
    }
}
