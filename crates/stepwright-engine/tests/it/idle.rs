//! Steps that are slow, and steps that are stuck.

use crate::support::{of, part, streamed, text};
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::journal::Append;
use stepwright_core::message::Usage;
use stepwright_core::plan::OnError;
use stepwright_core::store::RunStore as _;
use stepwright_core::world::VirtualClock;
use stepwright_core::{
    Answer, ErrorCode, EventKind, Executor, Memory, RunId, StepContext, StepError, StepInput,
    StepOutput, StepStatus, World,
};
use stepwright_engine::{Loop, Map, Parallel, Step, Steps, Workflow, real_world};

const IDLE: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_secs(9);

/// A sign of life that a step gives between two sleeps.
type Sign = fn(&StepContext);

/// A step that sleeps five times for almost as long as it may be idle, with a sign after each.
fn slow(name: &str, world: &World, sign: Sign) -> Step {
    let world = world.clone();
    Step::new(name, move |cx: StepContext| {
        let world = world.clone();
        async move {
            for _ in 0..5 {
                world.sleep(TICK).await;
                sign(&cx);
            }
            "done"
        }
    })
}

fn seeded() -> (VirtualClock, World) {
    let clock = VirtualClock::default();
    (clock.clone(), World::new(clock, 0))
}

#[test]
fn whatever_a_step_shows_resets_its_idle_clock() {
    let signs: [(&str, Sign); 5] = [
        ("text", |cx| cx.emit("piece")),
        ("progress", |cx| cx.progress(0.4, "page 4")),
        ("note", |cx| cx.note("still there")),
        ("custom", |cx| cx.custom("mine", 1.into())),
        ("keep alive", StepContext::keep_alive),
    ];
    for (name, sign) in signs {
        let (clock, world) = seeded();
        let step = slow("s", &world, sign).idle_timeout(IDLE);
        let workflow = of(step).world(world).build().unwrap();
        let output = clock.run(workflow.run("-").into_future());
        assert_eq!(output.map(|output| text(&output)).ok().as_deref(), Some("done"), "{name}");
    }
}

#[test]
fn the_error_says_whether_a_step_was_idle_or_took_too_long() {
    for (sign, total, wanted) in [
        ((|_| ()) as Sign, 30, "it was idle for 10s: no output"),
        (|cx| cx.emit("piece"), 30, "it took longer than 30s"),
    ] {
        let (clock, world) = seeded();
        let step = slow("s", &world, sign).idle_timeout(IDLE).timeout(Duration::from_secs(total));
        // Two silent pieces are longer than it may be idle.
        let workflow = of(step).world(world).build().unwrap();
        let error = clock.run(workflow.run("-").into_future()).unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
        let failure = error.into_output().unwrap().error.unwrap();
        assert_eq!((failure.error.code, failure.error.retryable), (ErrorCode::TimedOut, true));
    }
}

#[test]
fn facts_of_a_step_reset_its_idle_clock() {
    let (clock, world) = seeded();
    let inner = world.clone();
    let step = Step::new("s", move |cx: StepContext| {
        let world = inner.clone();
        async move {
            for nth in 0..5 {
                world.sleep(TICK).await;
                cx.once(&nth.to_string(), async { Ok::<_, StepError>(nth) }).await?;
            }
            Ok::<_, StepError>("done")
        }
    });
    let workflow = of(step.idle_timeout(IDLE)).world(world).build().unwrap();
    assert_eq!(text(&clock.run(workflow.run("-").into_future()).unwrap()), "done");
}

#[test]
fn a_step_that_waits_for_a_busy_model_is_not_idle_meanwhile() {
    let (clock, world) = seeded();
    let inner = world.clone();
    let step = Step::new("s", move |cx: StepContext| {
        let world = inner.clone();
        async move {
            let error = StepError::new("the model is busy").data;
            let (turn, attempt, delay_ms, usage) = (1, 1, 60_000, Usage::default());
            let retrying =
                EventKind::ModelRequestRetrying { turn, attempt, error, delay_ms, usage };
            cx.record(retrying).await?;
            world.sleep(Duration::from_mins(1) + TICK).await;
            cx.keep_alive();
            // The earlier wait is no excuse now.
            world.sleep(Duration::from_mins(1)).await;
            Ok::<_, StepError>("done")
        }
    });
    let workflow = of(step.idle_timeout(IDLE)).world(world.clone()).build().unwrap();
    let began = world.now();
    let error = clock.run(workflow.run("-").into_future()).unwrap_err();
    assert!(error.to_string().contains("it was idle for 10s"), "{error}");
    assert_eq!(world.now().since(began), Duration::from_mins(1) + TICK + IDLE);
}

/// Hands its context to a task of its own, which shows that it is alive.
struct Elsewhere;

impl Executor for Elsewhere {
    fn name(&self) -> &'static str {
        "elsewhere"
    }

    async fn execute(&self, _: StepInput, cx: StepContext) -> Result<StepOutput, StepError> {
        let task = tokio::spawn(async move {
            for _ in 0..5 {
                tokio::time::sleep(TICK).await;
                cx.keep_alive();
            }
            tokio::time::sleep(Duration::from_secs(100)).await;
        });
        task.await.map_err(StepError::from_error)?;
        Ok("done".into())
    }
}

#[tokio::test(start_paused = true)]
async fn signs_from_a_task_of_the_step_count_and_the_silence_after_them_is_exact() {
    let began = tokio::time::Instant::now();
    let workflow = of(Step::new("s", Elsewhere).idle_timeout(IDLE)).world(real_world());
    let error = workflow.build().unwrap().run("-").await.unwrap_err();
    assert!(error.to_string().contains("it was idle for 10s"), "{error}");
    // Five signs, and the silence that is allowed after the last of them.
    assert_eq!(began.elapsed().as_secs(), 5 * TICK.as_secs() + IDLE.as_secs());
}

#[test]
fn an_idle_step_is_tried_again_and_passed_over_like_any_that_fails() {
    let (clock, world) = seeded();
    let silent = slow("s", &world, |_| ());
    let step = silent.idle_timeout(Duration::from_secs(1)).retries(1).on_error(OnError::Skip);
    let workflow = of(step).world(world).build().unwrap();
    let output = clock.run(workflow.run("-").into_future()).unwrap();
    let skipped = output.step_at("s").unwrap();
    assert_eq!((skipped.status, skipped.attempts), (StepStatus::Skipped, 2));
}

#[tokio::test(start_paused = true)]
async fn time_in_which_a_step_waits_for_people_is_not_idle() {
    let step = Step::new("s", |cx: StepContext| async move {
        let answer: String = cx.wait("name").await?;
        Ok::<_, StepError>(answer)
    });
    // Something else goes on, so that the run is not left.
    let busy = Step::new("busy", |_: StepInput| async {
        tokio::time::sleep(Duration::from_mins(10)).await;
        "busy"
    });
    let both = Parallel::new("p").branch(step.idle_timeout(IDLE)).branch(busy);
    let workflow = of(both).store(Memory::default()).world(real_world()).build().unwrap();
    let paused = workflow.run("-").await.unwrap();
    let done = workflow.continue_run(&paused.run_id, [("p/s", Answer::submit("Ada"))]).await;
    assert_eq!(text(&done.unwrap()), r#"{"s":"Ada","busy":"busy"}"#);
}

#[test]
fn idle_timeouts_that_cannot_be_are_found() {
    let step = || Step::new("s", |text: String| async move { text });
    let second = Duration::from_secs(1);
    let inner = of(step()).build().unwrap();
    for (step, what) in [
        (step().idle_timeout(Duration::ZERO), "`idle_timeout` must be greater than zero"),
        (step().idle_timeout(second).timeout(second), "it is never reached"),
        (Step::workflow("s", inner).idle_timeout(second), "has no idle timeout of its own"),
    ] {
        let error = of(step).build().unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
}

#[tokio::test]
async fn progress_is_an_event_with_a_fraction() {
    let step = Step::new("s", |cx: StepContext| async move {
        cx.progress(0.4, "page 4 of 10");
        cx.progress(7.0, "too far");
        cx.progress(f64::NAN, "unknown");
        cx.note("no number");
        "done"
    });
    let (events, _) = streamed(of(step).build().unwrap().run("-")).await;
    let progress: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::StepProgress { content, progress } => {
                Some((content.text().into_owned(), *progress))
            }
            _ => None,
        })
        .collect();
    let expected = [
        ("page 4 of 10", Some(0.4)),
        ("too far", Some(1.0)),
        ("unknown", None),
        ("no number", None),
    ];
    assert_eq!(progress, expected.map(|(text, done)| (text.to_owned(), done)));
    let event = events.iter().find(|event| event.name() == "StepProgress").unwrap();
    assert_eq!(serde_json::to_value(event).unwrap()["progress"], 0.4);
}

/// Steps in nested containers that are idle for too long, one of which is tolerated.
fn nested(store: Memory, world: World) -> Workflow {
    let silent = |name: &str| slow(name, &world, |_| ()).idle_timeout(Duration::from_secs(1));
    let each =
        Map::new("m").over(|_| vec!["x", "y"]).step(part(silent("a").on_error(OnError::Skip)));
    let repeat = Loop::new("l").step(silent("b").retries(1).on_error(OnError::Skip)).at_most(2);
    Workflow::builder("w")
        .step(each)
        .step(Steps::new("s").step(repeat))
        .step(silent("end"))
        .store(store)
        .world(world)
        .build()
        .unwrap()
}

#[test]
fn resuming_recalls_which_steps_were_idle_for_too_long() {
    let (clock, world) = seeded();
    let store = Memory::default();
    let workflow = nested(store.clone(), world);
    let expected = clock.run(workflow.run("-").run_id("r").into_future()).unwrap_err().to_string();
    assert!(expected.starts_with("step `end` failed: it was idle for 1s"), "{expected}");
    let run = Arc::new("r".parse::<RunId>().unwrap());
    let facts = clock.run(store.load(&run, 0, usize::MAX)).unwrap();
    for cut in 1..facts.len() {
        let ((clock, world), store) = (seeded(), Memory::default());
        let past = facts[..cut].to_vec();
        let append = Append { run: (*run).clone(), facts: past, close: None, driver: None };
        clock.run(store.append(append)).unwrap();
        let again = nested(store, world);
        let error = clock.run(again.resume("r").into_future()).unwrap_err();
        assert_eq!(error.to_string(), expected, "cut at {cut}");
        let output = error.into_output().unwrap();
        let idle = output.walk().filter(|step| {
            step.error.as_ref().is_some_and(|error| error.message.contains("idle for 1s"))
        });
        let paths: Vec<_> = idle.map(|step| step.path.as_str()).collect();
        assert_eq!(paths, ["m#1/a", "m#2/a", "s/l#1/b", "s/l#2/b", "end"], "cut at {cut}");
    }
}
