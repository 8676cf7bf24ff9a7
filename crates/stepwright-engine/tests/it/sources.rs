//! Error values: they stay reachable while the process lives.

use crate::support::mark;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use stepwright_core::plan::Retry;
use stepwright_core::{
    BoxError, Error, ErrorCode, Event, EventKind, Memory, StepContext, StepError, StepInput,
};
use stepwright_engine::{
    AnyStep, Condition, IntoStep as _, Loop, Map, Parallel, Router, Step, Steps, Workflow,
};

#[derive(Debug, PartialEq)]
struct Refused {
    account: u32,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "account {} is closed", self.account)
    }
}

impl StdError for Refused {}

async fn charge(_: String) -> Result<String, Refused> {
    Err(Refused { account: 7 })
}

fn refused(error: &Error) -> Option<&Refused> {
    error.source()?.downcast_ref()
}

fn of(step: AnyStep) -> Workflow {
    Workflow::builder("w").step(step).build().unwrap()
}

#[tokio::test]
async fn the_error_value_of_a_step_is_the_source_of_the_runs_error() {
    let inside: [AnyStep; 8] = [
        charge.into_step(),
        Step::blocking("c", |_: String| Err::<String, _>(Refused { account: 7 })).into_step(),
        Steps::new("s").step(charge).into_step(),
        Parallel::new("p").branch(mark("a")).branch(charge).into_step(),
        Loop::new("l").step(charge).at_most(2).into_step(),
        Condition::constant("c", true).then(charge).into_step(),
        Router::constant("r", ["charge"]).choice(charge).into_step(),
        Map::new("m").over(|_| vec!["x"]).step(charge).into_step(),
    ];
    for step in inside {
        let name = step.name().to_owned();
        let workflow = Workflow::builder("outer").step(of(step)).build().unwrap();
        let error = workflow.run("5 EUR").await.unwrap_err();
        assert_eq!(refused(&error), Some(&Refused { account: 7 }), "{name}: {error:?}");
        assert_eq!(error.report().matches("account 7 is closed").count(), 1, "{error:?}");
    }
}

#[tokio::test]
async fn deciders_streams_handles_and_retries_keep_the_error_value() {
    let decided = |_: StepInput| async { Err::<bool, _>(Refused { account: 8 }) };
    let condition = Condition::new_async("c", decided).then(mark("x"));
    let error = of(condition.into_step()).run("-").await.unwrap_err();
    assert_eq!(refused(&error), Some(&Refused { account: 8 }));

    let workflow = Workflow::builder("w").step(Step::new("s", charge)).store(Memory::default());
    let workflow = workflow.build().unwrap();
    let mut events = workflow.run("-").stream_events(true).stream();
    let mut seen = 0;
    while let Some(Event { kind, .. }) = futures_util::StreamExt::next(&mut events).await {
        if let EventKind::StepError { error, .. } | EventKind::WorkflowError { error, .. } = kind {
            seen += usize::from(error.source.get().is_some());
        }
    }
    assert_eq!(seen, 2);
    assert!(refused(&events.output().await.unwrap_err()).is_some());

    let handle = workflow.run("-").background().await.unwrap();
    assert!(refused(&handle.wait().await.unwrap_err()).is_some());
    let retried = Step::new("s", charge).retry(Retry { retries: 1, ..Retry::default() });
    assert!(refused(&of(retried.into_step()).run("-").await.unwrap_err()).is_some());
}

#[tokio::test]
async fn a_step_may_return_any_error_and_keeps_what_a_step_error_says() {
    async fn boxed(text: String) -> Result<String, BoxError> {
        let number: i64 = text.parse()?;
        if number < 0 {
            let error = StepError::terminal("it is negative").with_code(ErrorCode::BadInput);
            return Err(Wrapped(error).into());
        }
        Ok(number.to_string())
    }
    #[derive(Debug)]
    struct Wrapped(StepError);
    impl fmt::Display for Wrapped {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the number cannot be used")
        }
    }
    impl StdError for Wrapped {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&self.0)
        }
    }
    let workflow = of(boxed.into_step());
    assert!(workflow.run("12").await.is_ok());
    let failure = |error: Error| error.output().unwrap().error.clone().unwrap().error;
    let retried = failure(workflow.run("many").await.unwrap_err());
    assert!(retried.retryable);
    let terminal = failure(workflow.run("-3").await.unwrap_err());
    assert!(!terminal.retryable, "however it is wrapped");
    assert_eq!(terminal.code, ErrorCode::BadInput);
    assert_eq!(terminal.message, "the number cannot be used");
    assert_eq!(terminal.causes, ["it is negative"]);
}

#[tokio::test]
async fn a_journal_keeps_the_texts_of_a_failure_and_not_its_value() {
    let store = Arc::new(Memory::default());
    let workflow = Workflow::builder("w").step(charge).store((*store).clone()).build().unwrap();
    workflow.run("-").run_id("r").await.unwrap_err();
    let output = workflow.get_run("r").await.unwrap();
    let written = serde_json::to_string(&output).unwrap();
    assert!(!written.contains("source"), "{written}");
    let read: stepwright_core::RunOutput = serde_json::from_str(&written).unwrap();
    let error = Error::of_run(read);
    assert!(error.source().is_none());
    assert_eq!(error.to_string(), "step `charge` failed: account 7 is closed");
}

#[test]
fn a_step_error_is_an_error() {
    fn boxed(error: impl StdError + Send + Sync + 'static) -> BoxError {
        error.into()
    }
    let cx = StepContext::detached("s");
    let missing =
        <stepwright_core::State<u8> as stepwright_core::provided::FromContext>::from_context(&cx);
    let error = boxed(missing.unwrap_err());
    assert_eq!(error.to_string(), "the run has no state of type `u8`");
}
