//! A server that crashes and comes back while many runs are under way.

use super::provider::Provider;
use super::survivor::{FLOW, Survivor, Undisturbed};
use super::{Kept, told};
use crate::support::Place;
use std::sync::atomic::{AtomicUsize, Ordering};
use stepwright_testing::postgres::Server;

const RUNS: usize = 50;

/// The message of a process that finds no server.
const AWAY: &str = "error[SW0815]: cannot connect to the database `127.0.0.1:";

/// The number of runs that are under way at once.
const LANES: usize = 5;

/// After how many calls of models the server crashes: all runs together make seven times fifty.
const CRASHES: [usize; 3] = [60, 160, 260];

#[test]
fn runs_survive_a_server_that_crashes_and_comes_back() {
    let Some(server) = Server::start_with("-c fsync=on") else { return };
    let kept = Kept(server.database());
    let place = Place::with(FLOW);
    let provider = Provider::start();
    let undisturbed = Undisturbed::run(&provider);
    // So that no process finds the schema half made: that is another test's.
    kept.facts("none");
    let [next, refused, left, repeated] = [const { AtomicUsize::new(0) }; 4];
    let lane = || {
        while let number @ ..RUNS = next.fetch_add(1, Ordering::Relaxed) {
            let mut run = Survivor::new(&place, kept.clone(), &format!("r{number}"));
            let mut ran = run.go_on(&provider).1.ended();
            // A process that drives a run waits for the server for a while; one that comes while it
            // is away is told so.
            while ran.code == 5 {
                let count = if ran.stderr.contains(AWAY) { &refused } else { &left };
                count.fetch_add(1, Ordering::Relaxed);
                ran = run.go_on(&provider).1.ended();
            }
            let again = run.has_ended_well(&provider, &undisturbed, &ran);
            repeated.fetch_add(again, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(lane);
        }
        for calls in CRASHES {
            provider.waits_for(|log| (log.len() >= calls).then_some(()));
            server.crash();
            server.resume();
        }
    });
    let [refused, left, repeated] = [refused, left, repeated].map(AtomicUsize::into_inner);
    // A process that waits for the server need not ask again.
    assert!(repeated <= left * 3, "{left} gave up, and {repeated} calls were repeated");
    told(&format!(
        "{RUNS} runs, {} crashes; {refused} processes came while it was away, {left} gave up",
        CRASHES.len()
    ));
}
