//! Drivers of runs: their names, and how to tell whether one is alive.

use crate::process::PerProcess;
use crate::processes::{Machine, began, this_process};
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A driver of runs: a workflow in this process. Other processes can tell from its name whether it
/// is alive. In a process that was forked it is a different driver.
#[derive(Debug)]
pub(crate) struct Driver(PerProcess<Name>);

#[derive(Debug)]
struct Name(Arc<str>);

/// The machine, as far as the system reports it.
static HERE: PerProcess<Here> = PerProcess::new();

static NEXT: AtomicU64 = AtomicU64::new(1);

static ALIVE: PerProcess<Mutex<HashSet<Arc<str>>>> = PerProcess::new();

fn alive() -> MutexGuard<'static, HashSet<Arc<str>>> {
    ALIVE.here().lock().unwrap_or_else(PoisonError::into_inner)
}

struct Here {
    /// The machine, its boot, and its process namespace. `None` if the system does not report them.
    machine: Option<String>,
}

impl Default for Here {
    fn default() -> Self {
        let machine = Machine::here().map(|Machine { host, boot, space }| {
            format!("{host}/{}/{space}", boot.split('-').next().unwrap_or_default())
        });
        Self { machine }
    }
}

impl Default for Name {
    fn default() -> Self {
        let here = HERE.here();
        let machine = here.machine.as_deref().unwrap_or("?");
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name: Arc<str> = format!("{machine}/{}/{number}", this_process()).into();
        alive().insert(name.clone());
        Self(name)
    }
}

impl Driver {
    pub(crate) fn new() -> Self {
        let driver = Self(PerProcess::new());
        driver.name();
        driver
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.0.here().0
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        alive().remove(&self.0);
    }
}

/// Returns `true` if a driver is known to be dead. That is never known of a driver on another
/// machine.
///
/// ```
/// // As in `RunRow::driver`, for a run that is driven on another machine.
/// assert!(!stepwright_engine::drivers::is_dead("elsewhere/1/2/3/4/5"));
/// ```
pub fn is_dead(name: &str) -> bool {
    let here = HERE.here();
    let Some(machine) = &here.machine else { return false };
    let Some(rest) = name.strip_prefix(machine.as_str()).and_then(|rest| rest.strip_prefix('/'))
    else {
        return false;
    };
    let Some((process, _)) = rest.rsplit_once('/') else { return false };
    if process == this_process() {
        return !alive().contains(name);
    }
    match process.split_once('/') {
        Some((pid, start)) => {
            pid.parse().ok().is_none_or(|pid| began(pid).as_deref() != Some(start))
        }
        None => false,
    }
}

/// Returns a driver's name in a form for people: its process and its machine.
///
/// ```
/// let driver = stepwright_engine::drivers::shown("elsewhere/1/2/311/4/5");
/// assert_eq!(driver, "process 311 on elsewhere");
/// ```
pub fn shown(name: &str) -> String {
    let parts: Vec<&str> = name.split('/').collect();
    match parts.as_slice() {
        [host, _, _, pid, ..] => format!("process {pid} on {host}"),
        _ => format!("`{name}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_is_alive_until_it_is_dropped_and_processes_that_are_gone_are_dead() {
        let driver = Driver::new();
        let name = driver.name().clone();
        assert!(!is_dead(&name));
        drop(driver);
        if HERE.here().machine.is_some() {
            assert!(is_dead(&name));
            let gone = format!("{}/4000000000/1/1", HERE.here().machine.as_deref().unwrap());
            assert!(is_dead(&gone));
        }
        assert!(!is_dead("elsewhere/1/2/3/4/5"));
    }
}
