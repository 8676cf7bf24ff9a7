//! The process group of a command, which ends when this process ends.
//!
//! On Linux a child can get a signal when its parent dies. But the signal reaches only the child
//! itself, and only code between `fork` and `exec` can request it. So a second process watches: it
//! reads from a pipe whose other end only this process holds. However this process ends, that end
//! is then closed, and the watch kills the group of the command. The command starts only when it is
//! watched, and when its group is recorded, if the system provides enough information about
//! processes.

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

/// Returns a script that waits for a line and then becomes the command. Without a line, this
/// process has died. The line is the mark of the group, if groups have marks.
fn gate() -> String {
    let mark = ProcessGroup::MARK;
    format!(r#"IFS= read -r go || exit; test -z "$go" || export {mark}="$go"; exec "$@""#)
}

/// A script that waits for the end of its input, which closes when the process that started it
/// ends, and then kills the group and becomes the command that follows, if there is one.
const WATCH: &str =
    r#"trap '' HUP INT TERM; IFS= read -r go; kill -KILL -"$1"; shift; test $# = 0 || exec "$@""#;

/// The groups of commands that have ended and left processes running.
static LEFT: Mutex<Vec<Group>> = Mutex::new(Vec::new());

/// The interval between checks of these groups. The id of an ended group is reused some day, but
/// not within this time.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Creates a command that waits for a line on its input before it starts.
pub fn gated(program: &str, arguments: &[String]) -> tokio::process::Command {
    let mut command = tokio::process::Command::new("sh");
    command.args(["-c", &gate(), "sh", program]).args(arguments);
    // A group of its own, so that Ctrl-C reaches only the run, which decides about its steps.
    command.process_group(0);
    command
}

/// Records the group of a command that has not started. If the watch is killed together with this
/// process, the resumed run kills the group. Returns the first bytes of the input, which start the
/// command.
///
/// # Errors
/// Fails if the journal of the run is lost.
pub async fn recorded(leader: u32, cx: &StepContext) -> Result<Vec<u8>, StepError> {
    let mut open = Vec::new();
    if let Some(group) = identify(leader) {
        open.extend(group.mark().into_bytes());
        cx.record(EventKind::StepProcessStarted { process: Box::new(group) }).await?;
    }
    open.push(b'\n');
    Ok(open)
}

/// The process group of a command. Dropping it kills all of its processes, except those that left
/// the group with `setsid`.
#[derive(Debug)]
pub struct Group {
    leader: Pid,
    watch: Child,
    /// `true` if the group may have processes to kill.
    is_held: bool,
}

impl Group {
    /// Starts the watch over the group of a command that has not started.
    ///
    /// # Errors
    /// Fails if the watch cannot be started.
    pub fn watched(leader: u32) -> io::Result<Self> {
        Self::watched_with(leader, None)
    }

    /// Like [`Group::watched`], with a command that removes what the group leaves elsewhere. If
    /// this process is killed, it runs after the group is killed.
    ///
    /// # Errors
    /// Fails if the watch cannot be started.
    pub fn watched_with(leader: u32, remover: Option<Command>) -> io::Result<Self> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
        let leader = i32::try_from(leader).ok().and_then(Pid::from_raw).ok_or_else(invalid)?;
        let mut watch = Command::new("sh");
        watch.args(["-c", WATCH, "sh", &leader.as_raw_nonzero().to_string()]);
        watch.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        if let Some(remover) = remover {
            watch.arg(remover.get_program()).args(remover.get_args());
            watch.envs(remover.get_envs().filter_map(|(name, value)| Some((name, value?))));
        }
        watch.current_dir("/").process_group(0);
        watch.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self { leader, watch: watch.spawn()?, is_held: true })
    }

    /// Releases the group of a command that has ended. The processes that it left live until this
    /// process ends.
    pub fn let_go(mut self) {
        self.is_held = self.is_there();
        if !self.is_held {
            return;
        }
        let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
        left.push(self);
        if left.len() == 1 {
            // If the thread cannot start, the groups are still watched, only for longer than they
            // live.
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
            // The group may have ended just now.
            let _ = kill_process_group(self.leader, Signal::KILL);
        }
        // Wait for the watch, so that it does not become a zombie.
        let _ = self.watch.kill();
        let _ = self.watch.wait();
    }
}

/// Removes ended groups until none are left.
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
