//! `stepwright schedules`.

use crate::args::{In, OneSchedule, ScheduleList, Schedules as Wanted};
use crate::exit::Exit;
use crate::open;
use crate::ui::print::Stdout;
use crate::ui::table::table;
use crate::ui::terminal::Stderr;
use serde_json::{Value, json};
use stepwright::time::Timestamp;
use stepwright::{Error, Runs};
use stepwright_engine::real_world;
use stepwright_term::{harmless, utc};
use stepwright_triggers::{Schedules, StoredSchedule};

/// The number of next times in JSON.
const NEXT: usize = 5;

/// Lists, pauses, resumes and runs schedules.
pub(crate) async fn schedules(command: &Wanted, stderr: Stderr) -> Result<Exit, Error> {
    match command {
        Wanted::List(arguments) => list(arguments, stderr).await,
        Wanted::Pause(OneSchedule { id, kept }) => {
            let schedule = to_change(kept).await?.pause(id).await?;
            stderr.note(&line(&schedule));
            Ok(Exit::Completed)
        }
        Wanted::Resume(OneSchedule { id, kept }) => {
            let schedule = to_change(kept).await?.resume(id).await?;
            stderr.note(&line(&schedule));
            Ok(Exit::Completed)
        }
        Wanted::Run(OneSchedule { id, kept }) => {
            let run = to_change(kept).await?.ask(id).await?;
            stderr.note("a server with its file begins the run within seconds");
            let mut stdout = Stdout::new();
            stdout.write(&format!("{run}\n"));
            Ok(stdout.end(stderr, Exit::Completed))
        }
    }
}

async fn list(arguments: &ScheduleList, stderr: Stderr) -> Result<Exit, Error> {
    let all = of(&open::runs(&arguments.kept, None).await?)?.list().await?;
    let now = real_world().wall();
    let mut stdout = Stdout::new();
    if arguments.json {
        let all: Vec<Value> = all.iter().map(|schedule| object(schedule, now)).collect();
        stdout.write_json_pretty(&all);
    } else if all.is_empty() {
        stderr.note("there is no schedule; `stepwright serve` stores those of its files");
    } else {
        let row = |schedule: &StoredSchedule| {
            let last = schedule.last.as_ref();
            let run = last.and_then(|last| match (&last.note, &last.run) {
                (Some(note), _) => Some(note.clone()),
                (None, run) => run.as_ref().map(ToString::to_string),
            });
            [
                schedule.id(),
                schedule.timetable.to_string(),
                next(schedule, now),
                last.map(|last| utc(last.at)).unwrap_or_default(),
                run.unwrap_or_default(),
            ]
        };
        let names = ["SCHEDULE", "TIMES", "NEXT", "LAST", "RUN"];
        stdout.write_rows(&table(names, all.iter().map(row).collect()));
    }
    Ok(stdout.end(stderr, Exit::Completed))
}

fn object(schedule: &StoredSchedule, now: Timestamp) -> Value {
    let last = schedule.last.as_ref();
    json!({
        "id": schedule.id(),
        "workflow_id": schedule.workflow,
        "name": schedule.name,
        "timetable": schedule.timetable,
        "paused": schedule.paused,
        "next": schedule.next(now, NEXT),
        "last": last.map(|last| json!({"at": last.at, "run_id": last.run, "note": last.note})),
    })
}

/// Returns the line about a schedule that `serve` shows at its start.
pub(crate) fn line(schedule: &StoredSchedule) -> String {
    let next = next(schedule, real_world().wall());
    let times = &schedule.timetable;
    format!("Schedule {}: {times}, next {next}", harmless(&schedule.id()))
}

fn next(schedule: &StoredSchedule, now: Timestamp) -> String {
    match schedule.next(now, 1).first() {
        _ if schedule.paused => "paused".to_owned(),
        Some(next) => utc(*next),
        None => "never".to_owned(),
    }
}

async fn to_change(kept: &In) -> Result<Schedules, Error> {
    of(&open::runs_to_change(kept, None).await?)
}

fn of(runs: &Runs) -> Result<Schedules, Error> {
    let store = runs.whole_store().cloned();
    let store = store.ok_or_else(|| Error::usage("schedules belong to the whole database"))?;
    Ok(Schedules::of(store, real_world()))
}
