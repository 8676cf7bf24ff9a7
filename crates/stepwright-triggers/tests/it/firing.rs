//! When the runs of schedules begin.

use crate::world::{Place, every, hourly};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use stepwright_core::store::RunStore as _;
use stepwright_core::{Content, Error, ErrorKind, RunStatus, Timestamp};
use stepwright_triggers::{CatchUp, Overlap, Schedule, Scheduler, Timetable};
use tokio_util::sync::CancellationToken;

const HOUR: Duration = Duration::from_hours(1);
const MINUTE: Duration = Duration::from_mins(1);

#[test]
fn a_run_begins_at_each_time_with_its_input() {
    let place = Place::new();
    let server = place.server(1, hourly().overlap(Overlap::Allow));
    assert_eq!(place.now().to_rfc3339(), "2026-05-28T20:26:40Z");
    place.serve(&server, 2 * HOUR);
    let ids = ["digest.often.20260528T210000Z", "digest.often.20260528T220000Z"];
    assert_eq!(place.ids(), ids);
    let begun = place.runs()[0].created_at;
    assert!(begun.since(Timestamp(1_780_002_000_000)) < Duration::from_secs(2), "{begun}");
    place.end_runs();
    let output = place.clock.run(place.workflow(9).get_run(ids[0])).unwrap();
    assert_eq!(output.content.text(), "news");
    let stored = place.stored(&server);
    assert_eq!(stored.last.unwrap().run.unwrap().as_str(), ids[1]);
}

#[test]
fn times_before_the_schedule_was_there_are_not_missed() {
    let place = Place::new();
    let daily = Timetable::cron("0 20 * * *", None).unwrap();
    let server = place.server(1, Schedule::new("daily", daily).unwrap().catch_up(CatchUp::All));
    place.serve(&server, MINUTE);
    assert!(place.ids().is_empty(), "{:?}", place.ids());
}

#[test]
fn several_servers_begin_one_run_for_each_time() {
    let place = Place::new();
    let servers: Vec<Scheduler> =
        (1..=3).map(|seed| place.server(seed, every(MINUTE).overlap(Overlap::Allow))).collect();
    let stop = CancellationToken::new();
    let all = futures_util::future::join_all(servers.iter().map(|it| it.serve(stop.clone())));
    let world = place.world(7);
    let end = async {
        world.sleep(Duration::from_mins(30)).await;
        stop.cancel();
    };
    place.clock.run(futures_util::future::join(all, end));
    let ids = place.ids();
    let different: BTreeSet<&String> = ids.iter().collect();
    assert_eq!((ids.len(), different.len()), (30, 30), "{ids:?}");
}

#[test]
fn a_firing_that_a_dead_server_decided_is_carried_out_once_by_another() {
    for cut in 0..40 {
        let place = Place::new();
        let schedule = every(MINUTE).overlap(Overlap::Allow);
        let dying = place.server(1, schedule.clone());
        place.clock.run(dying.look()).unwrap();
        place.pass(MINUTE);
        // The process dies at its nth step.
        let mut looking = Box::pin(dying.look());
        for _ in 0..cut {
            let waker = std::task::Waker::noop();
            let mut cx = std::task::Context::from_waker(waker);
            if looking.as_mut().poll(&mut cx).is_ready() {
                break;
            }
        }
        drop(looking);
        let other = place.server(2, schedule);
        place.clock.run(other.look()).unwrap();
        place.clock.run(dying.look()).unwrap();
        assert_eq!(place.ids(), ["digest.often.20260528T202700Z"], "{cut}");
    }
}

#[test]
fn missed_times_are_caught_up_as_the_schedule_says() {
    for (catch_up, hours) in [
        (CatchUp::None, vec![]),
        (CatchUp::Latest, vec!["23"]),
        (CatchUp::All, vec!["21", "22", "23"]),
    ] {
        let place = Place::new();
        let schedule = hourly().overlap(Overlap::Allow).catch_up(catch_up);
        let server = place.server(1, schedule);
        place.clock.run(server.look()).unwrap();
        place.pass(3 * HOUR);
        place.serve(&server, MINUTE);
        let wanted: Vec<String> =
            hours.iter().map(|hour| format!("digest.often.20260528T{hour}0000Z")).collect();
        assert_eq!(place.ids(), wanted, "{catch_up:?}");
        // Nothing is caught up twice.
        place.serve(&server, MINUTE);
        assert_eq!(place.ids(), wanted, "{catch_up:?}");
    }
}

#[test]
fn missed_times_run_one_after_the_other_if_each_has_a_run() {
    let place = Place::new();
    let server = place.server(1, hourly().catch_up(CatchUp::All));
    place.clock.run(server.look()).unwrap();
    place.pass(3 * HOUR);
    let id = |hour: &str| format!("digest.often.20260528T{hour}0000Z");
    let mut wanted = Vec::new();
    for hour in ["21", "22", "23"] {
        wanted.push(id(hour));
        place.serve(&server, MINUTE);
        assert_eq!(place.ids(), wanted, "the next one waits");
        place.end_runs();
    }
    // Once they are caught up, a time while a run is under way is left out again.
    place.serve(&server, HOUR);
    wanted.push("digest.often.20260529T000000Z".to_owned());
    place.serve(&server, HOUR);
    assert_eq!(place.ids(), wanted);
    place.end_runs();
    place.serve(&server, MINUTE);
    assert_eq!(place.ids(), wanted);
}

#[test]
fn times_that_come_while_others_are_caught_up_are_left_out() {
    let place = Place::new();
    let server = place.server(1, hourly().catch_up(CatchUp::All));
    place.clock.run(server.look()).unwrap();
    place.pass(2 * HOUR);
    // The first run takes longer than the next time.
    place.serve(&server, 2 * HOUR);
    assert_eq!(place.ids().len(), 1);
    place.end_runs();
    place.serve(&server, MINUTE);
    place.end_runs();
    place.serve(&server, MINUTE);
    let ids = ["digest.often.20260528T210000Z", "digest.often.20260528T220000Z"];
    assert_eq!(place.ids(), ids);
    let note = place.stored(&server).last.unwrap().note.unwrap();
    assert_eq!(note, "missed times were caught up");
    place.serve(&server, HOUR);
    assert_eq!(place.ids().last().unwrap(), "digest.often.20260529T010000Z");
}

#[test]
fn a_schedule_of_another_server_is_kept_for_a_week() {
    let place = Place::new();
    let server = place.server(1, hourly());
    place.clock.run(server.register()).unwrap();
    let is_paused = || {
        place.clock.run(server.look()).unwrap();
        place.clock.run(server.schedules().find("digest.often")).unwrap().paused
    };
    place.clock.run(server.schedules().pause("digest.often")).unwrap();
    let other = Schedule::new("other", Timetable::every(HOUR).unwrap()).unwrap();
    let other = place.server(2, other);
    let week = Duration::from_hours(24 * 7);
    for wait in [Duration::ZERO, week * 2] {
        place.pass(wait);
        place.clock.run(other.register()).unwrap();
        assert_eq!(place.clock.run(server.schedules().list()).unwrap().len(), 1);
        assert!(is_paused(), "a server still has it");
    }
    place.clock.run(other.register()).unwrap();
    place.pass(week + MINUTE);
    place.clock.run(other.register()).unwrap();
    assert!(!is_paused(), "it was removed, and is new");
}

#[test]
fn a_schedule_that_cannot_be_read_does_not_stop_the_others() {
    let place = Place::new();
    place.damage("schedule", "digest.broken");
    let broken = Schedule::new("broken", Timetable::every(HOUR).unwrap()).unwrap();
    let workflow = place.workflow(1);
    let server = place.server(1, hourly()).add(&workflow, broken);
    let registered = place.clock.run(server.register()).unwrap();
    assert_eq!(registered.len(), 1, "{registered:?}");
    assert!(place.clock.run(server.look()).is_err(), "the broken one is told");
    place.pass(HOUR);
    let _ = place.clock.run(server.look());
    assert_eq!(place.ids(), ["digest.often.20260528T210000Z"]);
}

#[test]
fn times_that_are_too_long_ago_are_not_caught_up() {
    let place = Place::new();
    let schedule = hourly().overlap(Overlap::Allow).catch_up(CatchUp::All);
    let server = place.server(1, schedule.catch_up_within(2 * HOUR).unwrap());
    place.clock.run(server.look()).unwrap();
    place.pass(10 * HOUR);
    place.clock.run(server.look()).unwrap();
    assert_eq!(place.ids(), ["digest.often.20260529T050000Z", "digest.often.20260529T060000Z"]);
}

#[test]
fn a_time_while_the_last_run_is_under_way_is_treated_as_the_schedule_says() {
    let place = Place::new();
    let server = place.server(1, hourly());
    place.serve(&server, 2 * HOUR);
    assert_eq!(place.ids(), ["digest.often.20260528T210000Z"], "skipped");
    let last = place.stored(&server).last.unwrap();
    assert_eq!(last.note.unwrap(), "run `digest.often.20260528T210000Z` was under way");
    place.end_runs();
    place.serve(&server, HOUR);
    assert_eq!(place.ids().last().unwrap(), "digest.often.20260528T230000Z");

    let place = Place::new();
    let server = place.server(1, hourly().overlap(Overlap::Queue));
    place.serve(&server, 3 * HOUR);
    assert_eq!(place.ids().len(), 1, "queued");
    place.end_runs();
    place.serve(&server, MINUTE);
    // Of those that came meanwhile, the last one counts.
    let ids = ["digest.often.20260528T210000Z", "digest.often.20260528T230000Z"];
    assert_eq!(place.ids(), ids);

    let place = Place::new();
    let server = place.server(1, hourly().overlap(Overlap::Cancel));
    place.serve(&server, 2 * HOUR);
    assert_eq!(place.ids().len(), 2, "cancelled");
    place.end_runs();
    assert_eq!(place.statuses(), [RunStatus::Cancelled, RunStatus::Completed]);
}

#[test]
fn a_paused_schedule_begins_nothing_until_it_is_resumed() {
    let place = Place::new();
    let server = place.server(1, hourly().overlap(Overlap::Allow).catch_up(CatchUp::All));
    place.clock.run(server.look()).unwrap();
    let schedules = server.schedules();
    assert!(place.clock.run(schedules.pause("digest.often")).unwrap().paused);
    place.serve(&server, 2 * HOUR);
    assert!(place.ids().is_empty());
    let resumed = place.clock.run(schedules.resume("digest.often")).unwrap();
    assert_eq!(resumed.next(place.now(), 2).len(), 2);
    place.serve(&server, HOUR);
    assert_eq!(place.ids(), ["digest.often.20260528T230000Z"]);
    let unknown = place.clock.run(schedules.pause("digest.seldom")).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
}

#[test]
fn a_run_that_was_asked_for_begins_also_while_the_schedule_is_paused() {
    let place = Place::new();
    let server = place.server(1, hourly());
    place.clock.run(server.look()).unwrap();
    place.clock.run(server.schedules().pause("digest.often")).unwrap();
    let asked = place.clock.run(server.schedules().ask("digest.often")).unwrap();
    place.clock.run(server.look()).unwrap();
    let now = place.clock.run(server.run_now("digest.often")).unwrap();
    assert_eq!(place.ids(), [asked.to_string(), now.to_string()]);
    let mut failed = 0;
    for _ in 0..120 {
        failed += u32::from(place.clock.run(server.schedules().ask("digest.often")).is_err());
    }
    assert_eq!(failed, 20, "at most a hundred wait");
    let full = place.clock.run(server.schedules().ask("digest.often")).unwrap_err().to_string();
    assert_eq!(full, "schedule `digest.often` has 100 queued runs; the limit is 100");
}

#[test]
fn jitter_delays_a_run_by_the_same_time_in_each_server() {
    let place = Place::new();
    let jitter = Duration::from_mins(30);
    let schedule = hourly().overlap(Overlap::Allow).jitter(jitter).unwrap();
    let (one, other) = (place.server(1, schedule.clone()), place.server(2, schedule));
    let first = place.clock.run(one.look()).unwrap().unwrap();
    assert_eq!(place.clock.run(other.look()).unwrap(), Some(first));
    place.serve(&one, 5 * HOUR);
    let delays: BTreeSet<u64> =
        place.runs().iter().map(|row| row.created_at.0 % 3_600_000 / 1_000).collect();
    assert!(delays.len() >= 4, "{delays:?}");
    assert!(delays.iter().all(|delay| *delay <= 1_801), "{delays:?}");
}

#[test]
fn another_timetable_begins_anew_and_a_schedule_that_is_gone_is_removed() {
    let place = Place::new();
    let server = place.server(1, hourly().overlap(Overlap::Allow));
    place.clock.run(server.register()).unwrap();
    place.pass(3 * HOUR);
    let changed = every(Duration::from_mins(10)).overlap(Overlap::Allow).catch_up(CatchUp::All);
    let server = place.server(2, changed);
    place.clock.run(server.register()).unwrap();
    place.clock.run(server.look()).unwrap();
    assert!(place.ids().is_empty(), "no time of the new timetable is missed");
    place.serve(&server, Duration::from_mins(10));
    assert_eq!(place.ids().len(), 1);
    let other = Schedule::new("other", Timetable::every(HOUR).unwrap()).unwrap();
    let stored = place.clock.run(place.server(3, other).register()).unwrap();
    let names: Vec<&str> = stored.iter().map(|schedule| schedule.name.as_str()).collect();
    assert_eq!(names, ["other"]);
    assert_eq!(place.clock.run(server.schedules().list()).unwrap().len(), 1);
}

#[test]
fn a_run_that_cannot_begin_is_told_and_the_next_time_comes() {
    let place = Place::new();
    let made = Arc::new(AtomicU64::new(0));
    let counted = made.clone();
    let schedule = hourly().overlap(Overlap::Allow).input_from(move |firing| {
        let nth = counted.fetch_add(1, Ordering::Relaxed);
        async move {
            assert_eq!(firing["schedule"], "often");
            match nth {
                0 => Err(Error::usage("there is no news")),
                _ => Ok(Content::from(firing["at"].clone())),
            }
        }
    });
    let server = place.server(1, schedule);
    place.serve(&server, HOUR);
    let last = place.stored(&server).last.unwrap();
    assert!(last.note.unwrap().contains("there is no news"));
    place.serve(&server, HOUR);
    place.end_runs();
    let run = "digest.often.20260528T220000Z";
    assert_eq!(place.ids(), [run]);
    let output = place.clock.run(place.workflow(9).get_run(run)).unwrap();
    assert_eq!(output.content.text(), "2026-05-28T22:00:00Z");
}

#[test]
fn runs_of_a_schedule_can_share_a_session() {
    let place = Place::new();
    let schedule = hourly().overlap(Overlap::Allow).session_id("news").unwrap();
    let server = place.server(1, schedule);
    place.serve(&server, 2 * HOUR);
    let sessions: BTreeSet<String> =
        place.runs().iter().map(|row| row.session_id.to_string()).collect();
    assert_eq!(sessions, BTreeSet::from(["news".to_owned()]));
}

/// The store decides which of several processes fires, also where it is a database.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_sqlite_a_time_has_one_run_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.db");
    let place = Place::new();
    let mut servers = Vec::new();
    for seed in 1..=4 {
        let store = stepwright_store::Sqlite::open(&path).await.unwrap();
        let store = stepwright_core::AnyStore::new(store);
        let workflow = place.workflow_on(store.clone(), seed);
        let schedule = every(MINUTE).overlap(Overlap::Allow);
        servers.push(Scheduler::new(store, place.world(seed)).add(&workflow, schedule));
    }
    servers[0].register().await.unwrap();
    for _ in 0..10 {
        place.pass(MINUTE);
        let looks = servers
            .iter()
            .cloned()
            .map(|server| tokio::spawn(async move { server.look().await.map(|_| ()) }));
        for look in looks.collect::<Vec<_>>() {
            look.await.unwrap().unwrap();
        }
    }
    let store = stepwright_store::Sqlite::open(&path).await.unwrap();
    let rows = store.runs(stepwright_core::store::RunFilter::default()).await.unwrap();
    let ids: BTreeSet<String> = rows.iter().map(|row| row.run_id.to_string()).collect();
    assert_eq!((rows.len(), ids.len()), (10, 10), "{ids:?}");
}
