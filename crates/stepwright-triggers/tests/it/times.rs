//! The times of timetables.

use std::time::Duration;
use stepwright_core::Timestamp;
use stepwright_triggers::{JITTER_MAX, Schedule, Timetable};

fn moment(text: &str) -> Timestamp {
    let at: jiff::Timestamp = text.parse().unwrap();
    Timestamp(u64::try_from(at.as_millisecond()).unwrap())
}

/// Returns the first times after a moment.
fn times(timetable: &Timetable, after: &str, count: usize) -> Vec<String> {
    let first = timetable.next_after(moment(after));
    let all = std::iter::successors(first, |time| timetable.next_after(*time));
    all.take(count).map(Timestamp::to_rfc3339).collect()
}

fn berlin(cron: &str) -> Timetable {
    Timetable::cron(cron, Some("Europe/Berlin")).unwrap()
}

#[test]
fn a_time_is_one_of_the_wall_clock_of_its_zone() {
    let daily = berlin("0 9 * * *");
    // The clocks went forward on 29 March 2026.
    let around = times(&daily, "2026-03-27T12:00:00Z", 3);
    let wanted = ["2026-03-28T08:00:00Z", "2026-03-29T07:00:00Z", "2026-03-30T07:00:00Z"];
    assert_eq!(around, wanted);
    let weekly = berlin("30 7 * * mon");
    assert_eq!(times(&weekly, "2026-11-30T06:29:59.999Z", 1), ["2026-11-30T06:30:00Z"]);
    assert_eq!(times(&weekly, "2026-11-30T06:30:00Z", 1), ["2026-12-07T06:30:00Z"]);
    assert_eq!(times(&weekly, "2026-11-30T06:30:00.001Z", 1), ["2026-12-07T06:30:00Z"]);
}

#[test]
fn a_time_that_the_clocks_skip_comes_after_the_gap() {
    // 02:30 was not there on 29 March 2026.
    let nightly = berlin("30 2 * * *");
    let around = times(&nightly, "2026-03-28T12:00:00Z", 2);
    assert_eq!(around, ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
}

#[test]
fn a_time_that_the_clocks_repeat_comes_once() {
    // 02:30 was there twice on 25 October 2026.
    let nightly = berlin("30 2 * * *");
    let around = times(&nightly, "2026-10-24T12:00:00Z", 2);
    assert_eq!(around, ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
    // An hourly one comes each hour.
    let hourly = berlin("30 * * * *");
    let around = times(&hourly, "2026-10-24T23:45:00Z", 3);
    assert_eq!(around, ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"]);
}

#[test]
fn lists_and_ranges_come_once_where_the_clocks_change() {
    // 02:00 to 03:00 was not there on 28 March 2027, and twice on 25 October 2026.
    let spring = |cron, count| times(&berlin(cron), "2027-03-27T23:00:00Z", count);
    let autumn = |cron, count| times(&berlin(cron), "2026-10-24T22:00:00Z", count);
    assert_eq!(spring("0 2,14 * * *", 2), ["2027-03-28T01:00:00Z", "2027-03-28T12:00:00Z"]);
    assert_eq!(autumn("0 2,14 * * *", 2), ["2026-10-25T00:00:00Z", "2026-10-25T13:00:00Z"]);
    // Both are skipped, and come as one at the end of the gap.
    assert_eq!(spring("0,30 2 * * *", 2), ["2027-03-28T01:00:00Z", "2027-03-29T00:00:00Z"]);
    let both = ["2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:00:00Z"];
    assert_eq!(autumn("0,30 2 * * *", 3), both);
    let range = ["2027-03-28T00:30:00Z", "2027-03-28T01:00:00Z", "2027-03-28T01:30:00Z"];
    assert_eq!(spring("30 1-3 * * *", 3), range);
    let range = ["2026-10-24T23:30:00Z", "2026-10-25T00:30:00Z", "2026-10-25T02:30:00Z"];
    assert_eq!(autumn("30 1-3 * * *", 3), range);
    // In the second of the two hours, the times of the first have passed.
    let late = times(&berlin("0,30 2 * * *"), "2026-10-25T01:10:00Z", 1);
    assert_eq!(late, ["2026-10-26T01:00:00Z"]);
    // A nickname names its time, except for `@hourly`.
    assert_eq!(autumn("@hourly", 4).last().unwrap(), "2026-10-25T02:00:00Z");
}

#[test]
fn days_of_leap_years_and_ends_of_months_are_found() {
    let leap = Timetable::cron("0 0 29 2 *", None).unwrap();
    assert_eq!(times(&leap, "2026-01-01T00:00:00Z", 1), ["2028-02-29T00:00:00Z"]);
    let last = Timetable::cron("0 0 L * *", None).unwrap();
    assert_eq!(
        times(&last, "2026-02-01T00:00:00Z", 2),
        ["2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z"]
    );
}

#[test]
fn steps_are_counted_from_1970() {
    let quarter = Timetable::every(Duration::from_mins(15)).unwrap();
    let all = times(&quarter, "2026-11-30T08:59:59.999Z", 2);
    assert_eq!(all, ["2026-11-30T09:00:00Z", "2026-11-30T09:15:00Z"]);
    assert_eq!(times(&quarter, "2026-11-30T09:00:00Z", 1), ["2026-11-30T09:15:00Z"]);
    assert_eq!(quarter.to_string(), "every 15m");
    assert!(quarter.next_after(Timestamp(u64::MAX)).is_none());
}

#[test]
fn wrong_timetables_are_refused() {
    for (cron, zone, part) in [
        ("", None, "is not a cron expression"),
        ("soon", None, "`soon` is not a cron expression"),
        ("61 * * * *", None, "is not a cron expression"),
        ("0 0 9 * * *", None, "is not a cron expression"),
        ("0 0 30 2 *", None, "`0 0 30 2 *` matches no date"),
        ("0 9 * * *", Some("Europe/Atlantis"), "there is no time zone `Europe/Atlantis`"),
    ] {
        let error = Timetable::cron(cron, zone).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert!(error.hint().is_some(), "{error}");
    }
    let error = Timetable::every(Duration::from_millis(10)).unwrap_err();
    assert_eq!(error.to_string(), "`every` is 10ms; it must be from 1s to 366d");
    assert!(Timetable::every(Duration::from_hours(24 * 367)).is_err());
}

#[test]
fn wrong_schedules_are_refused() {
    let daily = || Timetable::cron("@daily", None).unwrap();
    for name in ["", "a.b", "a/b", "é", &"a".repeat(65)] {
        assert!(Schedule::new(name, daily()).is_err(), "{name}");
    }
    let schedule = || Schedule::new("a-B_1", daily()).unwrap();
    assert!(schedule().jitter(JITTER_MAX + Duration::from_secs(1)).is_err());
    assert!(schedule().catch_up_within(Duration::from_hours(24 * 32)).is_err());
    assert!(schedule().session_id("").is_err());
}

#[test]
fn a_timetable_is_the_same_after_it_was_stored() {
    for timetable in [berlin("0 9 * * mon-fri"), Timetable::every(Duration::from_mins(90)).unwrap()]
    {
        let json = serde_json::to_string(&timetable).unwrap();
        let stored: Timetable = serde_json::from_str(&json).unwrap();
        assert!(stored.is_same(&timetable), "{json}");
        assert_eq!(stored.to_string(), timetable.to_string());
    }
    let damaged = r#"{"cron":{"cron":"soon","zone":"UTC"}}"#;
    assert!(serde_json::from_str::<Timetable>(damaged).is_err());
}
