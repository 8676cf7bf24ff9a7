//! Runs that wait for people, and go on.

use crate::support::{fails, mark, of, part, text};
use futures_util::StreamExt as _;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use stepwright_core::message::{AssistantTurn, Usage};
use stepwright_core::model::StopReason;
use stepwright_core::plan::{ErrorPolicy, OnError};
use stepwright_core::requirement::OnTimeout;
use stepwright_core::{
    Answer, ErrorCode, ErrorKind, EventKind, HumanReview, Memory, OnReject, RunOutput, RunStatus,
    StepContext, StepError, StepInput, StepStatus,
};
use stepwright_engine::{
    Condition, IntoStep, Loop, Map, Parallel, Router, Step, Steps, Workflow, WorkflowBuilder,
};
use stepwright_testing::grammar;

fn asked<M>(step: impl IntoStep<M>) -> WorkflowBuilder {
    of(step).store(Memory::default())
}

fn confirm() -> HumanReview {
    HumanReview::new().requires_confirmation("Go on?")
}

fn ids(output: &RunOutput) -> Vec<&str> {
    output.requirements.iter().map(|asked| &*asked.id).collect()
}

async fn go_on(workflow: &Workflow, paused: &RunOutput, answers: &[(&str, Answer)]) -> RunOutput {
    assert_eq!(paused.status, RunStatus::Paused);
    workflow.continue_run(&paused.run_id, answers.to_vec()).await.unwrap()
}

#[tokio::test]
async fn a_step_waits_for_a_confirmation_and_goes_on_with_it() {
    let workflow =
        asked(mark("a")).step(mark("b").human_review(confirm())).step(mark("c")).build().unwrap();
    let paused = workflow.run("-").await.unwrap();
    assert_eq!((paused.is_paused(), ids(&paused)), (true, vec!["b!confirm"]));
    let again = workflow.get_run(&paused.run_id).await.unwrap();
    assert_eq!(ids(&again), ["b!confirm"]);
    let done = go_on(&workflow, &paused, &[("b", Answer::Approve)]).await;
    assert_eq!((done.status, text(&done).as_str()), (RunStatus::Completed, "-abc"));
}

#[tokio::test]
async fn a_rejection_does_what_the_definition_says_and_leaves_a_trace() {
    let run = async |on_reject| {
        let step = mark("b").human_review(confirm().on_reject(on_reject));
        let workflow = asked(mark("a")).step(step).step(mark("c")).build().unwrap();
        let paused = workflow.run("-").await.unwrap();
        let answers = [("b", Answer::reject("no time"))];
        workflow.continue_run(&paused.run_id, answers).await
    };
    let skipped = run(OnReject::Skip).await.unwrap();
    assert_eq!(text(&skipped), "-ac");
    let step = skipped.step_at("b").unwrap();
    assert_eq!(step.status, StepStatus::Skipped);
    assert_eq!(step.error.as_ref().unwrap().message, "it was rejected: no time");
    let failed = run(OnReject::Fail).await.unwrap_err();
    assert_eq!(failed.to_string(), "step `b` failed: it was rejected: no time");
    let cancelled = run(OnReject::Cancel).await.unwrap_err();
    assert_eq!(cancelled.kind(), ErrorKind::Cancelled);
}

#[tokio::test]
async fn what_is_filled_in_reaches_the_step_and_wrong_answers_are_refused() {
    let schema = json!({
        "type": "object", "required": ["tone"],
        "properties": { "tone": { "type": "string", "enum": ["plain", "formal"] } },
    });
    let step = Step::new("write", |input: StepInput| async move {
        let tone = input.user_input.as_ref().unwrap()["tone"].clone();
        format!("{tone} / {}", input.prompt().text())
    });
    let step = step.human_review(HumanReview::new().requires_user_input("How?", schema));
    let workflow = asked(step).build().unwrap();
    let paused = workflow.run("ants").await.unwrap();
    let wrong = [("write", Answer::submit(json!({ "tone": "loud" })))];
    let refused = workflow.continue_run(&paused.run_id, wrong).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        r#"the answer to `write!input` does not fit: `tone` must be one of "plain", "formal""#
    );
    let right = Answer::submit(json!({ "tone": "plain" }));
    let done = go_on(&workflow, &paused, &[("write!input", right.clone())]).await;
    assert_eq!(text(&done), "\"plain\" / ants\n\nUser preferences:\n- tone: plain");
    let late = workflow.continue_run(&paused.run_id, [("write", right)]).await.unwrap_err();
    assert!(late.to_string().contains("has ended"), "{late}");
}

#[tokio::test]
async fn what_an_answer_leaves_out_has_the_default_of_the_form() {
    let schema = json!({
        "type": "object", "required": ["tone", "words"],
        "properties": {
            "tone": { "type": "string" }, "words": { "type": "integer", "default": 300 },
        },
    });
    let step = Step::new("write", |input: StepInput| async move {
        input.user_input.as_ref().unwrap()["words"].to_string()
    });
    let step = step.human_review(HumanReview::new().requires_user_input("How?", schema));
    let workflow = asked(step).build().unwrap();
    let paused = workflow.run("ants").await.unwrap();
    let answer = Answer::submit(json!({ "tone": "plain" }));
    let done = go_on(&workflow, &paused, &[("write!input", answer)]).await;
    assert_eq!(text(&done), "300");
}

#[tokio::test]
async fn an_output_is_approved_edited_or_made_again_with_what_was_said() {
    let tries = Arc::new(AtomicU32::new(0));
    let counted = tries.clone();
    let write = move |input: StepInput| {
        let nth = counted.fetch_add(1, Ordering::SeqCst) + 1;
        async move {
            let said = input.feedback.as_ref().map(|f| format!(" ({})", f.feedback));
            format!("draft {nth}{}", said.unwrap_or_default())
        }
    };
    let review = HumanReview::new().requires_output_review("Good?").max_retries(1);
    let step = Step::new("write", write).human_review(review);
    let workflow = asked(step).step(mark("!")).build().unwrap();

    let first = workflow.run("x").await.unwrap();
    let second = go_on(&workflow, &first, &[("write", Answer::reject("shorter"))]).await;
    assert_eq!(ids(&second), ["write!review:2"]);
    let done = go_on(&workflow, &second, &[("write", Answer::Approve)]).await;
    assert_eq!(text(&done), "draft 2 (shorter)!");
    assert_eq!(done.step_at("write").unwrap().attempts, 2);
    assert_eq!(tries.load(Ordering::SeqCst), 2, "what was approved is not made again");

    let first = workflow.run("x").await.unwrap();
    let edited = go_on(&workflow, &first, &[("write", Answer::edit("mine"))]).await;
    assert_eq!(text(&edited), "mine!");

    let first = workflow.run("x").await.unwrap();
    let second = go_on(&workflow, &first, &[("write", Answer::reject("no"))]).await;
    let no = [("write", Answer::reject("still no"))];
    let failed = workflow.continue_run(&second.run_id, no).await.unwrap_err();
    assert_eq!(
        failed.to_string(),
        "step `write` failed after 2 attempts: it was rejected: still no"
    );
}

#[tokio::test]
async fn several_wait_at_once_and_are_answered_in_any_order_while_others_go_on() {
    let branch = |name: &str| mark(name).human_review(confirm());
    let facts = Parallel::new("facts")
        .branch(branch("a"))
        .branch(Steps::new("deep").step(mark("x")).step(branch("b")))
        .branch(mark("c"));
    let workflow = asked(facts).build().unwrap();
    let paused = workflow.run("-").await.unwrap();
    assert_eq!(paused.step_at("facts/c").unwrap().status, StepStatus::Completed);
    let mut waits = ids(&paused);
    waits.sort_unstable();
    assert_eq!(waits, ["facts/a!confirm", "facts/deep/b!confirm"]);
    let half = go_on(&workflow, &paused, &[("facts/deep/b", Answer::Approve)]).await;
    assert_eq!(ids(&half), ["facts/a!confirm"]);
    assert!(half.step_at("facts/deep/b").unwrap().success(), "it does not wait for the other");
    let twice = [("facts/deep/b", Answer::Approve)];
    let twice = workflow.continue_run(&paused.run_id, twice).await.unwrap_err();
    assert_eq!(
        twice.to_string(),
        "the answer to `facts/deep/b!confirm` comes too late: it has been answered"
    );
    let done = go_on(&workflow, &half, &[("facts/a", Answer::Approve)]).await;
    assert_eq!(text(&done), r#"{"a":"-a","deep":"-xb","c":"-c"}"#);
}

#[tokio::test]
async fn people_choose_routes_arms_of_conditions_and_the_end_of_loops() {
    let choose = HumanReview::new().requires_route_selection("Where?").allow_multiple_selections();
    let router =
        Router::constant("way", ["a"]).choice(mark("a")).choice(mark("b")).choice(mark("c"));
    let workflow = asked(router.human_review(choose)).build().unwrap();
    let paused = workflow.run("-").await.unwrap();
    let odd = [("way", Answer::select(["d"]))];
    let odd = workflow.continue_run(&paused.run_id, odd).await.unwrap_err();
    assert_eq!(odd.to_string(), "`d` is no choice of `way!route`: there are `a`, `b`, `c`");
    let done = go_on(&workflow, &paused, &[("way", Answer::select(["c", "a"]))]).await;
    assert_eq!(text(&done), "-ca");

    for (answer, wanted) in [(Answer::Approve, "-yes"), (Answer::reject(""), "-no")] {
        let condition = Condition::constant("if", true).then(mark("yes")).otherwise(mark("no"));
        let workflow = asked(condition.human_review(confirm())).build().unwrap();
        let paused = workflow.run("-").await.unwrap();
        assert_eq!(text(&go_on(&workflow, &paused, &[("if", answer)]).await), wanted);
    }

    let review = HumanReview::new().requires_iteration_review("Enough?");
    let body = Step::new("turn", |input: StepInput| async move {
        let said = input.feedback.as_ref().map(|f| f.feedback.to_string());
        format!("{}{}", input.text(), said.unwrap_or_default())
    });
    let workflow = asked(Loop::new("loop").step(body).forward().at_most(5).human_review(review));
    let workflow = workflow.build().unwrap();
    let one = workflow.run("-").await.unwrap();
    assert_eq!(ids(&one), ["loop#1!review"]);
    let two = go_on(&workflow, &one, &[("loop#1", Answer::reject("x"))]).await;
    let three = go_on(&workflow, &two, &[("loop#2", Answer::reject("y"))]).await;
    let done = go_on(&workflow, &three, &[("loop#3", Answer::Approve)]).await;
    assert_eq!(text(&done), "-xy");
}

#[tokio::test]
async fn a_failure_can_wait_for_somebody_to_decide() {
    let tries = Arc::new(AtomicU32::new(0));
    let counted = tries.clone();
    let flaky = Step::new("b", move |input: StepInput| {
        let nth = counted.fetch_add(1, Ordering::SeqCst);
        async move { if nth < 2 { Err("no luck") } else { Ok(input.text() + "b") } }
    });
    let workflow = asked(flaky.on_error(OnError::Pause)).step(mark("c")).build().unwrap();
    let one = workflow.run("-").await.unwrap();
    assert_eq!(&*one.requirements[0].message, "`b` failed: no luck");
    let two = go_on(&workflow, &one, &[("b", Answer::Retry)]).await;
    assert_eq!(ids(&two), ["b!error:2"]);
    let done = go_on(&workflow, &two, &[("b", Answer::Retry)]).await;
    assert_eq!((text(&done).as_str(), tries.load(Ordering::SeqCst)), ("-bc", 3));

    for (answer, wanted) in [(Answer::Skip, Some("-c")), (Answer::reject("no"), None)] {
        let broken = Steps::new("all").step(fails("b")).on_error(OnError::Pause);
        let workflow = asked(broken).step(mark("c")).build().unwrap();
        let paused = workflow.run("-").await.unwrap();
        let retry = [("all", Answer::Retry)];
        assert!(workflow.continue_run(&paused.run_id, retry).await.is_err(), "steps are retried");
        let done = workflow.continue_run(&paused.run_id, [("all", answer)]).await;
        assert_eq!(done.as_ref().map(text).ok().as_deref(), wanted);
    }
}

#[tokio::test]
async fn a_function_waits_in_its_middle_and_does_once_what_is_done_once() {
    let charged = Arc::new(AtomicU32::new(0));
    let counted = charged.clone();
    let order = Step::new("order", move |cx: StepContext| {
        let counted = counted.clone();
        async move {
            let charge = async { Ok::<_, StepError>(counted.fetch_add(1, Ordering::SeqCst) + 40) };
            let receipt: u32 = cx.once("charge", charge).await?;
            let price: u32 = cx.wait("price").message("How much?").await?;
            Ok::<_, StepError>(format!("{receipt}+{price}"))
        }
    });
    let each = Map::new("each").over(|_: &StepInput| vec!["x", "y"]).step(part(order));
    let workflow = asked(each).build().unwrap();
    let paused = workflow.run("-").await.unwrap();
    assert_eq!(ids(&paused), ["each#1/order!wait:price", "each#2/order!wait:price"]);
    let answers =
        [("each#2/order", Answer::submit(2)), ("each#1/order!wait:price", Answer::submit(1))];
    let done = go_on(&workflow, &paused, &answers).await;
    assert_eq!((text(&done).as_str(), charged.load(Ordering::SeqCst)), (r#"["40+1","41+2"]"#, 2));
}

#[tokio::test]
async fn what_a_step_has_consumed_is_told_while_it_waits() {
    let order = Step::new("order", |cx: StepContext| async move {
        if cx.past().is_empty() {
            cx.record(EventKind::ModelRequestStarted { turn: 1, reserved: None, purpose: None })
                .await?;
            let answer = std::sync::Arc::new(AssistantTurn::text_only("How much?"));
            let usage = Usage { input_tokens: Some(10), ..Usage::default() };
            let stop = StopReason::EndTurn;
            let warning = None;
            cx.record(EventKind::ModelRequestCompleted {
                turn: 1,
                answer,
                stop,
                usage,
                warning,
                hosted_tools: Vec::new(),
                model: None,
                cost: None,
                purpose: None,
            })
            .await?;
        }
        let price: u32 = cx.wait("price").await?;
        Ok::<_, StepError>(price.to_string())
    });
    let workflow = asked(order).build().unwrap();
    let paused = workflow.run("-").await.unwrap();
    assert_eq!(paused.metrics.usage.input_tokens, Some(10));
    let done = go_on(&workflow, &paused, &[("order", Answer::submit(2))]).await;
    assert_eq!((done.metrics.usage.input_tokens, text(&done).as_str()), (Some(10), "2"));
}

#[tokio::test]
async fn deadlines_come_without_anybody_calling() {
    let outcome = async |on_timeout: Option<OnTimeout>| {
        let mut review = confirm().timeout(Duration::from_millis(20));
        if let Some(on_timeout) = on_timeout {
            review = review.on_timeout(on_timeout);
        }
        let workflow = asked(mark("a").human_review(review)).step(mark("b")).build().unwrap();
        let paused = workflow.run("-").await.unwrap();
        assert!(paused.is_paused());
        let handle = workflow.handle(&paused.run_id).await.unwrap();
        handle.wait().await.map(|output| text(&output)).map_err(|error| error.to_string())
    };
    assert_eq!(outcome(Some(OnTimeout::Approve)).await.unwrap(), "-ab");
    assert_eq!(outcome(Some(OnTimeout::Reject)).await.unwrap(), "-b");
    assert_eq!(
        outcome(None).await.unwrap_err(),
        "step `a` failed: no answer to `a!confirm` came in time"
    );
}

#[tokio::test]
async fn a_container_that_waits_for_too_long_fails_without_anybody_calling() {
    let asks = |on_error: ErrorPolicy| {
        let answered = mark("b").human_review(confirm());
        let both = Parallel::new("p").branch(mark("a")).branch(answered).on_error(on_error);
        asked(both.timeout(Duration::from_millis(40))).step(mark("z")).build().unwrap()
    };
    let workflow = asks(OnError::Fail.into());
    let paused = workflow.run("-").await.unwrap();
    // The run asks no person about the deadline, and accepts no answer to it.
    assert_eq!(ids(&paused), ["p/b!confirm"]);
    let refused = workflow.continue_run(&paused.run_id, [("p!deadline", Answer::Approve)]).await;
    assert_eq!(
        refused.unwrap_err().to_string(),
        "`p!deadline` waits for a moment, and takes no answer"
    );
    let handle = workflow.handle(&paused.run_id).await.unwrap();
    let failed = handle.wait().await.unwrap_err();
    assert_eq!(failed.to_string(), "step `p` failed: it took longer than 40ms");
    let output = failed.output().unwrap();
    assert_eq!(output.step_at("p/a").unwrap().status, StepStatus::Completed);
    assert!(output.requirements.is_empty() && output.step_at("z").is_none());
    let late = workflow.continue_run(&paused.run_id, [("p/b", Answer::Approve)]).await;
    assert!(late.unwrap_err().to_string().contains("has ended"));

    // The output before a step flows on past it if it is skipped for that.
    let workflow = asks(OnError::Fail.but(ErrorCode::TimedOut, OnError::Skip));
    let paused = workflow.run("-").await.unwrap();
    let handle = workflow.handle(&paused.run_id).await.unwrap();
    assert_eq!(text(&handle.wait().await.unwrap()), "-z");

    // An answer that comes in time ends it in time.
    let paused = workflow.run("-").await.unwrap();
    let done = go_on(&workflow, &paused, &[("p/b", Answer::Approve)]).await;
    assert_eq!(text(&done), r#"{"a":"-a","b":"-b"}z"#);
}

#[tokio::test]
async fn a_run_in_the_background_pauses_and_goes_on_and_can_be_followed_throughout() {
    let nap = Step::new("nap", |cx: StepContext| async move {
        cx.sleep_for("nap", Duration::from_millis(10)).await?;
        Ok::<_, StepError>("rested")
    });
    let workflow =
        asked(nap).step(mark("b").human_review(confirm())).step(mark("c")).build().unwrap();
    let handle = workflow.run("-").background().await.unwrap();
    let mut follower = handle.events(0).await.unwrap();
    let paused = handle.settled().await.unwrap();
    assert_eq!(ids(&paused), ["b!confirm"]);
    assert_eq!(handle.status().await.unwrap(), RunStatus::Paused);
    let answers = [("b", Answer::Approve)];
    workflow.continue_run(handle.run_id(), answers).background().await.unwrap();
    let done = handle.wait().await.unwrap();
    assert_eq!(text(&done), "restedbc");
    let mut events = Vec::new();
    while let Some(event) = follower.next().await {
        let event = event.unwrap();
        if event.is_fact() {
            events.push(event);
        }
    }
    grammar::check(&events);
    let late: Vec<_> = workflow.events(handle.run_id(), 3).await.unwrap().collect().await;
    assert_eq!(late.len(), events.len() - 3);
}

#[tokio::test]
async fn a_run_that_waits_can_be_cancelled_and_answers_after_that_are_refused() {
    let workflow = asked(mark("a").human_review(confirm())).build().unwrap();
    let paused = workflow.run("-").await.unwrap();
    assert!(workflow.cancel_run(&paused.run_id).await.unwrap());
    let run = workflow.get_run(&paused.run_id).await.unwrap();
    assert_eq!(run.status, RunStatus::Cancelled);
    assert!(!workflow.cancel_run(&paused.run_id).await.unwrap());
    let late = workflow.continue_run(&paused.run_id, [("a", Answer::Approve)]).await.unwrap_err();
    assert!(late.to_string().contains("has ended (CANCELLED)"), "{late}");
}

#[tokio::test]
async fn a_review_that_cannot_be_is_a_mistake_in_the_definition() {
    let wrong = |review: HumanReview| {
        let built = of(Steps::new("s").step(mark("a")).human_review(review)).build();
        built.unwrap_err().to_string().lines().skip(1).collect::<Vec<_>>().join("\n")
    };
    assert!(wrong(HumanReview::new()).contains("its human review asks for nothing"));
    assert!(wrong(confirm().on_reject(OnReject::Else)).contains("only a condition"));
    assert!(wrong(confirm().on_timeout(OnTimeout::Reject)).contains("without a `timeout`"));
    let again = HumanReview::new().requires_output_review("?").max_retries(2);
    assert!(wrong(again).contains("a container is not done again"));
}
