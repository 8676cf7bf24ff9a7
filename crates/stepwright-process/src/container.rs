//! Containers, and their removal.
//!
//! The program of a backend only attaches to its container, so killing the program ends nothing. A
//! container is removed when its step ends early, when this process ends, and, if that was killed
//! together with everything that it had started, when its run goes on.

use crate::answer::answered;
use crate::backend::Backend;
use crate::unmade::{not_made, not_run, said, unavailable};
use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use stepwright_core::{StepContext, StepError};
use stepwright_engine::groups::{identify, lives};

/// The label of containers with the machine of their process.
const MACHINE: &str = "stepwright.machine";

/// A script that removes a container, and tries so often until it is there to be removed.
#[cfg(unix)]
const REMOVE: &str = r#"n=$3
while test $n -gt 0; do
    test -n "$("$1" rm --force "$2" 2>/dev/null)" && exit
    n=$((n - 1)); sleep 0.2
done"#;

/// The number of times that it tries. A daemon may be about to make the container, although the
/// program that asked it to was killed.
const TRIES: u32 = 50;

/// The number of times that containers of dead processes are removed, until they are gone.
const SWEEPS: u32 = 20;

/// A container that is removed when this is dropped, unless it has ended.
#[derive(Debug)]
pub(crate) struct Container {
    backend: Backend,
    name: String,
    image: String,
    /// The step of its command.
    step: String,
    has_ended: bool,
    tries: u32,
}

impl Container {
    /// Creates a container with a name of its own.
    pub(crate) fn new(backend: Backend, image: &str, cx: &StepContext) -> Self {
        let random = RandomState::new().build_hasher().finish();
        let owner = this().map_or_else(|| std::process::id().to_string(), |(_, owner)| owner);
        let name = format!("stepwright-{}-{random:016x}", owner.replace('/', "-"));
        let (image, step) = (image.to_owned(), cx.idempotency_key());
        Self { backend, name, image, step, has_ended: false, tries: TRIES }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the label by which later processes of this machine find the container.
    pub(crate) fn label() -> Option<String> {
        this().map(|(machine, _)| format!("{MACHINE}={machine}"))
    }

    /// Notes that the program has ended by itself, with an exit code and with what it wrote to
    /// stderr.
    ///
    /// # Errors
    /// Fails if it did not run the command.
    pub(crate) fn exited(
        &mut self,
        command: &str,
        status: i32,
        complaint: &str,
    ) -> Result<(), StepError> {
        // Where it has lost its daemon, the container may be there.
        self.tries = 1;
        if let Some(failure) = not_run((self.backend, &self.image), command, status, complaint) {
            return Err(failure);
        }
        self.ended();
        Ok(())
    }

    /// Notes that there is no container to remove.
    pub(crate) fn ended(&mut self) {
        self.has_ended = true;
    }

    /// Returns the command that removes the container.
    pub(crate) fn remover(&self) -> Command {
        let program = self.backend.program();
        #[cfg(unix)]
        let mut command = {
            use std::os::unix::process::CommandExt as _;
            let mut command = Command::new("sh");
            command.args(["-c", REMOVE, "sh", program, &self.name, &self.tries.to_string()]);
            // Ctrl-C in a terminal does not reach it.
            command.process_group(0);
            command
        };
        #[cfg(not(unix))]
        let mut command = {
            let mut command = Command::new(program);
            command.args(["rm", "--force", &self.name]);
            command
        };
        command.env_clear().envs(self.backend.variables());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        if let Ok(mut removing) = self.remover().spawn() {
            // It is waited for elsewhere, because this may be a thread of the runtime.
            let removed = std::thread::spawn(move || drop(removing.wait()));
            let mut all = REMOVED.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|(_, removed)| !removed.is_finished());
            all.push((std::mem::take(&mut self.step), removed));
        }
    }
}

/// The containers that are being removed, with their steps.
static REMOVED: Mutex<Vec<(String, JoinHandle<()>)>> = Mutex::new(Vec::new());

/// Waits until the containers of earlier commands of a step are gone, which would work beside the
/// next one.
async fn removed(step: &str) {
    let own = being_removed(step);
    if !own.is_empty() {
        let join = move || own.into_iter().for_each(|removed| drop(removed.join()));
        let _ = tokio::task::spawn_blocking(join).await;
    }
}

fn being_removed(step: &str) -> Vec<JoinHandle<()>> {
    let mut all = REMOVED.lock().unwrap_or_else(PoisonError::into_inner);
    let (own, others): (Vec<_>, Vec<_>) = all.drain(..).partition(|(of, _)| of == step);
    *all = others;
    own.into_iter().map(|(_, removed)| removed).collect()
}

/// Returns the machine of this process, and the process. `None` where the system does not tell.
fn this() -> Option<(String, String)> {
    let this = identify(std::process::id())?;
    Some((this.machine.to_string(), this.parent.to_string()))
}

/// Returns the process that made a container of this machine, from the name of the container.
fn owner(name: &str) -> Option<String> {
    let mut parts = name.strip_prefix("stepwright-")?.split('-');
    let (pid, began): (u32, u64) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next().map(|_| format!("{pid}/{began}"))
}

/// The backends whose containers were looked at in this process.
static SWEPT: Mutex<BTreeSet<Backend>> = Mutex::new(BTreeSet::new());

/// Removes the containers that processes of this machine have left which were killed, before a
/// step makes its first one. Their commands would work beside the step that goes on.
///
/// # Errors
/// Fails if they cannot be removed.
pub(crate) async fn sweep(
    backend: Backend,
    image: &str,
    cx: &StepContext,
) -> Result<(), StepError> {
    removed(&cx.idempotency_key()).await;
    let is_swept = SWEPT.lock().unwrap_or_else(PoisonError::into_inner).contains(&backend);
    if is_swept && cx.attempt() == 1 && cx.past().is_empty() {
        // No other process has begun this step.
        return Ok(());
    }
    let Some(label) = Container::label() else { return Ok(()) };
    let filter = format!("label={label}");
    let mut why = String::new();
    for _ in 0..SWEEPS {
        let list = ["ps", "--all", "--filter", &filter, "--format", "{{.Names}}"];
        let listed = answered(backend, &list).await?;
        if !listed.status.success() {
            let complaint = String::from_utf8_lossy(&listed.stderr);
            return Err(not_made(backend, Some(image), &complaint));
        }
        let names = String::from_utf8_lossy(&listed.stdout).into_owned();
        let is_left = |name: &&str| owner(name).is_some_and(|owner| !lives(&owner));
        let left: Vec<&str> = names.lines().map(str::trim).filter(is_left).collect();
        if left.is_empty() {
            SWEPT.lock().unwrap_or_else(PoisonError::into_inner).insert(backend);
            return Ok(());
        }
        // Fails for one that another process removes. The next list tells.
        let removed = answered(backend, &[&["rm", "--force"], left.as_slice()].concat()).await?;
        why = String::from_utf8_lossy(&removed.stderr).into_owned();
    }
    let what = format!(
        "{backend} cannot remove the containers of a process that was killed: {}",
        said(backend, &why)
    );
    let program = backend.program();
    let hint = format!("remove them: `{program} ps --all --filter {filter}` lists them");
    Err(unavailable(what).with_hint(hint))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_container_tells_its_process() {
        let cx = StepContext::detached("a");
        let [one, other] = [(); 2].map(|()| Container::new(Backend::Docker, "alpine:3", &cx));
        assert_ne!(one.name(), other.name());
        let owner = owner(one.name()).unwrap();
        assert!(lives(&owner), "{owner}");
        assert!(!lives(&format!("{owner}0")), "another process had the same id");
        for mut container in [one, other] {
            container.ended();
        }
    }

    #[test]
    fn a_container_with_a_different_name_is_left_alone() {
        for name in ["stepwright", "stepwright-web-a-1", "stepwright-1-2", "db-1-2-3"] {
            assert_eq!(owner(name), None, "{name}");
        }
    }
}
