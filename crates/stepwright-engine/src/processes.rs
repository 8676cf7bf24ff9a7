//! Processes that steps have started, and that have outlived the driver of their run.
//!
//! A process id alone identifies nothing, because the system reuses it. So the journal also has the
//! machine, its boot, and the time at which the process began. If the leader of a group has ended,
//! there is no such time to compare: the other processes are recognised by a variable in their
//! environment.

use crate::process::PerProcess;
use std::collections::BTreeMap;
use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};
use stepwright_core::event::ProcessGroup;
use stepwright_core::{Error, ErrorId, ErrorKind, Event, EventKind, RunId, StepPath};

/// A machine since its last boot, with a process namespace.
pub(crate) struct Machine {
    pub(crate) host: String,
    pub(crate) boot: String,
    pub(crate) space: String,
}

/// This process: its id, and when it began.
struct ThisProcess(String);

impl Default for ThisProcess {
    fn default() -> Self {
        let pid = std::process::id();
        Self(format!("{pid}/{}", began(pid).unwrap_or_default()))
    }
}

static THIS: PerProcess<ThisProcess> = PerProcess::new();

/// Returns this process: its id, and when it began.
pub(crate) fn this_process() -> &'static str {
    &THIS.here().0
}

/// Returns when a process began, in clock ticks since boot. `None` if there is no such process, or
/// if it is a zombie.
pub(crate) fn began(pid: u32) -> Option<String> {
    let stat = Stat::of(pid)?;
    (!stat.is_dead).then(|| stat.began.to_string())
}

impl Machine {
    /// Returns `None` where the system does not report it. Only Linux does.
    pub(crate) fn here() -> Option<Self> {
        let read = |path| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
        let host = read("/proc/sys/kernel/hostname")?;
        let boot = read("/proc/sys/kernel/random/boot_id")?;
        let space = fs::read_link("/proc/self/ns/pid").ok()?;
        let space = space.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
        Some(Self { host, boot, space })
    }

    fn name(&self) -> String {
        format!("{}/{}/{}", self.host, self.boot, self.space)
    }
}

/// A process, as the system reports it.
pub(crate) struct Stat {
    /// `true` if it has ended, and its parent has not waited for it yet.
    pub(crate) is_dead: bool,
    group: u32,
    /// When it began, in clock ticks since boot.
    pub(crate) began: u64,
}

impl Stat {
    /// Returns `None` if there is no process with this id.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The program's name may contain any character, also brackets. The last bracket ends it.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let is_dead = matches!(fields.next()?, "Z" | "X");
        let group = fields.nth(1)?.parse().ok()?;
        let began = fields.nth(16)?.parse().ok()?;
        Some(Self { is_dead, group, began })
    }
}

/// Identifies the process group that `leader` leads, for [`EventKind::StepProcessStarted`]. Record
/// that event before the group begins to work, and put [`ProcessGroup::MARK`] into the environment
/// of its processes. If the run is resumed while the step is under way, or after this process has
/// died, the rest of the group is killed.
///
/// Returns `None` if there is no such process, or if the system does not report it. Only Linux
/// does.
///
/// ```
/// use stepwright_engine::groups::identify;
/// if cfg!(target_os = "linux") {
///     let this = std::process::id();
///     assert_eq!(identify(this).unwrap().group, this);
/// }
/// ```
pub fn identify(leader: u32) -> Option<ProcessGroup> {
    let began = Stat::of(leader)?.began;
    let machine = Machine::here()?.name().into();
    Some(ProcessGroup { machine, group: leader, began, parent: this_process().into() })
}

/// The groups of this process that wait for the answers to questions of paused runs.
static KEPT: PerProcess<Mutex<BTreeMap<u32, u32>>> = PerProcess::new();

fn kept() -> MutexGuard<'static, BTreeMap<u32, u32>> {
    KEPT.here().lock().unwrap_or_else(PoisonError::into_inner)
}

/// A process group that goes on when its run does: see [`keep`].
#[derive(Debug)]
#[must_use = "the group is kept as long as this is"]
pub struct Kept(u32);

impl Drop for Kept {
    fn drop(&mut self) {
        let mut all = kept();
        if let Some(times) = all.get_mut(&self.0) {
            *times -= 1;
            if *times == 0 {
                all.remove(&self.0);
            }
        }
    }
}

/// Keeps a process group of this process while its run is paused, for an executor that goes on with
/// it when the run is resumed here. Otherwise the group would be killed then. It is killed if the
/// run is cancelled, or resumed by another process.
///
/// ```
/// let child = std::process::id(); // in truth a process that the step has started
/// let kept = stepwright_engine::groups::keep(child);
/// drop(kept);
/// ```
pub fn keep(leader: u32) -> Kept {
    *kept().entry(leader).or_default() += 1;
    Kept(leader)
}

fn is_kept(group: &ProcessGroup) -> bool {
    *group.parent == *this_process() && kept().contains_key(&group.group)
}

/// Kills the remaining processes of a run's steps, as its facts name them: those of steps that have
/// not ended, and those whose parent has died. A process that an ended step left running belongs to
/// its parent while the parent lives. `goes_on` is `false` for a run that is cancelled, of which
/// nothing is kept.
///
/// # Errors
/// If they cannot be killed: to go on beside them would do things twice.
pub(crate) async fn end_leftovers(
    run: &RunId,
    past: &[Event],
    is_open: impl Fn(&StepPath) -> bool,
    goes_on: bool,
) -> Result<(), Error> {
    let mut started = past.iter().filter_map(|event| match &event.kind {
        EventKind::StepProcessStarted { process } => Some((&event.path, process)),
        _ => None,
    });
    let Some(first) = started.next() else { return Ok(()) };
    let Some(here) = Machine::here().map(|machine| machine.name()) else { return Ok(()) };
    let left: Vec<(StepPath, ProcessGroup)> = [first]
        .into_iter()
        .chain(started)
        .filter(|(_, group)| *group.machine == *here)
        .filter(|(step, group)| is_open(step) || !lives(&group.parent))
        .filter(|(_, group)| !(goes_on && is_kept(group)))
        .map(|(step, group)| (step.clone(), ProcessGroup::clone(group)))
        .collect();
    let end = move || left.into_iter().find(|(_, group)| !system::end(group));
    let stays = match tokio::runtime::Handle::try_current() {
        // It blocks until they are gone.
        Ok(_) => tokio::task::spawn_blocking(end).await.unwrap_or_default(),
        Err(_) => end(),
    };
    let Some((step, ProcessGroup { group, .. })) = stays else { return Ok(()) };
    let what = format!(
        "step `{step}` of run `{run}` has left processes running that cannot be killed: process \
         group {group}"
    );
    let hint = format!("end them, with `kill -KILL -- -{group}` for example, and resume the run");
    Err(Error::new(ErrorKind::Store, what).with_id(ErrorId::PROCESSES_LEFT).with_hint(hint))
}

/// Returns `true` if a process of this machine lives, given as
/// [`ProcessGroup::parent`](stepwright_core::event::ProcessGroup::parent) names it.
///
/// ```
/// use stepwright_engine::groups::{identify, lives};
/// if let Some(this) = identify(std::process::id()) {
///     assert!(lives(&this.parent));
///     assert!(!lives(&format!("{}0", this.parent)), "it began at another time");
/// }
/// ```
pub fn lives(process: &str) -> bool {
    let Some((pid, began)) = process.split_once('/') else { return false };
    let stat = pid.parse().ok().and_then(Stat::of);
    stat.is_some_and(|stat| !stat.is_dead && stat.began.to_string() == began)
}

#[cfg(target_os = "linux")]
mod system {
    use super::{ProcessGroup, Stat};
    use rustix::fd::OwnedFd;
    use rustix::io::Errno;
    use rustix::process::{
        Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal,
        test_kill_process_group,
    };
    use std::fs;
    use std::time::Duration;

    /// The interval between two looks at a group that was killed. A killed process ends at once,
    /// unless it waits for a device.
    const LOOK_EVERY: Duration = Duration::from_millis(5);
    /// The largest number of looks: five seconds.
    const LOOKS_MAX: u32 = 1_000;
    /// The number of looks without a mark after which a group counts as a different one. A process
    /// shows no mark at the moment at which it becomes another program.
    const LOOKS_UNMARKED_MAX: u32 = 3;

    /// Kills a group, and waits until it is gone. Returns `false` if it stays. A different group
    /// with the same id is left alone.
    pub(super) fn end(group: &ProcessGroup) -> bool {
        let Some(id) = i32::try_from(group.group).ok().and_then(Pid::from_raw) else { return true };
        let mut unmarked = 0;
        for _ in 0..LOOKS_MAX {
            if test_kill_process_group(id) == Err(Errno::SRCH) {
                return true;
            }
            let alive = members(group.group);
            if alive.is_empty() {
                return true;
            }
            // The system does not reuse a group's id while its leader exists, dead or alive.
            if Stat::of(group.group).is_some_and(|leader| leader.began == group.began) {
                let _ = kill_process_group(id, Signal::KILL);
            } else {
                let marked: Vec<_> =
                    alive.into_iter().filter_map(|pid| marked(pid, group)).collect();
                unmarked += u32::from(marked.is_empty());
                if unmarked == LOOKS_UNMARKED_MAX {
                    return true;
                }
                for process in marked {
                    let _ = pidfd_send_signal(process, Signal::KILL);
                }
            }
            std::thread::sleep(LOOK_EVERY);
        }
        false
    }

    /// Returns the processes of a group that have not ended.
    fn members(group: u32) -> Vec<u32> {
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        let numbers =
            entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let is_member =
            |pid: &u32| Stat::of(*pid).is_some_and(|stat| stat.group == group && !stat.is_dead);
        numbers.filter(is_member).collect()
    }

    /// Returns a handle to a process of a group whose leader has ended, if the process has the mark
    /// of the group. The handle is opened first, so that it cannot refer to a later process with
    /// the same id.
    fn marked(pid: u32, group: &ProcessGroup) -> Option<OwnedFd> {
        let id = i32::try_from(pid).ok().and_then(Pid::from_raw)?;
        let process = pidfd_open(id, PidfdFlags::empty()).ok()?;
        let mark = format!("{}={}", ProcessGroup::MARK, group.mark());
        let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
        let is_marked = environment.split(|byte| *byte == 0).any(|one| one == mark.as_bytes());
        let is_member = Stat::of(pid).is_some_and(|stat| stat.group == group.group);
        (is_marked && is_member).then_some(process)
    }
}

/// Other systems record no process groups, so there is nothing to kill.
#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) fn end(_: &super::ProcessGroup) -> bool {
        true
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::io::{BufRead as _, BufReader};
    use std::os::unix::process::CommandExt as _;
    use std::process::{Child, Command, Stdio};

    /// Starts a group whose leader runs `script`, and returns the first line that it wrote.
    fn started(script: &str) -> (Child, ProcessGroup, String) {
        // The mark is set before the script runs, as for a command of a step.
        let gate =
            format!("read -r mark; export {}=$mark; exec sh -c '{script}'", ProcessGroup::MARK);
        let mut command = Command::new("sh");
        command.args(["-c", &gate]).process_group(0);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let group = identify(child.id()).unwrap();
        let mut input = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut input, format!("{}\n", group.mark()).as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        (child, group, line.trim().to_owned())
    }

    fn is_alive(pid: &str) -> bool {
        Stat::of(pid.parse().unwrap()).is_some_and(|stat| !stat.is_dead)
    }

    fn kill(pid: &str) {
        assert!(Command::new("kill").args(["-KILL", pid]).status().unwrap().success());
    }

    #[test]
    fn a_group_is_killed_with_all_that_is_in_it() {
        let (mut leader, group, child) = started("sleep 300 & echo $!; wait");
        assert!(is_alive(&child));
        assert!(system::end(&group));
        assert!(!is_alive(&child) && !is_alive(&leader.id().to_string()));
        leader.wait().unwrap();
        assert!(system::end(&group), "it is gone, and that is no failure");
    }

    #[test]
    fn a_process_of_the_same_number_that_began_at_another_time_is_left_alone() {
        let (mut leader, group, child) = started("sleep 300 & echo $!; wait");
        let earlier = ProcessGroup { began: group.began - 1, ..group.clone() };
        assert!(system::end(&earlier));
        assert!(is_alive(&child) && is_alive(&leader.id().to_string()));
        assert!(system::end(&group));
        leader.wait().unwrap();
    }

    #[test]
    fn a_group_without_its_leader_is_known_by_its_mark() {
        let (mut leader, group, child) = started("sleep 300 >/dev/null & echo $!");
        leader.wait().unwrap();
        // A different group with the same id, whose leader has ended as well.
        let earlier = ProcessGroup { began: group.began - 1, ..group.clone() };
        assert!(system::end(&earlier));
        assert!(is_alive(&child));
        assert!(system::end(&group));
        assert!(!is_alive(&child));

        let script = "env -u STEPWRIGHT_PROCESS_GROUP sleep 300 >/dev/null & echo $!";
        let (mut leader, group, child) = started(script);
        leader.wait().unwrap();
        // The environment changes as soon as `sleep` runs.
        while fs::read(format!("/proc/{child}/comm")).unwrap() != b"sleep\n" {
            std::thread::yield_now();
        }
        assert!(system::end(&group));
        assert!(is_alive(&child), "it has no mark, so it may be anything");
        kill(&child);
    }

    #[tokio::test]
    async fn leftovers_are_those_of_this_machine_whose_step_or_parent_is_gone() {
        let (mut leader, group, child) = started("sleep 300 & echo $!; wait");
        let run = RunId::new("r-1").unwrap();
        let after = async |group: &ProcessGroup, is_open: bool| {
            let kind = EventKind::StepProcessStarted { process: Box::new(group.clone()) };
            let event = Event {
                sequence: 1,
                delta: 0,
                time: stepwright_core::Timestamp(1),
                run: run.clone(),
                path: StepPath::from("deploy"),
                kind,
            };
            end_leftovers(&run, &[event], |_| is_open, true).await.unwrap();
            is_alive(&child)
        };
        let elsewhere = |name: String| ProcessGroup { machine: name.into(), ..group.clone() };
        let Machine { host, boot, space } = Machine::here().unwrap();
        for machine in [
            format!("other-{host}/{boot}/{space}"),
            format!("{host}/other-{boot}/{space}"),
            format!("{host}/{boot}/1{space}"),
        ] {
            assert!(after(&elsewhere(machine), true).await);
        }
        assert!(after(&group, false).await, "a server for later steps, and its parent is this");
        let orphan = ProcessGroup { parent: "4000000000/1".into(), ..group.clone() };
        assert!(!after(&orphan, false).await);
        leader.wait().unwrap();

        let (mut leader, group, child) = started("sleep 300 & echo $!; wait");
        let kind = EventKind::StepProcessStarted { process: Box::new(group) };
        let time = stepwright_core::Timestamp(1);
        let (run_id, path) = (run.clone(), StepPath::from("deploy"));
        let event = Event { sequence: 1, delta: 0, time, run: run_id, path, kind };
        end_leftovers(&run, &[event], |_| true, true).await.unwrap();
        assert!(!is_alive(&child), "its step is under way in no process");
        leader.wait().unwrap();
    }
}
