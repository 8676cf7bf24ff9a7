//! `kill -9`, at any moment.

use super::provider::Provider;
use super::survivor::{FLOW, Survivor, Undisturbed};
use super::{Kept, Process, told};
use crate::support::Place;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use stepwright_testing::postgres;

/// The number of kills, unless the environment says otherwise; half of them on files, half of them
/// on a server.
const KILLS: u64 = 400;
const KILLS_VARIABLE: &str = "STEPWRIGHT_KILLS";

/// The seed of the moments, unless the environment says otherwise.
const SEED: u64 = 1;
const SEED_VARIABLE: &str = "STEPWRIGHT_SEED";

/// The number of runs that are under way at once.
const LANES: usize = 4;

/// The most kills of one run.
const KILLS_EACH_MAX: u64 = 8;

/// The longest life of a process that is to be killed without doing anything first. Its work takes
/// longer where machines are slow: other moments go by what it has done.
const LIFE_MICROS_MAX: u64 = 250_000;

#[test]
fn a_run_in_a_file_survives_to_be_killed_at_any_moment() {
    let place = Place::with(FLOW);
    survive(&place, |run| Kept::file(&place, &format!("{run}.db")));
}

#[test]
fn a_run_in_a_server_survives_to_be_killed_at_any_moment() {
    let Some(server) = postgres::server() else { return };
    let (place, address) = (Place::with(FLOW), server.database() + "?connect_timeout=60");
    survive(&place, |_| Kept(address.clone()));
}

fn survive(place: &Place, kept: impl Fn(&str) -> Kept + Sync) {
    let kills = number(KILLS_VARIABLE).unwrap_or(KILLS).div_ceil(2);
    let seed = number(SEED_VARIABLE).unwrap_or(SEED);
    let provider = Provider::start();
    let undisturbed = Undisturbed::run(&provider);
    let (next, killed, repeated) = (AtomicU64::new(0), AtomicU64::new(0), AtomicUsize::new(0));
    let lane = || {
        while killed.load(Ordering::Relaxed) < kills {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let name = format!("r{number}");
            let failed = Failed(format!("run {name}, {SEED_VARIABLE}={seed}"));
            let mut random = Random(seed.wrapping_mul(1_000_003).wrapping_add(number));
            let mut run = Survivor::new(place, kept(&name), &name);
            let most = 1 + random.below(KILLS_EACH_MAX);
            for nth in 0.. {
                let (by, mut process) = run.go_on(&provider);
                if nth < most && Moment::random(&mut random).kill(&mut process, &provider, &by) {
                    killed.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                let ran = process.ended();
                let again = run.has_ended_well(&provider, &undisturbed, &ran);
                repeated.fetch_add(again, Ordering::Relaxed);
                break;
            }
            drop(failed);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(lane);
        }
    });
    let (runs, killed) = (next.into_inner(), killed.into_inner());
    let repeated = repeated.into_inner();
    // Each process has no more than three under way: the branches.
    assert!(repeated as u64 <= killed * 3, "{repeated} calls were repeated after {killed} kills");
    told(&format!("{killed} kills, {runs} runs; {repeated} calls were under way and made again"));
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect(variable))
}

/// When to kill a process.
enum Moment {
    /// So long after it was started.
    After(Duration),
    /// So long after it has asked its provider so often.
    Asked(u64, Duration),
}

impl Moment {
    fn random(random: &mut Random) -> Self {
        match random.below(3) {
            0 => Self::After(Duration::from_micros(random.below(LIFE_MICROS_MAX))),
            _ => Self::Asked(1 + random.below(7), Duration::from_micros(random.below(20_000))),
        }
    }

    /// Kills it then. `false` if it has ended before.
    fn kill(self, process: &mut Process, provider: &Provider, by: &str) -> bool {
        let mut at = match self {
            Self::After(life) => Some(Instant::now() + life),
            Self::Asked(..) => None,
        };
        loop {
            if let (None, Self::Asked(calls, life)) = (at, &self)
                && provider.count(by) >= *calls
            {
                at = Some(Instant::now() + *life);
            }
            let left = at.map(|at| at.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return process.kill();
            }
            if process.has_ended() {
                return false;
            }
            std::thread::sleep(left.unwrap_or(Duration::MAX).min(Duration::from_millis(1)));
        }
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// Says what it was about if a test fails.
struct Failed(String);

impl Drop for Failed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            told(&self.0);
        }
    }
}
