//! Real containers of a process that is killed. See `containers`.
#![cfg(target_os = "linux")]

use crate::containers::{IMAGE, backends, containers};
use crate::sandboxes::command;
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use stepwright_core::StepContext;
use stepwright_process::command::run;
use stepwright_process::{Backend, Sandbox};

/// The longest time for anything that comes at once. Nothing waits for it if all is well.
const PATIENCE: Duration = Duration::from_mins(2);

/// The variables by which the test below is told its work: the program, the folder and the line.
const WORK: [&str; 3] = ["TEST_BACKEND", "TEST_FOLDER", "TEST_LINE"];

/// Runs a line in a container, in a process of its own that other tests start.
#[tokio::test]
async fn the_work_of_another_process() {
    let [Ok(backend), Ok(dir), Ok(line)] = WORK.map(std::env::var) else { return };
    let backend = Backend::ALL.into_iter().find(|known| known.to_string() == backend).unwrap();
    let sandbox = Sandbox::new().backend(backend).image(IMAGE);
    let cx = StepContext::detached("a").and_state(sandbox);
    run(command(&line, Path::new(&dir)), &cx).await.unwrap();
}

/// Starts another process that runs a line in a container.
fn started(backend: Backend, dir: &Path, line: &str) -> Child {
    let mut process = Command::new(std::env::current_exe().unwrap());
    process.args(["--exact", "killed::the_work_of_another_process"]);
    let values = [backend.to_string(), dir.display().to_string(), line.to_owned()];
    process.envs(WORK.into_iter().zip(values));
    process.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Starts another process, and waits until its command is under way.
fn begun(backend: Backend, dir: &Path) -> Child {
    let mut process = started(backend, dir, "touch begun; sleep 1000");
    waits(|| {
        assert_eq!(process.try_wait().unwrap(), None, "it has ended");
        // Podman does not list a container at each moment of its start.
        dir.join("begun").exists() && !containers(backend, process.id()).is_empty()
    });
    process
}

fn waits(mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "it does not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_container_is_removed_when_its_process_is_killed() {
    for backend in backends() {
        let dir = tempfile::tempdir().unwrap();
        let mut process = begun(backend, dir.path());
        process.kill().unwrap();
        process.wait().unwrap();
        waits(|| containers(backend, process.id()).is_empty());
    }
}

/// Only the container outlives this. A container of a process that lives is left alone.
#[test]
fn the_next_process_removes_a_container_that_outlives_its_own() {
    for backend in backends() {
        let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let [dir, other, next] = dirs.each_ref().map(tempfile::TempDir::path);
        let (mut process, mut lives) = (begun(backend, dir), begun(backend, other));
        // So that it sees the end of no child.
        kill_process(Pid::from_child(&process), Signal::STOP).unwrap();
        for child in started_by(process.id()) {
            kill_process(Pid::from_raw(child).unwrap(), Signal::KILL).unwrap();
        }
        process.kill().unwrap();
        process.wait().unwrap();
        assert_ne!(containers(backend, process.id()), "", "{backend} has removed it itself");
        assert!(started(backend, next, "true").wait().unwrap().success(), "{backend}");
        assert_eq!(containers(backend, process.id()), "", "{backend}");
        assert_ne!(containers(backend, lives.id()), "", "{backend}");
        lives.kill().unwrap();
        lives.wait().unwrap();
        waits(|| containers(backend, lives.id()).is_empty());
    }
}

/// Returns the processes that a process has started itself.
fn started_by(process: u32) -> Vec<i32> {
    let parent = |stat: &str| stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_child = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        parent(&stat) == Some(process)
    };
    numbers.filter(is_child).collect()
}
