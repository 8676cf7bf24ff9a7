//! Drives a run whose effects a recording answers.

use crate::clock::PlaybackClock;
use crate::difference::Difference;
use crate::format::{Cassette, Said};
use crate::tape::Tape;
use futures_util::StreamExt as _;
use futures_util::future::FutureExt as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stepwright_core::executor::RunInput;
use stepwright_core::playback::{Busy, Player};
use stepwright_core::requirement::{Requirement, RequirementKind};
use stepwright_core::{Answer, Error, ErrorId, Event, Memory, RunId, World};
use stepwright_engine::{IntoInput, Workflow, WorkflowBuilder};

/// The turns that all tasks get before the clock may jump.
const TURNS: usize = 64;

/// The jumps of the clock without a new event after which a run counts as stuck.
const JUMPS_MAX: u32 = 2_000;

/// The seed of the playback's chance. Jitter of retries differs from the recorded one and has no
/// effect on what happens.
const SEED: u64 = 7;

/// A run that was played.
pub(crate) struct Driven {
    pub(crate) facts: Vec<Event>,
    /// `false` if it was stopped at a difference.
    pub(crate) has_ended: bool,
}

struct Recorded(RunInput);

impl IntoInput for Recorded {
    fn into_input(self) -> Result<RunInput, Error> {
        Ok(self.0)
    }
}

/// Builds the workflow and plays a run of it, on a thread of its own.
pub(crate) fn play(
    cassette: &Cassette,
    builder: WorkflowBuilder,
    tape: &Tape,
    clock: &PlaybackClock,
) -> Result<Driven, Error> {
    std::thread::scope(|scope| {
        let work = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| {
                Error::usage(format!("the runtime of a test cannot be started: {error}"))
                    .with_id(ErrorId::THREADS_UNAVAILABLE)
            })?;
            let driven = runtime.block_on(driven(cassette, builder, tape, clock));
            runtime.shutdown_background();
            driven
        };
        // A test may itself run within a runtime, which cannot be entered again.
        let played = scope.spawn(work).join();
        played.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

async fn driven(
    cassette: &Cassette,
    builder: WorkflowBuilder,
    tape: &Tape,
    clock: &PlaybackClock,
) -> Result<Driven, Error> {
    let workflow = builder
        .store(Memory::default())
        .world(World::new(clock.clone(), SEED))
        .state(Player::new(tape.clone()))
        .build()?;
    if workflow.id().as_str() != cassette.workflow {
        let what = format!(
            "the recording is of workflow `{}`, and this is `{}`",
            cassette.workflow,
            workflow.id()
        );
        return Err(Error::usage(what).with_id(ErrorId::CASSETTE_UNFIT));
    }
    let mut run = workflow
        .run(Recorded(cassette.input.clone()))
        .additional_data(cassette.input.additional_data.clone())
        .run_id(cassette.run_id.as_str())
        .session_id(cassette.session_id.as_str())
        .session_state(cassette.state.clone());
    if let Some(user) = &cassette.user_id {
        run = run.user_id(user.as_str());
    }
    if let Some(limit) = cassette.timeout_ms {
        run = run.timeout(Duration::from_millis(limit));
    }
    let handle = run.background().await?;
    let mut events = handle.events(0).await?;
    let facts: Arc<Mutex<Vec<Event>>> = Arc::default();
    let people = People { workflow: &workflow, run: &cassette.run_id, said: &cassette.people };
    if let Some(after) = cassette.cancelled_after_ms {
        let (workflow, run, tape) = (workflow.clone(), cassette.run_id.clone(), tape.clone());
        tokio::spawn(async move {
            tape.until(after, u64::MAX - 1).await;
            let _ = workflow.cancel_run(&run).await;
        });
    }
    let following = async {
        while let Some(event) = events.next().await {
            let event = event?;
            if !event.is_fact() {
                continue;
            }
            if let Some(asked) = event.kind.requirement() {
                people.answer(asked, tape);
            }
            facts.lock().unwrap_or_else(PoisonError::into_inner).push(event);
        }
        Ok::<_, Error>(())
    };
    let count = || facts.lock().unwrap_or_else(PoisonError::into_inner).len();
    let differed = async {
        tape.differed().await;
        // What happened before is still to be read.
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
    };
    let has_ended = tokio::select! {
        biased;
        () = differed => false,
        ended = following => {
            ended?;
            true
        }
        () = jumping(clock, count) => {
            let what = "the replay does not end: it waits for something that was not recorded";
            tape.differs(Difference {
                at: String::new(),
                what: what.to_owned(),
                recorded: None,
                came: None,
                nearest: None,
            });
            false
        }
    };
    let facts = std::mem::take(&mut *facts.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Driven { facts, has_ended: has_ended && tape.differed().now_or_never().is_none() })
}

/// Lets the clock jump whenever nothing works. Returns when the run is stuck.
async fn jumping(clock: &PlaybackClock, count: impl Fn() -> usize) {
    let (mut known, mut jumps) = (0, 0);
    loop {
        let before = clock.activity();
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
        if Busy::is_any() {
            // Work on another thread takes real time.
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        }
        if clock.activity() != before {
            continue;
        }
        let events = count();
        jumps = if events == known { jumps + 1 } else { 0 };
        known = events;
        if jumps > JUMPS_MAX || !clock.advance() {
            return;
        }
    }
}

/// The people of a recording.
struct People<'a> {
    workflow: &'a Workflow,
    run: &'a RunId,
    said: &'a [Said],
}

impl People<'_> {
    /// Answers a request at the time at which it was answered.
    fn answer(&self, asked: &Requirement, tape: &Tape) {
        if !asked.needs_answer() {
            return;
        }
        let Some(said) = self.said.iter().find(|said| *said.id == *asked.id) else {
            return tape.differs(Difference {
                at: asked.path.to_string(),
                what: "a request to a person".to_owned(),
                recorded: None,
                came: Some(format!("{}: {}", asked.id, asked.message).into()),
                nearest: None,
            });
        };
        let Some(answer) = said.answer.clone() else { return };
        let (workflow, run, tape) = (self.workflow.clone(), self.run.clone(), tape.clone());
        let (id, at, after) = (said.id.clone(), asked.path.to_string(), said.after_ms);
        let kind = asked.kind.clone();
        tokio::spawn(async move {
            tape.until(after, u64::MAX - 2).await;
            let given =
                if let (RequirementKind::Event { name, key, .. }, Answer::Event { id, payload }) =
                    (&kind, &answer)
                {
                    let mut event = workflow.emit(name.clone()).id(id.clone());
                    if let Some(key) = key {
                        event = event.key(key.clone());
                    }
                    match event.payload(payload.clone()).await {
                        Ok(_) => workflow.resume(&run).background().await.map(drop),
                        Err(error) => Err(error),
                    }
                } else {
                    let given = workflow.continue_run(&run, [(id, answer.clone())]);
                    given.background().await.map(drop)
                };
            if let Err(error) = given {
                tape.differs(Difference {
                    at,
                    what: format!("the recorded answer of a person ({error})"),
                    recorded: serde_json::to_value(answer).ok(),
                    came: None,
                    nearest: None,
                });
            }
        });
    }
}
