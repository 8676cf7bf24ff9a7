//! Runs commands.

use crate::environment::passed;
use crate::heard::Heard;
use crate::sandbox::{Boxed, Inner, boxed, given};
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use stepwright_core::error::ErrorCode;
use stepwright_core::redact::Secrets;
use stepwright_core::{ErrorId, StepContext, StepError};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

/// The maximum number of characters of stderr in the error of a command.
const COMPLAINT_CHARS_MAX: usize = 2000;

/// A command to run.
#[derive(Debug)]
pub struct Command {
    /// The program and its arguments.
    pub program: Program,
    /// The variables that the file sets.
    pub env: Vec<(String, String)>,
    /// The names of the variables of this process to pass, besides the usual ones.
    pub pass_env: Vec<String>,
    /// The text that it reads.
    pub stdin: String,
    /// The directory that it runs in.
    pub dir: PathBuf,
    /// The folders besides that one that it sees in a sandbox.
    pub shown: Vec<PathBuf>,
    /// The maximum time.
    pub timeout: Duration,
    /// The maximum size of its output.
    pub max_bytes: u64,
    /// `true` if any end of the command is a result.
    pub any_status: bool,
    /// `true` if the beginning of an output that is too long is a result, with a note at its end.
    pub shortens: bool,
    /// The secrets that are removed from the error of the command.
    pub secrets: Secrets,
}

/// The end of a command.
#[derive(Debug)]
pub struct Done {
    /// Its output, without the last line break.
    pub stdout: String,
    /// Its errors and notes.
    pub stderr: String,
    /// Its exit code; for a signal, 128 and the number of the signal, as shells have it.
    pub status: i32,
}

/// The program of a command.
#[derive(Debug)]
pub enum Program {
    /// A command line for the shell, with its arguments `"$1"`, `"$2"` and so on.
    Line(String, Vec<String>),
    /// A program and its arguments, without a shell.
    Argv(Vec<String>),
}

/// Runs a command and returns its output. Dropping the future kills its process group.
///
/// Each piece of output is a sign of life of the step.
///
/// # Errors
/// Fails if the command cannot be started, fails, takes too long, or writes too much.
pub async fn run(command: Command, cx: &StepContext) -> Result<Done, StepError> {
    let timeout = command.timeout;
    match tokio::time::timeout(timeout, run_freely(command, cx)).await {
        Ok(result) => result,
        Err(_) => Err(StepError::new(format!("the command took longer than {timeout:?}"))
            .with_code(ErrorCode::TimedOut)
            .with_id(ErrorId::COMMAND_TIMED_OUT)
            .with_hint("raise `timeout`")),
    }
}

impl Program {
    /// Returns the program to start and its arguments.
    fn words(&self) -> (String, Vec<String>) {
        match self {
            Self::Line(line, _) if cfg!(windows) => ("cmd".into(), vec!["/C".into(), line.clone()]),
            Self::Line(line, args) => {
                let words = ["-c", line, "sh"].map(str::to_owned).into_iter();
                ("sh".into(), words.chain(args.iter().cloned()).collect())
            }
            Self::Argv(words) => match words.split_first() {
                Some((program, words)) => (program.clone(), words.to_vec()),
                None => (String::new(), Vec::new()),
            },
        }
    }
}

/// Refuses NUL bytes, which end a text for the operating system.
fn check_nul(
    program: &str,
    arguments: &[String],
    env: &[(String, String)],
) -> Result<(), StepError> {
    let wrong = |text: &str| text.contains('\0');
    if wrong(program) || arguments.iter().any(|argument| wrong(argument)) {
        return Err(refused("the command contains a NUL byte").with_hint("pass it with `stdin:`"));
    }
    match env.iter().find(|(_, value)| wrong(value)) {
        Some((name, _)) => {
            let message = format!("the environment variable `{name}` contains a NUL byte");
            Err(refused(message).with_hint("pass it with `stdin:`"))
        }
        None => Ok(()),
    }
}

fn not_started(program: &str, error: &io::Error) -> StepError {
    let message = format!("`{program}` cannot be started: {error}");
    match error.kind() {
        io::ErrorKind::ArgumentListTooLong => refused(message)
            .with_id(ErrorId::COMMAND_LOST)
            .with_hint("pass long texts with `stdin:`"),
        _ => StepError::new(message).with_id(ErrorId::COMMAND_LOST),
    }
}

/// Returns an error that a retry with the same values would repeat.
fn refused(message: impl Into<String>) -> StepError {
    StepError::terminal(message).with_code(ErrorCode::BadInput)
}

async fn run_freely(command: Command, cx: &StepContext) -> Result<Done, StepError> {
    let (program, arguments) = command.program.words();
    check_nul(&program, &arguments, &command.env)?;
    let traceparent = cx.is_traced().then(|| cx.trace_context().traceparent().to_owned());
    let env = given(&command.pass_env, traceparent, &command.env);
    let words: Vec<String> = std::iter::once(&program).chain(&arguments).cloned().collect();
    let inner = Inner { words: &words, dir: &command.dir, shown: &command.shown, env: env.clone() };
    let mut boxed = boxed(inner, cx).await?;
    let mut process = if let Some(boxed) = &boxed {
        let (program, arguments) = boxed.words();
        let mut process = prepared(program, arguments);
        process.envs(boxed.env().iter().cloned());
        process
    } else {
        let mut process = prepared(&program, &arguments);
        process.envs(passed(&command.pass_env)).envs(&env);
        process
    };
    process
        .current_dir(&command.dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = process.spawn().map_err(|error| not_started(&program, &error))?;
    #[cfg(unix)]
    let remover = boxed.as_ref().and_then(Boxed::remover);
    #[cfg(unix)]
    let group = crate::group::Group::watched_with(child.id().unwrap_or_default(), remover)
        .map_err(|error| not_started("sh", &error))?;
    #[cfg(unix)]
    let open = crate::group::recorded(child.id().unwrap_or_default(), cx).await?;
    #[cfg(not(unix))]
    let open = Vec::new();
    let alive = &|| cx.keep_alive();
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let stdout = stdout.map(|stream| Heard::new(stream, alive));
    let stderr = stderr.map(|stream| Heard::new(stream, alive));
    let write = async {
        if let Some(mut stdin) = stdin {
            // A command may ignore its input.
            let _ = stdin.write_all(&[&open, command.stdin.as_bytes()].concat()).await;
        }
    };
    // Write and read concurrently, because the command may block until its output is read.
    let ((), out, complaint) =
        tokio::join!(write, drain(stdout, command.max_bytes), drain(stderr, command.max_bytes));
    let lost = |error: std::io::Error| {
        StepError::new(format!("the command was lost: {error}")).with_id(ErrorId::COMMAND_LOST)
    };
    let (out, out_over) = out.map_err(lost)?;
    let (complaint, complaint_over) = complaint.map_err(lost)?;
    let status = child.wait().await.map_err(lost)?;
    if let Some(boxed) = &mut boxed {
        boxed.ended(status.code(), &String::from_utf8_lossy(&complaint))?;
    }
    #[cfg(unix)]
    tokio::task::spawn_blocking(move || group.let_go())
        .await
        .map_err(|error| StepError::terminal(error.to_string()))?;
    if !status.success() && !command.any_status {
        let complaint = String::from_utf8_lossy(&complaint);
        // Before it is cut, so that no part of a secret is left.
        let complaint = command.secrets.redact(&complaint);
        let complaint: String = complaint.trim().chars().take(COMPLAINT_CHARS_MAX).collect();
        let message = if complaint.is_empty() {
            format!("the command failed ({status})")
        } else {
            format!("the command failed ({status}): {complaint}")
        };
        return Err(StepError::new(message).with_id(ErrorId::COMMAND_FAILED));
    }
    if !command.shortens && (out_over || (complaint_over && command.any_status)) {
        let message = format!("the command wrote more than {} bytes", command.max_bytes);
        return Err(StepError::terminal(message)
            .with_code(ErrorCode::Limit)
            .with_id(ErrorId::RESULT_TOO_LARGE)
            .with_hint("raise `max_bytes`, or ask for less"));
    }
    let text = |mut bytes: Vec<u8>, is_over: bool| {
        if is_over {
            bytes.truncate(whole(&bytes));
        }
        let (mut text, is_exact) = text_of(bytes);
        if !is_exact {
            cx.note("the command wrote bytes that are not UTF-8; `\u{fffd}` stands for them");
        }
        let line = text.strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        text.truncate(line.map_or(text.len(), str::len));
        if is_over {
            let _ =
                write!(text, "\n[cut off here: there are more than {} bytes]", command.max_bytes);
        }
        text
    };
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status).map(|signal| 128 + signal);
    #[cfg(not(unix))]
    let signal = None;
    let status = status.code().or(signal).unwrap_or(-1);
    Ok(Done { stdout: text(out, out_over), stderr: text(complaint, complaint_over), status })
}

/// Returns a process without an environment.
fn prepared(program: &str, arguments: &[String]) -> tokio::process::Command {
    #[cfg(unix)]
    let mut process = crate::group::gated(program, arguments);
    #[cfg(not(unix))]
    let mut process = {
        let mut process = tokio::process::Command::new(program);
        process.args(arguments);
        process
    };
    process.env_clear();
    process
}

/// Reads the first bytes of a stream, and discards the rest so that the command can end. Returns
/// `true` if there were more.
async fn drain(
    stream: Option<impl AsyncRead + Unpin>,
    max_bytes: u64,
) -> std::io::Result<(Vec<u8>, bool)> {
    let mut kept = Vec::new();
    let Some(mut stream) = stream else { return Ok((kept, false)) };
    (&mut stream).take(max_bytes).read_to_end(&mut kept).await?;
    let more = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    Ok((kept, more > 0))
}

/// Returns the number of bytes without a character at the end that is there in part.
fn whole(bytes: &[u8]) -> usize {
    let last = bytes.utf8_chunks().last();
    let cut = last.map_or(0, |last| last.invalid().len());
    let is_begun = std::str::from_utf8(&bytes[bytes.len() - cut..])
        .is_err_and(|error| error.error_len().is_none());
    if is_begun { bytes.len() - cut } else { bytes.len() }
}

/// Decodes bytes as text. Returns `false` beside it if some were not valid UTF-8, and replaced.
fn text_of(bytes: Vec<u8>) -> (String, bool) {
    match String::from_utf8(bytes) {
        Ok(text) => (text, true),
        Err(error) => (String::from_utf8_lossy(error.as_bytes()).into_owned(), false),
    }
}
