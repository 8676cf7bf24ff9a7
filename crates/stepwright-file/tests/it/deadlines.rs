//! `deadline` of a file: moments from expressions.

use serde_json::json;
use std::time::Duration;
use stepwright_core::world::VirtualClock;
use stepwright_core::{Answer, Content, ErrorCode, Memory, RunOutput, RunStatus, World};
use stepwright_engine::Workflow;
use stepwright_file::{Definition, Options};

/// The clock begins at 2026-05-28T20:26:40Z.
struct Scene(VirtualClock, Workflow);

fn scene(steps: &str) -> Scene {
    let clock = VirtualClock::default();
    let text = format!("format: 1\nname: Test\nsteps:\n{steps}");
    let definition = Definition::parse(&text, "test.yaml", &Options::default()).unwrap();
    let builder = definition.builder().unwrap().store(Memory::default());
    let workflow = builder.world(World::new(clock.clone(), 7)).build().unwrap();
    Scene(clock, workflow)
}

impl Scene {
    fn begin(&self, input: serde_json::Value) -> Result<RunOutput, stepwright_core::Error> {
        self.0.run(self.1.run(Content::from(input)).run_id("r").into_future())
    }

    fn later(&self, time: Duration) {
        self.0.run(World::new(self.0.clone(), 8).sleep(time));
    }
}

const ASKED: &str = r"
  - name: offer
    deadline: DUE
    steps: [{name: sign, template: signed, human_review: {requires_confirmation: Sign?}}]
";

#[test]
fn a_deadline_is_a_moment_a_date_or_an_expression_in_a_time_zone() {
    let minute = Duration::from_mins(1);
    for (due, input, minutes) in [
        ("2026-05-28T21:26:40Z", json!({}), 60),
        ("'2026-05-28T23:26:40+02:00'", json!({}), 60),
        ("{at: '2026-05-28T23:26:40', zone: Europe/Berlin}", json!({}), 60),
        ("2026-05-29", json!({}), 213),
        ("\"= input.due\"", json!({"due": "2026-05-28T20:36:40Z"}), 10),
        ("{at: = input.due, zone: Europe/Berlin}", json!({"due": "2026-05-28T22:36:40"}), 10),
        ("\"= date_add(now, '2h')\"", json!({}), 120),
        ("\"= date_add(now, input.wait)\"", json!({"wait": "5m"}), 5),
    ] {
        let steps = ASKED.replace("DUE", due);
        let early = scene(&steps);
        assert_eq!(early.begin(input.clone()).unwrap().status, RunStatus::Paused, "{due}");
        early.later(minute * (minutes - 1));
        let answer = [("offer/sign", Answer::Approve)];
        let done = early.0.run(early.1.continue_run("r", answer.clone()).into_future());
        assert_eq!(done.unwrap_or_else(|e| panic!("{due}: {e}")).content.text(), "signed", "{due}");
        let late = scene(&steps);
        late.begin(input).unwrap();
        late.later(minute * (minutes + 1));
        late.0.run(late.1.continue_run("r", answer).into_future()).unwrap_err();
        let failed = late.0.run(late.1.resume("r").into_future()).unwrap_err();
        let error = failed.into_output().unwrap().error.unwrap().error;
        assert_eq!(error.code, ErrorCode::TimedOut, "{due}");
    }
}

#[test]
fn a_moment_that_is_past_or_none_fails_the_step_with_the_reason() {
    for (input, code, why) in [
        (
            json!({"due": "2020-01-01T00:00:00Z"}),
            ErrorCode::TimedOut,
            "its deadline 2020-01-01T00:00:00Z had passed before it began",
        ),
        (
            json!({"due": "1960-01-01"}),
            ErrorCode::TimedOut,
            "its deadline 1970-01-01T00:00:00Z had passed before it began",
        ),
        (
            json!({"due": "tomorrow"}),
            ErrorCode::BadInput,
            "`deadline` is a moment, but `tomorrow` is not a moment such as `2026-11-29T18:00:00Z` \
             or `2026-11-29`",
        ),
        (
            json!({"due": 5}),
            ErrorCode::BadInput,
            "`deadline` needs a text such as `2026-12-01T09:00:00+01:00`, not 5",
        ),
        (
            json!({"due": "99999-01-01"}),
            ErrorCode::BadInput,
            "`deadline` is a moment, but `99999-01-01` is not a moment such as \
             `2026-11-29T18:00:00Z` or `2026-11-29`",
        ),
    ] {
        for steps in [
            "  - {name: a, deadline: '= input.due', template: x}\n",
            "  - {name: a, deadline: '= input.due', steps: [{name: b, template: x}]}\n",
        ] {
            let failed = scene(steps).begin(input.clone()).unwrap_err();
            let error = failed.into_output().unwrap().error.unwrap().error;
            assert_eq!((error.code, &*error.message), (code, why), "{input}");
        }
    }
}

#[test]
fn check_tells_a_deadline_that_is_no_moment() {
    let mistake = |deadline: &str| {
        let text = format!(
            "format: 1\nname: Test\nsteps:\n  - {{name: a, deadline: {deadline}, template: x}}\n"
        );
        let mistakes = Definition::parse(&text, "t.yaml", &Options::default()).unwrap_err();
        assert_eq!(mistakes.len(), 1, "{mistakes}");
        mistakes.iter().next().unwrap().to_string()
    };
    for (deadline, why) in [
        ("soon", "`deadline` is a moment, but `soon` is not a moment such as"),
        ("2h", "`deadline` is a moment, but `2h` is not a moment such as"),
        ("'= 1 + 1'", "`deadline` is a moment, but this gives a number"),
        ("'= \"soon\"'", "`deadline` is a moment, but `soon` is not a moment such as"),
        ("'= steps.nowhere'", "nowhere"),
        ("'= steps.a'", "`a`"),
        ("{zone: Europe/Berlin}", "`deadline` needs `at`"),
        ("{at: '2026-01-01', zone: Mars/Base}", "there is no time zone `Mars/Base`"),
        ("{at: '2026-01-01', on: x}", "no key `on`"),
        ("5", "`deadline`"),
    ] {
        let told = mistake(deadline);
        assert!(told.contains(why), "{deadline}: {told}");
    }
    let text = "format: 1\nname: T\nsteps:\n  - {name: a, sleep: 1h, deadline: '2026-01-01'}\n";
    let mistakes = Definition::parse(text, "t.yaml", &Options::default()).unwrap_err();
    assert!(mistakes.to_string().contains("`sleep`"), "{mistakes}");
}
