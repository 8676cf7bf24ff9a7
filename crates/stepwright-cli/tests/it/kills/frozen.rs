//! A process that is frozen for so long that another takes its run over, and wakes up then.

use super::provider::Provider;
use super::{Kept, Process, check, lines, resume_command, run_command};
use crate::support::{PATIENCE, Place};
use std::process::Command;
use std::time::{Duration, Instant};
use stepwright_testing::postgres;

/// Each process waits for its model, in the middle of things.
const FLOW: &str = "\
format: 1
name: Frozen
model: openai-chat:scripted
agents: {writer: {}}
steps:
  - {name: first, shell: 'echo x >> first.txt; echo first'}
  - {name: held, agent: writer, prompt: 'Wait, and write about {{ input }}'}
  - {name: last, shell: 'echo x >> last.txt; echo last'}
  - {name: page, template: '{{ steps.first }} {{ steps.last }}'}
";

#[test]
fn a_process_that_wakes_up_too_late_changes_nothing_in_a_file() {
    let place = Place::with(FLOW);
    wakes_too_late(&place, &Kept::file(&place, "a.db"));
}

#[test]
fn a_process_that_wakes_up_too_late_changes_nothing_in_a_server() {
    let Some(server) = postgres::server() else { return };
    wakes_too_late(&Place::with(FLOW), &Kept(server.database()));
}

/// Two runs are taken over from frozen processes. One of these wakes up while the run goes on
/// elsewhere, the other when it has ended.
fn wakes_too_late(place: &Place, kept: &Kept) {
    let provider = Provider::start();
    let runs = ["early", "late"];
    let frozen = runs.map(|run| {
        let child = Process::start(&mut run_command(place, kept, run), &provider, run);
        provider.waits_for(|log| log.iter().any(|call| call.by == run).then_some(()));
        signal(&child, "-STOP");
        child
    });
    let heirs = [0, 1].map(|at| heir(place, kept, &provider, runs[at], frozen[at].id()));
    let [early, late] = frozen;
    let [early_heir, late_heir] = heirs;

    // It is answered and wants to record that, while another drives the run.
    let before = kept.facts("early");
    wakes(&provider, "early", early);
    assert_eq!(kept.facts("early"), before, "nothing more is recorded");
    provider.lets_go("early.heir");
    assert_eq!(early_heir.ended().ended(0).stdout, "first last\n");

    // The same when all is over.
    provider.lets_go("late.heir");
    assert_eq!(late_heir.ended().ended(0).stdout, "first last\n");
    let before = kept.facts("late");
    wakes(&provider, "late", late);
    assert_eq!(kept.facts("late"), before, "nothing more is recorded");

    for run in runs {
        check(&kept.facts(run));
        assert_eq!(provider.count(run), 1);
    }
    assert_eq!((lines(place, "first.txt"), lines(place, "last.txt")), (2, 2));
}

/// Takes a run over from a frozen process as soon as that is allowed, and waits until its model is
/// asked again.
fn heir(place: &Place, kept: &Kept, provider: &Provider, run: &str, frozen: u32) -> Process {
    let by = format!("{run}.heir");
    let until = Instant::now() + PATIENCE;
    loop {
        let mut child = Process::start(&mut resume_command(place, kept, run), provider, &by);
        while !child.has_ended() {
            if provider.count(&by) > 0 {
                return child;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let ran = child.ended().ended(5);
        let told = format!("run `{run}` is driven by process {frozen} on ");
        assert!(ran.stderr.contains(&told), "{ran:#?}");
        assert!(Instant::now() < until, "{ran:#?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Wakes it up, and asserts that it says why it stops.
#[track_caller]
fn wakes(provider: &Provider, run: &str, frozen: Process) {
    provider.lets_go(run);
    signal(&frozen, "-CONT");
    let ran = frozen.ended().ended(5);
    assert_eq!(ran.stdout, "");
    let told =
        format!("run {run} interrupted\nerror[SW0802]: run `{run}` is driven by another process: ");
    assert!(ran.stderr.starts_with(&told), "{ran:#?}");
}

fn signal(child: &Process, name: &str) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
}
