//! Guardrails of steps.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use stepwright_core::guardrail::{AnyGuardrail, Guard, GuardVerdict};
use stepwright_core::journal::Append;
use stepwright_core::plan::OnError;
use stepwright_core::store::RunStore as _;
use stepwright_core::{
    ErrorCode, ErrorId, Event, EventKind, Memory, RunStatus, StepInput, StepStatus,
};
use stepwright_engine::{
    AnyStep, Condition, IntoStep as _, Loop, Map, Parallel, Router, Step, Steps, Workflow,
};

fn about(word: &'static str, verdict: GuardVerdict) -> AnyGuardrail {
    AnyGuardrail::of("words", move |checked, _| {
        let found = checked.content.text().contains(word);
        let verdict = if found { verdict.clone() } else { GuardVerdict::Allow };
        async move { Ok(verdict) }
    })
}

#[tokio::test]
async fn a_refusal_is_not_retried_and_policies_and_later_steps_see_its_class() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let work = move |text: String| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move { text + " secret" }
    };
    let guard = Guard::after(about("secret", GuardVerdict::refuse("it is secret")));
    let step = Step::new("Write", work).retries(3).guardrail(guard);
    let seen = Arc::new(Mutex::new(None));
    let noted = seen.clone();
    let tell = move |input: StepInput| {
        *noted.lock().unwrap() = input.failure.clone();
        async { "told" }
    };
    let workflow = Workflow::builder("W").step(step).on_failure(Step::new("Tell", tell));
    let error = workflow.build().unwrap().run("a").await.unwrap_err();
    assert_eq!(calls.load(Ordering::Relaxed), 1, "it is not tried again");
    let failure = error.output().unwrap().error.clone().unwrap();
    assert_eq!(failure.error.code, ErrorCode::Guardrail);
    assert_eq!(failure.error.id(), ErrorId::GUARDRAIL_REFUSED);
    let told = seen.lock().unwrap().clone().unwrap();
    assert_eq!((&*told.kind, told.code), ("guardrail", ErrorId::GUARDRAIL_REFUSED));

    let guard = Guard::before(about("a", GuardVerdict::refuse("no a")));
    let step = Step::new("Write", |text: String| async move { text })
        .guardrail(guard)
        .on_error(OnError::Fail.but(ErrorCode::Guardrail, OnError::Skip));
    let output = Workflow::builder("W").step(step).build().unwrap().run("a").await.unwrap();
    assert_eq!(output.step_at("Write").unwrap().status, StepStatus::Skipped);
}

#[tokio::test]
async fn a_step_that_is_executed_again_reads_the_reason_and_functions_on_threads_are_guarded_too() {
    let write = |input: StepInput| async move {
        match &input.feedback {
            None => "a long text".to_owned(),
            Some(feedback) => format!("{} after {}", feedback.feedback, feedback.previous),
        }
    };
    let guard = Guard::after(about("a long text", GuardVerdict::retry("shorter")));
    let step = Step::new("Write", write).guardrail(guard.retries(0));
    let error = Workflow::builder("W").step(step).build().unwrap().run("x").await.unwrap_err();
    assert!(error.to_string().contains("refused the output of the step: shorter"), "{error}");

    let first = AnyGuardrail::of("first", |checked, _| async move {
        if checked.content.text().starts_with("a long") {
            Ok(GuardVerdict::retry("shorter"))
        } else {
            Ok(GuardVerdict::Allow)
        }
    });
    let step = Step::new("Write", write).guardrail(Guard::after(first));
    let output = Workflow::builder("W").step(step).build().unwrap().run("x").await.unwrap();
    assert_eq!(output.content.text(), "shorter after a long text");

    let shout = |text: String| text.to_uppercase();
    let step = Step::blocking("Shout", shout)
        .prompt(|input: &StepInput| format!("{} bad", input.text()))
        .guardrail(Guard::before(about("bad", GuardVerdict::rewrite("fine"))));
    let output = Workflow::builder("W").step(step).build().unwrap().run("x").await.unwrap();
    assert_eq!(output.content.text(), "FINE", "the message of the prompt is judged");

    let inner = Workflow::builder("I").step(async |text: String| text).build().unwrap();
    let step = Step::workflow("I", inner).guardrail(Guard::before(about("", GuardVerdict::Allow)));
    let error = Workflow::builder("W").step(step).build().unwrap_err();
    assert!(error.to_string().contains("a workflow as a step has no guardrails"), "{error}");
}

#[tokio::test]
async fn a_guard_that_watches_stops_the_step_when_it_refuses() {
    let begun = Arc::new(tokio::sync::Notify::new());
    let begins = begun.clone();
    let work = move |_: String| {
        begins.notify_one();
        std::future::pending::<String>()
    };
    let watch = AnyGuardrail::of("watch", move |_, _| {
        let begun = begun.clone();
        async move {
            begun.notified().await;
            Ok(GuardVerdict::refuse("stop"))
        }
    });
    let step = Step::new("Wait", work).guardrail(Guard::before(watch).watching());
    let error = Workflow::builder("W").step(step).build().unwrap().run("x").await.unwrap_err();
    assert!(error.to_string().contains("guardrail `watch` refused"), "{error}");
}

type Judged = Arc<Mutex<Vec<String>>>;

fn guarded(judged: &Judged) -> Step {
    let counting = |place: fn(AnyGuardrail) -> Guard| {
        let judged = judged.clone();
        place(AnyGuardrail::of("counting", move |checked, _| {
            let text = format!("{} {}", checked.place.as_str(), checked.content);
            judged.lock().unwrap().push(text);
            let verdict = match checked.content.text().as_ref() {
                "rude" => GuardVerdict::retry("be polite"),
                text if text.ends_with('!') => GuardVerdict::rewrite(text.trim_end_matches('!')),
                _ => GuardVerdict::Allow,
            };
            async move { Ok(verdict) }
        }))
    };
    let work = |input: StepInput| async move {
        match input.feedback {
            None => "rude".to_owned(),
            Some(_) => format!("{} polite!", input.text()),
        }
    };
    Step::new("subject", work).guardrail(counting(Guard::before)).guardrail(counting(Guard::after))
}

fn containers(judged: &Judged) -> Vec<AnyStep> {
    let step = || guarded(judged);
    let beside = || Step::new("beside", |text: String| async move { text });
    let nested = Workflow::builder("nested").step(step()).build().unwrap();
    vec![
        step().into_step(),
        Steps::new("in").step(step()).into_step(),
        Parallel::new("in").branch(step()).branch(beside()).into_step(),
        Loop::new("in").step(step()).at_most(2).into_step(),
        Condition::constant("in", true).then(step()).into_step(),
        Router::constant("in", ["subject"]).choice(step()).choice(beside()).into_step(),
        Map::new("in").over(|_: &StepInput| vec!["x!", "y!"]).step(step()).into_step(),
        nested.into_step(),
    ]
}

async fn facts(store: &Memory) -> Vec<Event> {
    store.load(&"r".parse().unwrap(), 0, usize::MAX).await.unwrap()
}

#[tokio::test]
async fn in_every_container_a_cut_run_judges_no_content_of_a_step_twice() {
    let judged = Judged::default();
    for (nth, _) in containers(&judged).iter().enumerate() {
        let build = |store: &Memory| {
            let step = containers(&judged).swap_remove(nth);
            Workflow::builder("W").step(step).store(store.clone()).build().unwrap()
        };
        let store = Memory::default();
        let whole = build(&store).run("go!").run_id("r").await.unwrap();
        assert_eq!(whole.status, RunStatus::Completed);
        let all = std::mem::take(&mut *judged.lock().unwrap()).len();
        let journal = facts(&store).await;
        let verdicts = |facts: &[Event]| {
            let is_verdict = |fact: &&Event| matches!(fact.kind, EventKind::GuardrailJudged { .. });
            facts.iter().filter(is_verdict).count()
        };
        assert_eq!(verdicts(&journal), all, "container {nth}");
        assert!(all >= 3, "container {nth}");
        for at in 1..journal.len() {
            let store = Memory::default();
            let (run, facts) = (journal[0].run.clone(), journal[..at].to_vec());
            store.append(Append { run, facts, close: None, driver: None }).await.unwrap();
            let output = build(&store).resume("r").await.unwrap();
            assert_eq!(output.content, whole.content, "container {nth}, cut at {at}");
            let again = std::mem::take(&mut *judged.lock().unwrap()).len();
            let known = verdicts(&journal[..at]);
            assert_eq!(again, all - known, "container {nth}, cut at {at}");
        }
    }
}
