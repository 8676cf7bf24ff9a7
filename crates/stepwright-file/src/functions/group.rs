//! A command and all that it has started, which ends with this process.
//!
//! Linux could send a signal to a child whose parent has died, but only to the child itself, and
//! only code that runs between `fork` and `exec` can ask for it. So a second process watches: it
//! reads from a pipe whose other end only this process holds, and kills the group of the command
//! when that end is closed, however this process ends. The command begins only when it is watched,
//! and, where the system tells enough about processes, when its group is recorded.

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use stepwright_core::event::ProcessGroup;
use stepwright_core::{EventKind, StepContext, StepError};
use stepwright_engine::groups::identify;

/// Waits for a line, and then becomes the command: without one, its process has died. The line is
/// the mark of its group, where groups have one.
fn gate() -> String {
    let mark = ProcessGroup::MARK;
    format!(r#"IFS= read -r go || exit; test -z "$go" || export {mark}="$go"; exec "$@""#)
}

/// Waits for the end of its input, which is the end of the process that started it.
const WATCH: &str = r#"trap '' HUP INT TERM; IFS= read -r go; kill -KILL -"$1""#;

/// Commands that have ended and left something running, with those who watch it.
static LEFT: Mutex<Vec<Group>> = Mutex::new(Vec::new());

/// How often it is looked whether that still runs. The number of a group that is gone is given to
/// another one some day, but not as soon as this.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A command line that waits for a line on its input before it begins.
pub(super) fn gated(program: &str, arguments: &[String]) -> tokio::process::Command {
    let mut command = tokio::process::Command::new("sh");
    command.args(["-c", &gate(), "sh", program]).args(arguments);
    // Of its own: Ctrl-C at the terminal is for the run, which decides what becomes of its steps.
    command.process_group(0);
    command
}

/// Records the group of a command that has not begun, so that it is killed when the run is resumed
/// and the watch was killed together with this process. Returns what opens the gate: the first
/// bytes of the input.
pub(super) async fn recorded(leader: u32, cx: &StepContext) -> Result<Vec<u8>, StepError> {
    let mut open = Vec::new();
    if let Some(group) = identify(leader) {
        open.extend(group.mark().into_bytes());
        cx.record(EventKind::StepProcessStarted { process: Box::new(group) }).await?;
    }
    open.push(b'\n');
    Ok(open)
}

/// A command and all that it has started, except what has left its process group with `setsid`.
/// Dropping it kills them all.
pub(super) struct Group {
    leader: Pid,
    watch: Child,
    /// `true` if there is something that must not outlive this.
    is_held: bool,
}

impl Group {
    /// Watches the group of a command that has not begun.
    pub(super) fn watched(leader: u32) -> io::Result<Self> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
        let leader = i32::try_from(leader).ok().and_then(Pid::from_raw).ok_or_else(invalid)?;
        let mut watch = Command::new("sh");
        watch.args(["-c", WATCH, "sh", &leader.as_raw_nonzero().to_string()]);
        watch.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        watch.current_dir("/").process_group(0);
        watch.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self { leader, watch: watch.spawn()?, is_held: true })
    }

    /// The command has ended by itself. What it has left running lives on, until this process ends.
    pub(super) fn let_go(mut self) {
        self.is_held = self.is_there();
        if !self.is_held {
            return;
        }
        let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
        left.push(self);
        if left.len() == 1 {
            // Without a thread it is watched all the same, only for longer than it lives.
            let _ = std::thread::Builder::new().name("left-by-commands".into()).spawn(look);
        }
    }

    fn is_there(&self) -> bool {
        test_kill_process_group(self.leader) != Err(Errno::SRCH)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.is_held {
            // It may have ended just now.
            let _ = kill_process_group(self.leader, Signal::KILL);
        }
        // Its end is waited for, so that no zombie is left.
        let _ = self.watch.kill();
        let _ = self.watch.wait();
    }
}

/// Stops watching what has ended, until nothing is left.
fn look() {
    loop {
        std::thread::sleep(LOOK_EVERY);
        let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
        left.iter_mut().for_each(|group| group.is_held = group.is_there());
        left.retain(|group| group.is_held);
        if left.is_empty() {
            return;
        }
    }
}
