//! Running a command.

use super::heard::Heard;
use super::{over, text_of};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use stepwright_core::StepError;
use stepwright_core::error::ErrorCode;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

/// How much of what a failed command complains about is told.
const COMPLAINT_CHARS_MAX: usize = 2000;

pub(crate) struct Command {
    pub(crate) line: String,
    pub(crate) stdin: String,
    pub(crate) dir: PathBuf,
    pub(crate) timeout: Duration,
    pub(crate) max_bytes: u64,
}

/// Runs it and gives what it wrote. Dropping the future kills it, and all that it has started.
///
/// Says `alive` for each piece that it writes.
pub(crate) async fn run(command: Command, alive: &(dyn Fn() + Sync)) -> Result<String, StepError> {
    let timeout = command.timeout;
    match tokio::time::timeout(timeout, run_freely(command, alive)).await {
        Ok(result) => result,
        Err(_) => Err(StepError::new(format!("the command took longer than {timeout:?}"))
            .with_code(ErrorCode::TimedOut)
            .with_hint("raise `timeout`")),
    }
}

async fn run_freely(command: Command, alive: &(dyn Fn() + Sync)) -> Result<String, StepError> {
    let (shell, flag) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
    let mut process = tokio::process::Command::new(shell);
    process
        .arg(flag)
        .arg(&command.line)
        .current_dir(&command.dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    // Of its own: Ctrl-C at the terminal is for the run, which decides what becomes of its steps.
    #[cfg(unix)]
    process.process_group(0);
    let mut child = process
        .spawn()
        .map_err(|error| StepError::new(format!("`{shell}` cannot be started: {error}")))?;
    let group = Group::of(&child);
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let stdout = stdout.map(|stream| Heard::new(stream, alive));
    let stderr = stderr.map(|stream| Heard::new(stream, alive));
    let write = async {
        if let Some(mut stdin) = stdin {
            // A command that does not read what it is given is no failure.
            let _ = stdin.write_all(command.stdin.as_bytes()).await;
        }
    };
    // All at once: a command that waits for its output to be read waits for ever otherwise.
    let ((), out, complaint) =
        tokio::join!(write, drain(stdout, command.max_bytes), drain(stderr, command.max_bytes));
    let lost = |error: std::io::Error| StepError::new(format!("the command was lost: {error}"));
    let (out, out_over) = out.map_err(lost)?;
    let (complaint, _) = complaint.map_err(lost)?;
    let status = child.wait().await.map_err(lost)?;
    group.let_go();
    if !status.success() {
        let (complaint, _) = text_of(complaint);
        let complaint: String = complaint.trim().chars().take(COMPLAINT_CHARS_MAX).collect();
        let message = if complaint.is_empty() {
            format!("the command failed ({status})")
        } else {
            format!("the command failed ({status}): {complaint}")
        };
        return Err(StepError::new(message));
    }
    if out_over {
        let message = format!("the command wrote more than {} bytes", command.max_bytes);
        return Err(over(message, "max_bytes"));
    }
    let (mut text, _) = text_of(out);
    text.truncate(text.trim_end_matches(['\n', '\r']).len());
    Ok(text)
}

/// A command and whatever it has started. Dropping it kills them all.
struct Group(Option<u32>);

impl Group {
    fn of(child: &tokio::process::Child) -> Self {
        Self(child.id())
    }

    /// The command has ended. What it has left behind on purpose lives on.
    fn let_go(mut self) {
        self.0 = None;
    }
}

#[cfg(unix)]
impl Drop for Group {
    fn drop(&mut self) {
        let leader = self.0.and_then(|id| i32::try_from(id).ok());
        if let Some(leader) = leader.and_then(rustix::process::Pid::from_raw) {
            // It may have ended just now.
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }
}

/// The first bytes of a stream, and whether there were more. Reads all, so that the command ends.
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
