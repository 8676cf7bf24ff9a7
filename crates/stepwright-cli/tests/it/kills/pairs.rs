//! Two processes that take up one run at the same moment.

use super::provider::Provider;
use super::{Kept, Process, check, lines, resume_command, run_command};
use crate::support::Place;
use std::sync::Barrier;
use stepwright_testing::postgres;

/// The number of pairs on each store.
const PAIRS: usize = 100;

/// Its driver is killed while its model is asked.
const FLOW: &str = "\
format: 1
name: Pairs
model: openai-chat:scripted
agents: {writer: {}}
steps:
  - {name: once, shell: 'echo x >> once.txt; echo once'}
  - {name: held, agent: writer, prompt: 'Wait, and write about {{ input }}'}
  - {name: page, template: '{{ steps.once }} is enough'}
";

#[test]
fn of_two_that_take_up_a_run_in_a_file_one_drives() {
    let place = Place::with(FLOW);
    one_drives(&place, &Kept::file(&place, "a.db"));
}

#[test]
fn of_two_that_take_up_a_run_in_a_server_one_drives() {
    let Some(server) = postgres::server() else { return };
    one_drives(&Place::with(FLOW), &Kept(server.database()));
}

fn one_drives(place: &Place, kept: &Kept) {
    let provider = Provider::start();
    let mut child = Process::start(&mut run_command(place, kept, "r-1"), &provider, "first");
    provider.waits_for(|log| (!log.is_empty()).then_some(()));
    assert!(child.kill());
    for nth in 1..=PAIRS {
        let names = ["a", "b"].map(|name| format!("{nth}{name}"));
        let both = Barrier::new(2);
        let begin = |by: &str| {
            let mut command = resume_command(place, kept, "r-1");
            both.wait();
            Process::start(&mut command, &provider, by)
        };
        let mut pair = std::thread::scope(|scope| {
            let pair = names.each_ref().map(|by| scope.spawn(|| begin(by)));
            pair.map(|child| Some(child.join().unwrap()))
        });
        // One asks, and the other ends by itself.
        let driving = provider.waits_for(|log| {
            let last = log.last()?;
            names.iter().position(|by| *by == last.by)
        });
        let mut driver = pair[driving].take().unwrap();
        let refused = pair[1 - driving].take().unwrap().ended().ended(5);
        let told = format!("error[SW0704]: run `r-1` is driven by process {} on ", driver.id());
        assert!(refused.stderr.contains(&told), "pair {nth}, {}: {refused:#?}", driver.id());
        assert_eq!(provider.count(&names[driving]), 1, "pair {nth}");
        assert_eq!(provider.count(&names[1 - driving]), 0, "pair {nth}");
        if nth < PAIRS {
            assert!(driver.kill());
            continue;
        }
        provider.lets_go(&names[driving]);
        assert_eq!(driver.ended().ended(0).stdout, "once is enough\n");
    }
    check(&kept.facts("r-1"));
    assert_eq!(lines(place, "once.txt"), 1);
    assert_eq!(provider.calls("").len(), PAIRS + 1);
}
