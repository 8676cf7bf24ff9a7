//! Limits of models that hold over all processes of a database.

use super::provider::Provider;
use super::{Kept, Process};
use crate::support::{PATIENCE, Place};
use std::io::{BufRead as _, BufReader};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use stepwright_testing::postgres;

/// Four requests, of which a process sends up to four at once.
const FLOW: &str = "\
format: 1
name: Limited
on_interrupted: retry
model: openai-chat:scripted
limits: LIMITS
agents: {writer: {}}
steps:
  - name: all
    map: {over: '= [1, 2, 3, 4]', concurrency: 4}
    do: [{name: ask, agent: writer, prompt: 'Wait, and write about {{ item }}'}]
  - {name: done, template: all of them}
";

fn in_each_database(limits: &str, test: impl Fn(&Place, &Kept, &Provider)) {
    let flow = FLOW.replace("LIMITS", limits);
    let place = Place::with(&flow);
    test(&place, &Kept::file(&place, "a.db"), &Provider::start());
    let Some(server) = postgres::server() else { return };
    let kept = Kept(server.database() + "?connect_timeout=60");
    test(&Place::with(&flow), &kept, &Provider::start());
}

/// A process that tells its events as lines of JSON.
struct Told {
    process: Process,
    lines: Receiver<String>,
}

fn start(place: &Place, kept: &Kept, provider: &Provider, run: &str, verb: &str) -> Told {
    let mut command = match verb {
        "run" => place.command(["run", "flow.yaml", "ants", "--run-id", run]),
        verb => place.command([verb, run]),
    };
    command.args(["--db", &kept.0, "--json", "--events"]);
    let mut process = Process::start(&mut command, provider, run);
    let output = process.child().stdout.take().unwrap();
    let (tell, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                break;
            }
        }
    });
    Told { process, lines }
}

impl Told {
    /// Waits until it tells that it waits for the limits of the model.
    #[track_caller]
    fn waits(&self) {
        self.tells("waits for the limits of model");
    }

    #[track_caller]
    fn tells(&self, what: &str) {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left.max(Duration::from_millis(1)));
            let line = line.unwrap_or_else(|error| panic!("it does not tell `{what}`: {error}"));
            if line.contains(what) {
                return;
            }
        }
    }
}

/// Waits until a process has asked so many times.
fn asks(provider: &Provider, by: &str, times: usize) {
    provider
        .waits_for(|log| (log.iter().filter(|call| call.by == by).count() >= times).then_some(()));
}

#[test]
fn requests_of_all_processes_count_and_those_of_a_killed_one_do_not() {
    in_each_database("{concurrency: 3}", |place, kept, provider| {
        let mut first = start(place, kept, provider, "r-1", "run");
        asks(provider, "r-1", 3);
        first.waits();
        let second = start(place, kept, provider, "r-2", "run");
        second.waits();
        assert_eq!((provider.count("r-1"), provider.count("r-2")), (3, 0));
        assert!(first.process.kill());
        asks(provider, "r-2", 3);
        // Taken up, the first waits behind the second.
        let again = start(place, kept, provider, "r-1", "resume");
        again.waits();
        assert_eq!((provider.count("r-1"), provider.count("r-2")), (3, 3));
        provider.lets_go("r-2");
        provider.lets_go("r-1");
        again.process.ended().ended(0);
        second.process.ended().ended(0);
        assert_eq!(provider.count("r-2"), 4);
        // The requests that were under way when it was killed have no answer.
        assert_eq!(provider.count("r-1"), 7);
    });
}

#[test]
fn a_minute_has_so_many_requests_of_all_processes_also_of_ended_ones() {
    in_each_database("{per_minute: 4}", |place, kept, provider| {
        let first = start(place, kept, provider, "r-1", "run");
        provider.lets_go("r-1");
        first.process.ended().ended(0);
        assert_eq!(provider.count("r-1"), 4);
        let mut second = start(place, kept, provider, "r-2", "run");
        second.waits();
        assert_eq!(provider.count("r-2"), 0);
        assert!(second.process.kill());
    });
}

#[test]
fn the_limits_of_a_process_are_those_of_each() {
    in_each_database("{concurrency: 2, scope: process}", |place, kept, provider| {
        let mut first = start(place, kept, provider, "r-1", "run");
        let mut second = start(place, kept, provider, "r-2", "run");
        asks(provider, "r-1", 2);
        asks(provider, "r-2", 2);
        first.waits();
        second.waits();
        assert_eq!((provider.count("r-1"), provider.count("r-2")), (2, 2));
        assert!(first.process.kill());
        assert!(second.process.kill());
    });
}
