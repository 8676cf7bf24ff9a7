//! The process of a coding agent.

use crate::runtime::runtime;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stepwright_core::redact::redact;
use stepwright_core::{StepContext, StepError};
use stepwright_process::{Boxed, Inner, Kept, Sandbox, boxed, given, keep};
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
    Refused(StepError),
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

    /// Returns the last lines, once there are no more.
    async fn all_lines(&self) -> String {
        let _ = tokio::time::timeout(LAST_WORDS, self.silent.cancelled()).await;
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
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

/// Returns `true` if a step can start a program. That of a sandbox has its own files.
pub(crate) fn may_start(program: &str, cx: &StepContext) -> bool {
    cx.state::<Sandbox>().is_some() || is_there(program)
}

/// Returns `true` if a program is there: at its path, or in `PATH`.
fn is_there(program: &str) -> bool {
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
    if !may_start(&program.name, cx) {
        return Err(NotStarted::Missing);
    }
    let traced = cx.is_traced().then(|| cx.trace_context().traceparent().to_owned());
    let env = given(&program.pass_env, traced, &program.env);
    let words: Vec<String> = std::iter::once(&program.name).chain(&program.args).cloned().collect();
    let inner = Inner { words: &words, dir: &program.dir, shown: &[], env: env.clone() };
    let boxed = boxed(inner, cx).await.map_err(NotStarted::Refused)?;
    let spawned = runtime().spawn(async move { spawned(&program, &env, boxed) });
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

/// Returns the command of a program, with its whole environment.
fn prepared(
    program: &Program,
    env: &BTreeMap<String, String>,
    boxed: Option<&Boxed>,
) -> tokio::process::Command {
    let (name, args) = boxed.map_or((&*program.name, &*program.args), Boxed::words);
    #[cfg(unix)]
    let mut command = stepwright_process::gated(name, args);
    #[cfg(not(unix))]
    let mut command = {
        let mut command = tokio::process::Command::new(name);
        command.args(args);
        command
    };
    command.env_clear();
    match boxed {
        Some(boxed) => command.envs(boxed.env().iter().cloned()),
        None => command.envs(stepwright_process::passed(&program.pass_env)).envs(env),
    };
    command
}

fn spawned(
    program: &Program,
    env: &BTreeMap<String, String>,
    mut boxed: Option<Boxed>,
) -> Result<(Process, Pipes, Said, u32), String> {
    let failed = |error: io::Error| error.to_string();
    let mut command = prepared(program, env, boxed.as_ref());
    command
        .current_dir(&program.dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(failed)?;
    let leader = child.id().unwrap_or_default();
    #[cfg(unix)]
    let remover = boxed.as_ref().and_then(Boxed::remover);
    #[cfg(unix)]
    let group = stepwright_process::Group::watched_with(leader, remover).map_err(failed)?;
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
        let mut status = ended.map(|status| status.to_string());
        if let Some(boxed) = &mut boxed {
            let lines = told.all_lines().await;
            if let Err(error) = boxed.ended(ended.and_then(|status| status.code()), &lines) {
                status = Some(error.to_string());
            }
        }
        // Removes a container that has not ended.
        drop(boxed);
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
