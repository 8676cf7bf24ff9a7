//! Trying again.

use futures_util::{FutureExt as _, StreamExt as _};
use std::future::ready;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stepwright_core::World;
use stepwright_core::model::{
    AnyModel, Model, ModelError, ModelErrorKind, ModelEvent, ModelOptions, ModelRequest,
    ModelStream,
};
use stepwright_core::world::VirtualClock;
use stepwright_models::{RetryPolicy, retrying_stream};
use stepwright_testing::model::{Reply, ScriptedModel};

const IDLE: Duration = Duration::from_secs(10);

/// The report of a retry: the message, the attempt, the wait.
type Told = (String, u32, Duration);

struct Outcome {
    events: Vec<Result<ModelEvent, ModelError>>,
    told: Vec<Told>,
    took: Duration,
}

impl Outcome {
    fn text(&self) -> String {
        let text = self.events.iter().filter_map(|event| match event {
            Ok(ModelEvent::TextDelta(text)) => Some(text.as_str()),
            _ => None,
        });
        text.collect()
    }

    fn error(&self) -> &ModelError {
        self.events.last().unwrap().as_ref().unwrap_err()
    }
}

fn ask_with(model: impl Model, options: ModelOptions, policy: RetryPolicy) -> Outcome {
    let clock = VirtualClock::default();
    let world = World::new(clock.clone(), 7);
    let begin = world.now();
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = told.clone();
    let request = ModelRequest { options, ..ModelRequest::default() };
    let stream = retrying_stream(
        &AnyModel::new(model),
        request,
        policy,
        IDLE,
        &world,
        move |error, attempt, wait| {
            telling.lock().unwrap().push((error.message.clone(), attempt, wait));
            ready(Ok(())).boxed()
        },
    );
    let events = clock.run(stream.collect());
    let told = told.lock().unwrap().clone();
    Outcome { events, told, took: world.now().since(begin) }
}

fn ask(model: impl Model) -> Outcome {
    ask_with(model, ModelOptions::default(), RetryPolicy::default())
}

fn error(kind: ModelErrorKind, message: &str) -> ModelError {
    ModelError::new(kind, message)
}

fn busy(message: &str) -> Reply {
    error(ModelErrorKind::Overloaded, message).into()
}

#[test]
fn a_request_that_failed_is_sent_again_after_a_growing_wait() {
    let model = ScriptedModel::new([busy("1"), busy("2"), Reply::text("hello")]);
    let outcome = ask(model.clone());
    assert_eq!(outcome.text(), "hello");
    assert_eq!(model.requests().len(), 3);
    let [(first, 1, short), (second, 2, long)] = outcome.told.as_slice() else {
        panic!("{:?}", outcome.told);
    };
    assert_eq!((first.as_str(), second.as_str()), ("1", "2"));
    let (millis, seconds) = (Duration::from_millis, Duration::from_secs);
    assert!((millis(250)..=millis(500)).contains(short), "{short:?}");
    assert!((millis(500)..=seconds(1)).contains(long), "{long:?}");
    assert!(outcome.took.abs_diff(*short + *long) < millis(3), "{:?}", outcome.took);
}

#[test]
fn after_the_last_retry_the_error_is_given() {
    let model = ScriptedModel::new([busy("1"), busy("2"), busy("3"), Reply::text("too late")]);
    let outcome = ask(model.clone());
    assert_eq!(outcome.error().message, "3");
    assert_eq!(outcome.events.len(), 1);
    assert_eq!((outcome.told.len(), model.requests().len()), (2, 3));
}

#[test]
fn what_would_fail_again_is_not_sent_again() {
    for kind in [ModelErrorKind::Auth, ModelErrorKind::BadRequest, ModelErrorKind::Refused] {
        let model = ScriptedModel::new([error(kind, "no").into(), Reply::text("never")]);
        let outcome = ask(model.clone());
        assert_eq!(outcome.error().kind, kind);
        assert_eq!((outcome.told.len(), model.requests().len()), (0, 1));
    }
}

#[test]
fn after_the_first_event_there_is_no_way_back() {
    let broken = error(ModelErrorKind::Transport, "reset");
    let model =
        ScriptedModel::new([Reply::text("half an ans").and_error(broken), Reply::text("whole")]);
    let outcome = ask(model.clone());
    assert_eq!(outcome.text(), "half an ans");
    assert_eq!(outcome.error().message, "reset");
    assert_eq!(model.requests().len(), 1);
}

#[test]
fn the_provider_says_how_long_to_wait_up_to_a_limit() {
    let asked = |wait| {
        let mut limited = error(ModelErrorKind::RateLimited, "429");
        limited.retry_after = Some(wait);
        ask(ScriptedModel::new([Reply::from(limited), Reply::text("hello")]))
    };
    let outcome = asked(Duration::from_secs(20));
    assert_eq!(outcome.text(), "hello");
    assert_eq!(outcome.told, [("429".to_owned(), 1, Duration::from_secs(20))]);

    let outcome = asked(RetryPolicy::default().retry_after_max + Duration::from_millis(1));
    assert_eq!(outcome.error().message, "429");
    assert_eq!((outcome.told.len(), outcome.took), (0, Duration::ZERO));
}

#[test]
fn silence_is_tried_again_too() {
    let model = ScriptedModel::new([Reply::text("").and_hang(), Reply::text("hello")]);
    let outcome = ask(model);
    assert_eq!(outcome.text(), "hello");
    assert_eq!(outcome.told[0].0, "the model has been silent for 10s");
    assert!(outcome.took >= IDLE);
}

#[test]
fn an_answer_that_just_ends_is_tried_again() {
    let model = ScriptedModel::new([Reply::text("").and_cut(), Reply::text("hello")]);
    let outcome = ask(model);
    assert_eq!(outcome.text(), "hello");
    assert_eq!(outcome.told[0].0, "the answer ended before the model had finished");
}

/// Says that it is there, every nine seconds, and then hello.
struct Thinking {
    world: World,
    signs: usize,
}

impl Model for Thinking {
    fn id(&self) -> &'static str {
        "thinking:long"
    }
    fn stream(&self, request: ModelRequest) -> ModelStream {
        let world = self.world.clone();
        let signs = futures_util::stream::iter(0..self.signs).then(move |_| {
            let pause = world.sleep(Duration::from_secs(9));
            async move {
                pause.await;
                Ok(ModelEvent::Heartbeat)
            }
        });
        signs.chain(ScriptedModel::new(["hello"]).stream(request)).boxed()
    }
}

#[test]
fn whoever_cannot_note_a_retry_ends_the_request() {
    let (clock, model) = (VirtualClock::default(), ScriptedModel::new([busy("1"), busy("2")]));
    let world = World::new(clock.clone(), 7);
    let full = |_: &ModelError, _, _| ready(Err(error(ModelErrorKind::Provider, "full"))).boxed();
    let (request, policy) = (ModelRequest::default(), RetryPolicy::default());
    let stream =
        retrying_stream(&AnyModel::new(model.clone()), request, policy, IDLE, &world, full);
    let events: Vec<_> = clock.run(stream.collect());
    let [Err(error)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((error.message.as_str(), model.requests().len()), ("full", 1));
}

#[test]
fn a_sign_of_life_is_no_silence_and_no_event() {
    let clock = VirtualClock::default();
    let world = World::new(clock.clone(), 7);
    let begin = world.now();
    let model = AnyModel::new(Thinking { world: world.clone(), signs: 5 });
    let policy = RetryPolicy::never();
    let stream =
        retrying_stream(&model, ModelRequest::default(), policy, IDLE, &world, |_, _, _| {
            ready(Ok(())).boxed()
        });
    let events: Vec<_> = clock.run(stream.collect());
    assert!(matches!(&events[0], Ok(ModelEvent::TextDelta(_))), "{:?}", events[0]);
    assert_eq!(world.now().since(begin), Duration::from_secs(45));
}

#[test]
fn a_whole_answer_may_have_a_time() {
    let clock = VirtualClock::default();
    let world = World::new(clock.clone(), 7);
    let begin = world.now();
    let model = AnyModel::new(Thinking { world: world.clone(), signs: 100 });
    let options =
        ModelOptions { timeout: Some(Duration::from_secs(30)), ..ModelOptions::default() };
    let request = ModelRequest { options, ..ModelRequest::default() };
    let policy = RetryPolicy::never();
    let stream =
        retrying_stream(&model, request, policy, IDLE, &world, |_, _, _| ready(Ok(())).boxed());
    let events: Vec<_> = clock.run(stream.collect());
    let error = events[0].as_ref().unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::Timeout);
    assert_eq!(error.message, "the model has not finished within 30s");
    assert_eq!(world.now().since(begin), Duration::from_secs(30));
}

#[test]
fn the_guards_beneath_are_told_how_patient_to_be() {
    let model = ScriptedModel::new(["hello"]);
    ask(model.clone());
    assert_eq!(model.requests()[0].options.idle_timeout, Some(IDLE));
    let said = Some(Duration::from_secs(3));
    let options = ModelOptions { idle_timeout: said, ..ModelOptions::default() };
    let model = ScriptedModel::new(["hello"]);
    ask_with(model.clone(), options, RetryPolicy::default());
    assert_eq!(model.requests()[0].options.idle_timeout, said);
}

#[test]
fn waits_do_not_grow_beyond_their_limit() {
    let policy = RetryPolicy { max: 40, ..RetryPolicy::default() };
    let model = ScriptedModel::new((0..41).map(|_| busy("busy")));
    let outcome = ask_with(model, ModelOptions::default(), policy.clone());
    assert_eq!(outcome.told.len(), 40);
    let longest = outcome.told.iter().map(|told| told.2).max().unwrap();
    assert!(longest <= policy.delay_max && longest > policy.delay_max / 2, "{longest:?}");
}
