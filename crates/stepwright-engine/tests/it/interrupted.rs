//! Effects whose outcome is unknown, and answers that come after their deadlines.

use crate::support::{mark, of, part, text};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use stepwright_core::event::Reply;
use stepwright_core::journal::Append;
use stepwright_core::plan::{NodeKind, OnError, Plan, Retry, children};
use stepwright_core::requirement::RequirementKind;
use stepwright_core::store::Signal;
use stepwright_core::store::{Inbox as _, RunStore as _};
use stepwright_core::world::VirtualClock;
use stepwright_core::{
    Answer, ErrorCode, ErrorKind, Event, Executor, Fingerprint, HumanReview, Memory, OnInterrupted,
    OnTimeout, RunId, RunOutput, RunStatus, StepContext, StepError, StepInput, StepOutput, World,
};
use stepwright_engine::{Parallel, Step, Steps, Workflow, WorkflowBuilder};
use stepwright_testing::grammar;

/// A step that counts how often it is done.
fn counted(name: &str, count: &Arc<AtomicU32>) -> Step {
    let count = count.clone();
    Step::new(name, move |input: StepInput, cx: StepContext| {
        count.fetch_add(1, Ordering::SeqCst);
        let text = format!("{}x", input.text());
        async move {
            // So that others begin meanwhile.
            cx.world().sleep(Duration::from_millis(1)).await;
            text
        }
    })
}

/// An executor that acts on the outside.
struct Acts(Arc<AtomicU32>);

impl Executor for Acts {
    fn name(&self) -> &'static str {
        "acts"
    }

    fn on_interrupted(&self) -> OnInterrupted {
        OnInterrupted::Ask
    }

    async fn execute(&self, _: StepInput, _: StepContext) -> Result<StepOutput, StepError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok("acted".into())
    }
}

/// Processes that share a store and a clock.
#[derive(Clone, Default)]
struct Place {
    clock: VirtualClock,
    memory: Memory,
}

impl Place {
    fn build(&self, builder: WorkflowBuilder) -> Workflow {
        let world = World::new(self.clock.clone(), 7);
        builder.store(self.memory.clone()).world(world).build().unwrap()
    }

    fn facts(&self) -> Vec<Event> {
        let run = RunId::new("r").unwrap();
        self.clock.run(self.memory.load(&run, 0, usize::MAX)).unwrap()
    }

    /// Another process, that finds what was recorded up to the last fact of this name.
    fn dies_after(&self, name: &str) -> Self {
        let facts = self.facts();
        let last = facts.iter().rposition(|fact| fact.name() == name).unwrap();
        self.cut(last + 1)
    }

    fn cut(&self, at: usize) -> Self {
        let facts = self.facts()[..at].to_vec();
        let place = Self { clock: self.clock.clone(), memory: Memory::default() };
        let run = RunId::new("r").unwrap();
        let append = Append { run, facts, close: None, driver: None };
        place.clock.run(place.memory.append(append)).unwrap();
        place
    }

    fn names(&self) -> Vec<&'static str> {
        self.facts().iter().map(Event::name).collect()
    }
}

fn ids(output: &RunOutput) -> Vec<&str> {
    output.requirements.iter().map(|asked| &*asked.id).collect()
}

/// A run that was cut off in its only step, with this policy.
fn cut_off(policy: Option<OnInterrupted>) -> (Place, Arc<AtomicU32>, Workflow) {
    let (place, count) = (Place::default(), Arc::default());
    let step = |count| match policy {
        Some(policy) => counted("a", count).on_interrupted(policy),
        None => counted("a", count),
    };
    let earlier = Arc::default();
    let first = place.build(of(step(&earlier)).step(mark("!")));
    place.clock.run(first.run("-").run_id("r").into_future()).unwrap();
    let place = place.cut(2);
    let workflow = place.build(of(step(&count)).step(mark("!")));
    (place, count, workflow)
}

#[test]
fn a_function_that_was_cut_off_runs_again() {
    let (place, count, workflow) = cut_off(None);
    let done = place.clock.run(workflow.resume("r").into_future()).unwrap();
    assert_eq!((text(&done).as_str(), count.load(Ordering::SeqCst)), ("-x!", 1));
    assert!(!place.names().contains(&"StepAttemptStarted"), "it costs no fact");
}

#[test]
fn a_step_that_fails_when_it_was_cut_off_says_that_its_outcome_is_unknown() {
    let (place, count, workflow) = cut_off(Some(OnInterrupted::Fail));
    let failed = place.clock.run(workflow.resume("r").into_future()).unwrap_err();
    assert_eq!(
        failed.to_string(),
        "step `a` failed: its process died while it was under way: it may have been done, or not"
    );
    let failure = failed.output().unwrap().error.clone().unwrap();
    assert_eq!((failure.error.code, failure.attempts), (ErrorCode::OutcomeUnknown, 1));
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

#[test]
fn a_person_says_what_came_of_a_step_that_was_cut_off() {
    let (place, count, workflow) = cut_off(Some(OnInterrupted::Ask));
    let paused = place.clock.run(workflow.resume("r").into_future()).unwrap();
    assert_eq!((paused.status, ids(&paused)), (RunStatus::Paused, vec!["a!interrupted"]));
    let asked = &paused.requirements[0];
    assert_eq!(asked.kind, RequirementKind::Interrupted { effect: "step a".into(), attempt: 1 });
    assert_eq!(&*asked.message, "Was `a` done? Its process died while it was under way.");
    let paused_at = place.facts().len();

    let answer = |answer| {
        let place = place.cut(paused_at);
        let again = place
            .build(of(counted("a", &count).on_interrupted(OnInterrupted::Ask)).step(mark("!")));
        let answers = [("a", answer)];
        (place.clock.run(again.continue_run("r", answers).into_future()), place)
    };
    let (done, _) = answer(Answer::submit("given"));
    assert_eq!((text(&done.unwrap()).as_str(), count.load(Ordering::SeqCst)), ("given!", 0));
    let (failed, _) = answer(Answer::reject("no idea"));
    let failed = failed.unwrap_err();
    assert!(failed.to_string().contains("it was given up: no idea"), "{failed}");
    let failure = failed.output().unwrap().error.clone().unwrap();
    assert_eq!(failure.error.code, ErrorCode::OutcomeUnknown);
    assert_eq!(count.load(Ordering::SeqCst), 0);
    let (done, place) = answer(Answer::Retry);
    assert_eq!((text(&done.unwrap()).as_str(), count.load(Ordering::SeqCst)), ("-x!", 1));
    grammar::check(&place.facts());

    // Dies again while it runs again: that is another question. Dies between the answer and the
    // run: it is not asked twice.
    for (name, question) in
        [("StepAttemptStarted", Some("a!interrupted:2")), ("StepContinued", None)]
    {
        let place = place.dies_after(name);
        let count = Arc::default();
        let again = place
            .build(of(counted("a", &count).on_interrupted(OnInterrupted::Ask)).step(mark("!")));
        let output = place.clock.run(again.resume("r").into_future()).unwrap();
        assert_eq!(ids(&output), question.into_iter().collect::<Vec<_>>(), "{name}");
        assert_eq!(count.load(Ordering::SeqCst), u32::from(question.is_none()), "{name}");
    }
}

#[test]
fn what_resumes_a_run_answers_for_all() {
    for (answer, count) in [(OnInterrupted::Retry, 2), (OnInterrupted::Fail, 0)] {
        let (place, tries) = (Place::default(), Arc::<AtomicU32>::default());
        let build = |place: &Place| {
            let both = Parallel::new("both")
                .branch(counted("a", &tries).on_interrupted(OnInterrupted::Ask))
                .branch(counted("b", &tries).on_interrupted(OnInterrupted::Ask));
            place.build(of(both))
        };
        place.clock.run(build(&place).run("-").run_id("r").into_future()).unwrap();
        let place = place.dies_after("StepStarted");
        let begun = place.facts().iter().filter(|fact| fact.name() == "StepStarted").count();
        assert_eq!(begun, 2);
        tries.store(0, Ordering::SeqCst);
        let workflow = build(&place);
        // Asked first, or not: it is the same.
        if answer == OnInterrupted::Retry {
            let paused = place.clock.run(workflow.resume("r").into_future()).unwrap();
            assert_eq!(paused.requirements.len(), 2);
        }
        let resumed = workflow.resume("r").interrupted(answer).into_future();
        let resumed = place.clock.run(resumed);
        assert_eq!(tries.load(Ordering::SeqCst), count);
        if answer == OnInterrupted::Retry {
            assert_eq!(text(&resumed.unwrap()), r#"{"a":"-x","b":"-x"}"#);
        } else {
            let failure = resumed.unwrap_err().output().unwrap().error.clone().unwrap();
            assert_eq!(failure.error.code, ErrorCode::OutcomeUnknown);
        }
        let answered = place.facts().iter().filter(|fact| fact.kind.reply().is_some()).count();
        assert_eq!(answered, 2, "the answers are facts");
        grammar::check(&place.facts());
    }
}

/// The policy of each step, by name.
fn policies(plan: &Plan) -> Vec<(String, OnInterrupted)> {
    fn collect(nodes: &[stepwright_core::plan::Node], found: &mut Vec<(String, OnInterrupted)>) {
        for node in nodes {
            if let NodeKind::Step { on_interrupted, .. } = node.kind {
                found.push((node.name.to_string(), on_interrupted));
            }
            for inside in children(node) {
                collect(inside, found);
            }
        }
    }
    let mut found = Vec::new();
    collect(&plan.body, &mut found);
    found
}

#[test]
fn the_nearest_policy_counts_and_the_executors_own_comes_last() {
    use OnInterrupted::{Ask, Fail, Retry};
    let acts = |name: &str| Step::new(name, Acts(Arc::default()));
    let inner = |policy: Option<OnInterrupted>| {
        let inner = Workflow::builder("inner").step(acts("deep")).step(mark("pure"));
        match policy {
            Some(policy) => inner.on_interrupted(policy),
            None => inner,
        }
        .build()
        .unwrap()
    };
    let builder = || {
        Workflow::builder("w")
            .step(acts("acts"))
            .step(mark("function"))
            .step(acts("own").on_interrupted(Fail))
            .step(
                Steps::new("steps")
                    .on_interrupted(Fail)
                    .step(acts("a"))
                    .step(mark("b").on_interrupted(Ask)),
            )
            .step(Step::workflow("silent", inner(None)))
            .step(Step::workflow("said", inner(Some(Ask))))
            .step(Step::workflow("around", inner(None)).on_interrupted(Fail))
    };
    let of = |workflow: &Workflow| {
        policies(workflow.plan()).into_iter().map(|(_, policy)| policy).collect::<Vec<_>>()
    };
    let silent = builder().build().unwrap();
    assert_eq!(of(&silent), [Ask, Retry, Fail, Fail, Ask, Ask, Retry, Ask, Ask, Fail, Fail]);
    // The setting of the whole workflow counts for commands, too.
    let loud = builder().on_interrupted(Retry).build().unwrap();
    assert_eq!(of(&loud), [Retry, Retry, Fail, Fail, Ask, Retry, Retry, Ask, Ask, Fail, Fail]);
    assert_ne!(silent.digest(), loud.digest());
}

/// An executor with everything that a wrapper has to pass on.
struct Whole(&'static str);

impl Executor for Whole {
    fn name(&self) -> &'static str {
        "whole"
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::default().with("instructions", self.0)
    }

    fn on_interrupted(&self) -> OnInterrupted {
        OnInterrupted::Ask
    }

    fn asks(&self) -> bool {
        true
    }

    async fn execute(&self, _: StepInput, cx: StepContext) -> Result<StepOutput, StepError> {
        let said: String = cx.wait("price").await?;
        Ok(said.into())
    }
}

#[tokio::test]
async fn a_step_with_a_prompt_keeps_what_its_executor_tells() {
    let build = |text| {
        let step = Step::new("a", Whole(text)).prompt(|input: &StepInput| input.text());
        of(step).build().unwrap()
    };
    let workflow = build("one");
    assert_ne!(workflow.digest(), build("two").digest(), "its content is part of the digest");
    assert_eq!(policies(workflow.plan())[0].1, OnInterrupted::Ask);
    // A run that asks a person is kept in memory if there is no store, so that it can be answered.
    let paused = workflow.run("-").run_id("r").await.unwrap();
    let asked = paused.requirements[0].id.to_string();
    let done = workflow.continue_run("r", [(asked, Answer::submit("5 EUR"))]).await.unwrap();
    assert_eq!(text(&done), "5 EUR");
}

#[test]
fn a_step_that_waits_when_its_process_dies_is_not_of_unknown_outcome() {
    let place = Place::default();
    let build = |place: &Place| {
        let step = Step::new("a", |cx: StepContext| async move {
            let said: String = cx.wait("price").await?;
            cx.sleep_for("cool down", Duration::from_mins(1)).await?;
            Ok::<_, StepError>(said)
        });
        place.build(of(step.on_interrupted(OnInterrupted::Ask)))
    };
    let first = build(&place);
    let paused = place.clock.run(first.run("-").run_id("r").into_future()).unwrap();
    let asked = paused.requirements[0].id.to_string();
    let waits = place.facts().len();
    let answers = [(asked.clone(), Answer::submit("5 EUR"))];
    place.clock.run(first.continue_run("r", answers.clone()).into_future()).unwrap();
    // Where it waits: for the answer, and for the moment.
    for cut in [place.cut(waits - 1), place.cut(waits)] {
        let workflow = build(&cut);
        let again = cut.clock.run(workflow.resume("r").into_future()).unwrap();
        assert_eq!(ids(&again), [&*asked]);
    }
    let sleeps = place.facts().iter().rposition(|fact| fact.name() == "StepPaused").unwrap();
    let cut = place.cut(sleeps + 1);
    let done = cut.clock.run(build(&cut).resume("r").into_future()).unwrap();
    assert_eq!(text(&done), "5 EUR");
    // Where it goes on: with the answer, and when the moment has come.
    let facts = place.facts();
    let replies = facts.iter().enumerate().filter(|(_, fact)| fact.kind.reply().is_some());
    for (at, fact) in replies {
        let cut = place.cut(at + 1);
        let again = cut.clock.run(build(&cut).resume("r").into_future()).unwrap();
        assert_eq!(ids(&again), ["a!interrupted"], "{fact:?}");
    }
}

#[test]
fn later_attempts_are_known_to_have_begun() {
    let place = Place::default();
    let build = |place: &Place, tries: &Arc<AtomicU32>| {
        let tries = tries.clone();
        let flaky = Step::new("a", move |cx: StepContext| {
            tries.fetch_add(1, Ordering::SeqCst);
            async move {
                match cx.attempt() {
                    1 => Err(StepError::new("flaky")),
                    nth => Ok(format!("attempt {nth}")),
                }
            }
        });
        place.build(of(flaky.retries(2).on_interrupted(OnInterrupted::Ask)))
    };
    place.clock.run(build(&place, &Arc::default()).run("-").run_id("r").into_future()).unwrap();
    assert_eq!(
        place.names(),
        [
            "WorkflowStarted",
            "StepStarted",
            "StepRetrying",
            "StepAttemptStarted",
            "StepCompleted",
            "WorkflowCompleted"
        ]
    );
    for (name, asks) in
        [("StepStarted", true), ("StepRetrying", false), ("StepAttemptStarted", true)]
    {
        let (cut, tries) = (place.dies_after(name), Arc::default());
        let workflow = build(&cut, &tries);
        let output = cut.clock.run(workflow.resume("r").into_future()).unwrap();
        assert_eq!(output.is_paused(), asks, "{name}");
        assert_eq!(tries.load(Ordering::SeqCst), u32::from(!asks), "{name}");
        if asks {
            let answers = [("a", Answer::Retry)];
            let done = cut.clock.run(workflow.continue_run("r", answers).into_future()).unwrap();
            assert_eq!(text(&done), "attempt 2", "{name}");
        }
        grammar::check(&cut.facts());
    }
}

/// A step whose first attempts take too long.
fn slow(attempts: u32, tries: &Arc<AtomicU32>) -> Step {
    let tries = tries.clone();
    let step = Step::new("slow", move |cx: StepContext| {
        tries.fetch_add(1, Ordering::SeqCst);
        async move {
            if cx.attempt() <= attempts {
                std::future::pending::<()>().await;
            }
            format!("attempt {}", cx.attempt())
        }
    });
    let retry = Retry { retries: 3, jitter: false, ..Retry::default() };
    step.retry(retry).timeout(Duration::from_secs(2))
}

#[test]
fn an_attempt_that_timed_out_is_not_repeated_before_a_person_says_so() {
    let (place, tries) = (Place::default(), Arc::<AtomicU32>::default());
    let workflow = place.build(of(slow(1, &tries).on_interrupted(OnInterrupted::Ask)));
    let paused = place.clock.run(workflow.run("-").run_id("r").into_future()).unwrap();
    assert_eq!((ids(&paused), tries.load(Ordering::SeqCst)), (vec!["slow!outcome"], 1));
    assert_eq!(&*paused.requirements[0].message, "Was `slow` done? It took longer than 2s.");
    let answers = [("slow", Answer::Retry)];
    let done = place.clock.run(workflow.continue_run("r", answers).into_future()).unwrap();
    assert_eq!((text(&done).as_str(), tries.load(Ordering::SeqCst)), ("attempt 2", 2));
    grammar::check(&place.facts());

    // By the definition it fails, and functions run again as they do otherwise.
    let place = Place::default();
    let workflow = place.build(of(slow(1, &tries).on_interrupted(OnInterrupted::Fail)));
    let failed = place.clock.run(workflow.run("-").run_id("r").into_future()).unwrap_err();
    assert_eq!(
        failed.to_string(),
        "step `slow` failed: it took longer than 2s: it may have been done, or not"
    );
    let code =
        |error: &stepwright_core::Error| error.output().unwrap().error.as_ref().unwrap().error.code;
    assert_eq!(code(&failed), ErrorCode::OutcomeUnknown);
    let place = Place::default();
    let workflow = place.build(of(slow(1, &tries)));
    let done = place.clock.run(workflow.run("-").run_id("r").into_future()).unwrap();
    assert_eq!(text(&done), "attempt 2");

    // Where nothing would repeat it, it has failed as it failed.
    let place = Place::default();
    let step = slow(1, &tries).retries(0).on_interrupted(OnInterrupted::Ask);
    let failed = place.clock.run(place.build(of(step)).run("-").run_id("r").into_future());
    assert_eq!(code(&failed.unwrap_err()), ErrorCode::TimedOut);
}

#[test]
fn an_executor_can_say_itself_that_the_outcome_is_unknown() {
    let place = Place::default();
    let build = |policy| {
        let step = Step::new("pay", || async {
            let error = StepError::new("the request was sent, and the connection was lost");
            Err::<String, _>(error.with_code(ErrorCode::OutcomeUnknown))
        });
        of(step
            .on_interrupted(policy)
            .on_error(OnError::Fail.but(ErrorCode::OutcomeUnknown, OnError::Skip)))
        .step(mark("!"))
    };
    let asks = place.build(build(OnInterrupted::Ask));
    let paused = place.clock.run(asks.run("-").run_id("r").into_future()).unwrap();
    assert_eq!(ids(&paused), ["pay!outcome"]);
    let answers = [("pay", Answer::submit("paid"))];
    let done = place.clock.run(asks.continue_run("r", answers).into_future()).unwrap();
    assert_eq!(text(&done), "paid!");
    let fails = place.build(build(OnInterrupted::Fail));
    let skipped = place.clock.run(fails.run("-").run_id("q").into_future()).unwrap();
    assert_eq!(text(&skipped), "-!", "`on_error` sees the code");
}

#[test]
fn a_run_that_is_not_stored_fails_where_a_person_would_be_asked() {
    let clock = VirtualClock::default();
    let step = Step::new("pay", || async {
        Err::<String, _>(StepError::new("lost").with_code(ErrorCode::OutcomeUnknown))
    });
    let workflow = of(step.on_interrupted(OnInterrupted::Ask))
        .world(World::new(clock.clone(), 7))
        .build()
        .unwrap();
    let failed = clock.run(workflow.run("-").into_future()).unwrap_err();
    let error = failed.output().unwrap().error.clone().unwrap().error;
    assert_eq!(error.code, ErrorCode::OutcomeUnknown);
    assert!(error.hint.unwrap().contains("a person cannot be asked"), "{failed}");
}

#[test]
fn a_run_in_the_background_takes_no_answer_for_all() {
    let (place, _, workflow) = cut_off(Some(OnInterrupted::Ask));
    let resume = workflow.resume("r").interrupted(OnInterrupted::Retry);
    let refused = place.clock.run(resume.background()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Usage);
}

// --- answers and their deadlines ---

fn gate() -> WorkflowBuilder {
    let minute = Duration::from_mins(1);
    let review = HumanReview::new()
        .requires_confirmation("Deploy?")
        .timeout(minute)
        .on_timeout(OnTimeout::Reject);
    of(mark("gate").human_review(review)).step(mark("!"))
}

/// A run that waits at the gate, and the clock that stands so long after it began to.
fn waits_for(place: &Place, seconds: u64) -> Workflow {
    let workflow = place.build(gate());
    let paused = place.clock.run(workflow.run("-").run_id("r").into_future()).unwrap();
    assert!(paused.is_paused());
    place.clock.run(World::new(place.clock.clone(), 1).sleep(Duration::from_secs(seconds)));
    workflow
}

fn approval(place: &Place, id: &str) -> Signal {
    let reply = Reply {
        requirement_id: id.into(),
        answer: Answer::Approve,
        by: Some("anna".into()),
        timed_out: false,
    };
    let now = World::new(place.clock.clone(), 1).now();
    Signal::answer(RunId::new("r").unwrap(), reply, now)
}

#[test]
fn an_answer_after_the_deadline_is_refused_and_recorded_although_no_driver_looked_before() {
    let place = Place::default();
    let workflow = waits_for(&place, 61);
    let late = workflow.continue_run("r", [("gate", Answer::Approve)]).answered_by("anna");
    let late = place.clock.run(late.into_future()).unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Usage);
    assert_eq!(
        late.to_string(),
        "the answer to `gate!confirm` came too late: its deadline was 2026-05-28 20:27:40 UTC, and \
         `approve` by anna came at 2026-05-28 20:27:41 UTC"
    );
    let output = late.output().unwrap();
    assert_eq!((output.status, text(output).as_str()), (RunStatus::Completed, "-!"));
    assert_eq!(output.refused_answers.len(), 1);
    assert_eq!(output.refused_answers[0].to_string(), late.to_string());
    let facts = place.facts();
    let refused = facts.iter().position(|fact| fact.name() == "AnswerRefused").unwrap();
    let timed_out = facts.iter().position(|fact| fact.kind.reply().is_some_and(|r| r.timed_out));
    assert!(refused < timed_out.unwrap(), "the deadline passes after the refusal is told");
    grammar::check(&facts);
}

#[test]
fn an_answer_counts_by_when_it_came_and_not_by_when_a_driver_looks() {
    for (after, counts) in [(59, true), (60, true), (61, false)] {
        let place = Place::default();
        let workflow = waits_for(&place, after);
        let signal = approval(&place, "gate!confirm");
        assert!(place.clock.run(place.memory.submit(signal)).unwrap());
        place.clock.run(World::new(place.clock.clone(), 1).sleep(Duration::from_hours(1)));
        let done = place.clock.run(workflow.resume("r").into_future()).unwrap();
        assert_eq!(text(&done) == "-gate!", counts, "{after} s");
        assert_eq!(done.refused_answers.is_empty(), counts, "{after} s");
    }
}

#[test]
fn the_deadline_of_a_container_and_the_end_of_the_run_are_deadlines_of_the_answers_inside() {
    let minute = Duration::from_mins(1);
    let ask = || mark("gate").human_review(HumanReview::new().requires_confirmation("Deploy?"));
    let inside = of(Steps::new("board").timeout(minute).step(ask()));
    let whole = of(ask()).timeout(minute);
    for builder in [inside, whole] {
        let place = Place::default();
        let workflow = place.build(builder);
        let paused = place.clock.run(workflow.run("-").run_id("r").into_future()).unwrap();
        let id = paused.requirements[0].id.to_string();
        place.clock.run(World::new(place.clock.clone(), 1).sleep(2 * minute));
        let late = workflow.continue_run("r", [(id, Answer::Approve)]).into_future();
        let late = place.clock.run(late).unwrap_err();
        assert!(late.to_string().contains("came too late: its deadline was"), "{late}");
        let output = late.output().unwrap();
        assert_eq!(output.error.as_ref().unwrap().error.code, ErrorCode::TimedOut);
        assert_eq!(output.refused_answers.len(), 1);
    }
}

#[test]
fn one_answer_that_is_late_keeps_the_others_of_its_call_from_counting() {
    let place = Place::default();
    let timed = HumanReview::new()
        .requires_confirmation("Deploy?")
        .timeout(Duration::from_mins(1))
        .on_timeout(OnTimeout::Reject);
    let free = HumanReview::new().requires_confirmation("Tell?");
    let both = Parallel::new("both")
        .branch(mark("a").human_review(timed))
        .branch(mark("b").human_review(free));
    let workflow = place.build(of(both));
    place.clock.run(workflow.run("-").run_id("r").into_future()).unwrap();
    place.clock.run(World::new(place.clock.clone(), 1).sleep(Duration::from_secs(61)));
    let answers = [("both/b", Answer::Approve), ("both/a", Answer::Approve)];
    let late = place.clock.run(workflow.continue_run("r", answers).into_future()).unwrap_err();
    let output = late.output().unwrap();
    assert_eq!(ids(output), ["both/b!confirm"], "it still asks");
    assert_eq!(output.refused_answers.len(), 1);
}

#[test]
fn an_answer_that_waits_in_the_inbox_is_taken_and_another_one_is_refused() {
    let place = Place::default();
    let workflow = waits_for(&place, 1);
    place.clock.run(place.memory.submit(approval(&place, "gate!confirm"))).unwrap();
    let other = workflow.continue_run("r", [("gate", Answer::reject("no"))]).into_future();
    let refused = place.clock.run(other).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "`gate!confirm` is already answered: the answer `approve` waits for the run"
    );
    let same = workflow.continue_run("r", [("gate", Answer::Approve)]).into_future();
    let done = place.clock.run(same).unwrap();
    assert_eq!(text(&done), "-gate!");
}

#[test]
fn attempts_of_journals_without_beginnings_are_read() {
    // As an earlier version wrote it: no fact tells that the second attempt began.
    let (place, tries) = (Place::default(), Arc::<AtomicU32>::default());
    let workflow = place.build(of(part(slow(1, &tries))));
    place.clock.run(workflow.run("-").run_id("r").into_future()).unwrap();
    assert!(!place.names().contains(&"StepAttemptStarted"));
    let cut = place.dies_after("StepRetrying");
    let done = cut.clock.run(cut.build(of(slow(1, &tries))).resume("r").into_future()).unwrap();
    assert_eq!(text(&done), "attempt 2");
}
