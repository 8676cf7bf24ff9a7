//! One conversation: its events, its end, and what goes wrong with its model.

use crate::host::{Host, on};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use stepwright_agent::{Agent, FunctionTool};
use stepwright_core::error::ErrorCode;
use stepwright_core::executor::RunInput;
use stepwright_core::message::{Message, Part, Usage};
use stepwright_core::model::{
    Model, ModelError, ModelErrorKind, ModelOptions, ModelRequest, ModelStream, StopReason,
};
use stepwright_core::scope::Scope;
use stepwright_core::{
    Content, EventKind, Executor as _, Media, MediaKind, StepError, StepInput, StepOutput,
    StepStatus,
};
use stepwright_testing::model::{NOTICE, Reply, ScriptedModel};

/// Returns the error of a run whose model gives this one reply.
async fn failure(reply: Reply) -> StepError {
    let agent = on(&ScriptedModel::new([reply])).build().unwrap();
    let host = Host::new();
    let error = host.run(&agent, "hello").await.unwrap_err();
    let recorded = EventKind::RunError { error: error.data.clone(), usage: Usage::default() };
    assert_eq!(host.facts().last(), Some(&recorded), "a failure is a fact");
    assert_eq!(error.data.code, ErrorCode::Model);
    error
}

#[tokio::test]
async fn an_answer_is_shown_recorded_and_given() {
    let reply = Reply::reasoning("hm").and_text("Hello, you.").with_tokens(10, 3);
    let model = ScriptedModel::new([reply]);
    let agent = on(&model).instructions("Be kind.").build().unwrap();
    let host = Host::new();
    let output = host.run(&agent, "hello").await.unwrap();
    let usage = Usage { input_tokens: Some(10), output_tokens: Some(3), ..Usage::default() };
    assert_eq!(output.content.text(), "Hello, you.");
    assert_eq!(output.usage, usage);

    let events = host.events();
    let started = EventKind::RunStarted {
        agent: "Tester".into(),
        model: "scripted:replies".into(),
        notice: Some(NOTICE.into()),
        message: "hello".into(),
    };
    assert_eq!(events[0], started);
    assert_eq!(events[2], EventKind::ReasoningContentDelta { reasoning_content: "hm".into() });
    assert_eq!(host.shown(), "Hello, you.");
    let end = [
        EventKind::RunContentCompleted,
        EventKind::RunCompleted { content: "Hello, you.".into(), usage },
    ];
    assert_eq!(events[events.len() - 2..], end);
    let facts = ["RunStarted", "ModelRequestStarted", "ModelRequestCompleted", "RunCompleted"];
    assert_eq!(host.fact_names(), facts);

    let request = &model.requests()[0];
    assert_eq!(request.instructions.as_deref(), Some("Be kind."));
    assert_eq!(request.messages, [Message::user("hello")]);
}

#[tokio::test]
async fn objects_reach_the_model_as_json_and_media_as_media() {
    let model = ScriptedModel::new(["seen"]);
    let options = ModelOptions {
        max_output_tokens: Some(9),
        temperature: Some(0.5),
        ..ModelOptions::default()
    };
    let silence = Duration::from_secs(7);
    let agent = on(&model).options(options.clone()).idle_timeout(silence).build().unwrap();
    let image = Media::url(MediaKind::Image, "https://a.example/b.png");
    let run = RunInput {
        content: Content::from(json!({"a": 1})),
        media: vec![image.clone()],
        ..RunInput::default()
    };
    let input = StepInput { run: Arc::new(run), ..StepInput::default() };
    agent.execute(input, Host::new().cx()).await.unwrap();
    let request = &model.requests()[0];
    let parts = vec![Part::Text { text: "{\n  \"a\": 1\n}".into() }, Part::Media { media: image }];
    assert_eq!(request.messages, [Message::User { parts }]);
    // So that what lies between the agent and the provider is no more impatient.
    assert_eq!(request.options, ModelOptions { idle_timeout: Some(silence), ..options });
}

#[tokio::test]
async fn media_of_every_source_reach_the_model_also_those_of_earlier_steps() {
    let model = ScriptedModel::new(["seen"]);
    let agent = on(&model).build().unwrap();
    let bytes = Media::bytes(MediaKind::Image, [1, 2, 3].as_slice()).with_mime("image/png");
    let path = Media::path(MediaKind::File, "notes.txt");
    let url = Media::url(MediaKind::Image, "https://a.example/b.png");
    let media = vec![bytes.clone(), path.clone()];
    let run = RunInput { content: "look".into(), media, ..RunInput::default() };
    let drawn = Arc::new(StepOutput::from("drawn").medium(url.clone()));
    let scope = Scope::default();
    let scope = scope.with("draw".into(), StepStatus::Completed, drawn.clone(), Vec::new());
    let previous = Some(drawn);
    let input = StepInput { run: Arc::new(run), previous, scope, ..StepInput::default() };
    agent.execute(input, Host::new().cx()).await.unwrap();
    let media = [bytes, path, url].map(|media| Part::Media { media });
    let parts = [Part::Text { text: "drawn".into() }].into_iter().chain(media).collect();
    assert_eq!(model.requests()[0].messages, [Message::User { parts }]);
}

#[tokio::test]
async fn the_error_of_a_model_becomes_the_error_of_the_step() {
    let mut busy = ModelError::new(ModelErrorKind::RateLimited, "429");
    busy.retry_after = Some(Duration::from_secs(7));
    let error = failure(Reply::text("Once").and_error(busy)).await;
    assert_eq!(error.data.message, "model `scripted:replies`: 429");
    assert!(error.data.retryable && error.data.hint.is_some());
    assert_eq!(error.data.retry_after_ms, Some(7000));

    let error = failure(ModelError::new(ModelErrorKind::Auth, "no key").into()).await;
    assert!(!error.data.retryable);
    assert!(error.data.hint.unwrap().contains("key"));
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_an_error() {
    let error = failure(Reply::text("Once upon a ti").and_cut()).await;
    assert!(error.data.retryable && error.data.message.contains("before the model had finished"));
    let error = failure(Reply::text("Once").with_stop(StopReason::Length)).await;
    assert!(error.data.message.contains("longest answer allowed, after 4 characters"), "{error}");
    assert!(!error.data.retryable && error.data.hint.unwrap().contains("max_output_tokens"));
}

#[tokio::test]
async fn a_refusal_and_an_empty_answer_are_errors() {
    let error = failure(Reply::text("I cannot.").with_stop(StopReason::Refused)).await;
    assert!(error.data.message.ends_with("refused to answer: I cannot."), "{error}");
    assert!(!error.data.retryable);
    let error = failure(Reply::text("")).await;
    assert!(error.data.message.contains("without an answer"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_model_times_out() {
    let model = ScriptedModel::new([Reply::text("wait").and_hang()]);
    let agent = on(&model).idle_timeout(Duration::from_secs(3)).build().unwrap();
    let host = Host::new();
    let error = host.run(&agent, "hello").await.unwrap_err();
    assert!(error.data.message.ends_with("silent for 3s"), "{error}");
    assert!(error.data.retryable);
    assert_eq!(host.shown(), "wait");
}

#[tokio::test]
async fn cancelling_closes_the_stream_of_the_model() {
    struct Watched(Arc<AtomicBool>);
    struct Guard(Arc<AtomicBool>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    impl Model for Watched {
        fn id(&self) -> &'static str {
            "watched:one"
        }
        fn stream(&self, _: ModelRequest) -> ModelStream {
            let guard = Guard(self.0.clone());
            Box::pin(futures_util::stream::once(async move {
                let _guard = guard;
                std::future::pending().await
            }))
        }
    }
    let closed = Arc::new(AtomicBool::new(false));
    let agent = Agent::builder("a").model(Watched(closed.clone())).unwrap().build().unwrap();
    let host = Host::new();
    let mut run = Box::pin(host.run(&agent, "hello"));
    for _ in 0..20 {
        assert!(futures_util::poll!(&mut run).is_pending());
        tokio::task::yield_now().await;
    }
    assert_eq!(host.fact_names(), ["RunStarted", "ModelRequestStarted"]);
    assert!(!closed.load(Ordering::SeqCst));
    drop(run);
    assert!(closed.load(Ordering::SeqCst));
}

#[tokio::test]
async fn the_offline_model_reads_with_the_tools_of_its_agent() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Read {
        /// The file to read.
        path: String,
    }
    let read = FunctionTool::new("read_file", "Reads a file.", |args: Read| async move {
        match args.path.as_str() {
            "notes.md" => Ok("# Notes\n\nThe ferry leaves the harbour at noon on every day."),
            _ => Err(std::io::Error::other("no such file")),
        }
    });
    let builder = Agent::builder("Reader").model("offline").unwrap();
    let agent = builder.tool(read).build().unwrap();
    let host = Host::new();
    let output = host.run(&agent, "What do notes.md and lost.md say?").await.unwrap();
    assert_eq!(output.content.text(), "The ferry leaves the harbour at noon on every day.");
    assert_eq!(host.tool_answers()[1], "!read_file: no such file");

    let error = Host::new().run(&agent, "What does lost.md say?").await.unwrap_err();
    assert!(error.data.message.ends_with("`read_file`: no such file"), "{error}");
}

#[tokio::test]
async fn the_offline_model_can_be_the_model_of_an_agent() {
    let agent = Agent::builder("Editor")
        .model("offline")
        .unwrap()
        .instructions("Answer in one sentence.")
        .build()
        .unwrap();
    let host = Host::new();
    let text = "The ferry leaves the harbour at noon. The ferry is old, and the harbour of the \
                town is older than the ferry. It rains.";
    let output = host.run(&agent, text).await.unwrap();
    assert_eq!(output.content.text(), host.shown());
    assert!(text.contains(&*output.content.text()) && output.content.text().len() < text.len());
}

#[tokio::test(start_paused = true)]
async fn a_model_that_is_busy_is_asked_again_and_that_is_shown() {
    let busy = ModelError {
        retry_after: Some(Duration::from_secs(7)),
        ..ModelError::new(ModelErrorKind::RateLimited, "too many requests")
    };
    let model = ScriptedModel::new([Reply::from(busy), Reply::text("Hello.")]);
    let agent = Agent::builder("Tester").model(model.clone()).unwrap().build().unwrap();
    let (host, began) = (Host::new(), tokio::time::Instant::now());
    assert_eq!(host.run(&agent, "hello").await.unwrap().content.text(), "Hello.");
    assert_eq!(began.elapsed().as_secs(), 7);
    let retrying = |event: EventKind| match event {
        EventKind::ModelRequestRetrying { turn, attempt, error, delay_ms, .. } => {
            Some((turn, attempt, error.message, delay_ms))
        }
        _ => None,
    };
    let message = "model `scripted:replies`: too many requests".to_owned();
    let retries: Vec<_> = host.events().into_iter().filter_map(retrying).collect();
    assert_eq!(retries, [(1, 1, message, 7000)]);
    assert_eq!(model.requests()[0], model.requests()[1], "the same request");
    let request = ["ModelRequestStarted", "ModelRequestRetrying", "ModelRequestCompleted"];
    assert_eq!(host.fact_names(), [&["RunStarted"][..], &request, &["RunCompleted"]].concat());
}

/// The usage of failed requests is in their facts; the last request fails with its agent.
#[tokio::test(start_paused = true)]
async fn what_failed_requests_consumed_is_recorded() {
    let spent = |input| Usage { input_tokens: Some(input), ..Usage::default() };
    let busy = |input| {
        let usage = Box::new(spent(input));
        let error = ModelError::new(ModelErrorKind::Overloaded, "too busy");
        Reply::from(ModelError { usage, ..error })
    };
    let model = ScriptedModel::new([busy(1), busy(2), busy(4)]);
    let agent = Agent::builder("Tester").model(model.clone()).unwrap().build().unwrap();
    let host = Host::new();
    let error = host.run(&agent, "hello").await.unwrap_err();
    let consumed = |event: EventKind| match event {
        EventKind::ModelRequestRetrying { usage, .. } | EventKind::RunError { usage, .. } => {
            usage.input_tokens
        }
        _ => None,
    };
    let consumed: Vec<u64> = host.facts().into_iter().filter_map(consumed).collect();
    assert_eq!(consumed, [1, 2, 4]);
    assert_eq!(error.data.message, "model `scripted:replies`: too busy (asked 3 times)");
}

#[tokio::test(start_paused = true)]
async fn a_model_that_has_spoken_is_not_asked_again() {
    let model = ScriptedModel::new([Reply::text("half an ans").and_cut(), Reply::text("Hello.")]);
    let agent = Agent::builder("Tester").model(model.clone()).unwrap().build().unwrap();
    let host = Host::new();
    let error = host.run(&agent, "hello").await.unwrap_err();
    assert!(error.data.retryable, "its step may try again: {error:?}");
    assert_eq!((host.shown().as_str(), model.requests().len()), ("half an ans", 1));
}

#[tokio::test(start_paused = true)]
async fn the_options_say_how_long_a_model_may_be_silent() {
    let model = ScriptedModel::new([Reply::text("Well").and_hang()]);
    let options =
        ModelOptions { idle_timeout: Some(Duration::from_secs(7)), ..ModelOptions::default() };
    let agent = on(&model).options(options).build().unwrap();
    let began = tokio::time::Instant::now();
    let error = Host::new().run(&agent, "hello").await.unwrap_err();
    assert!(error.data.message.contains("silent for 7s"), "{error:?}");
    assert_eq!(began.elapsed().as_secs(), 7);
}

#[tokio::test]
async fn a_turn_that_a_provider_pauses_goes_on() {
    let pause = || Reply::text("I search. ").with_stop(StopReason::Other("pause_turn".into()));
    let model = ScriptedModel::new([pause(), pause(), Reply::text("Found.")]);
    let agent = on(&model).build().unwrap();
    let output = Host::new().run(&agent, "hello").await.unwrap();
    assert_eq!(output.content.text(), "Found.");
    let told: Vec<String> = model.requests()[2].messages.iter().map(Message::text).collect();
    assert_eq!(told, ["hello", "I search. ", "I search. "]);

    let model = ScriptedModel::new([pause(), pause(), pause()]);
    let agent = on(&model).max_turns(2).build().unwrap();
    let error = Host::new().run(&agent, "hello").await.unwrap_err();
    assert_eq!(error.data.code, ErrorCode::Limit);
    assert!(error.data.message.ends_with("2 turns and still wants to go on"), "{error:?}");
}
