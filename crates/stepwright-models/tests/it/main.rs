//! The guard, the registry and the offline model, through their public faces.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use futures_util::{StreamExt as _, stream};
use serde_json::json;
use std::time::Duration;
use stepwright_core::message::{Arguments, AssistantTurn, Message, ToolOutcome};
use stepwright_core::model::{
    AnyModel, Completion, Model, ModelError, ModelErrorKind, ModelEvent, ModelRequest, ModelStream,
};
use stepwright_core::tool::ToolSpec;
use stepwright_models::{Models, Offline, UnknownModel, guarded};
use stepwright_testing::model::{Reply, ScriptedModel, check_stream_contract};

const HARBOUR: &str = include_str!("harbour.md");

fn request(instructions: &str, message: &str) -> ModelRequest {
    ModelRequest {
        instructions: Some(instructions.into()),
        messages: vec![Message::user(message)],
        ..ModelRequest::default()
    }
}

async fn ask(request: ModelRequest) -> Result<Completion, ModelError> {
    check_stream_contract(&Offline::new(), request).await
}

async fn digest(instructions: &str, message: &str) -> String {
    ask(request(instructions, message)).await.unwrap().turn.text()
}

// --- the guard ---

#[tokio::test]
async fn an_answer_that_just_ends_is_truncated() {
    let model = guarded(ScriptedModel::new([Reply::text("half an ans").and_cut()]));
    let error = check_stream_contract(&model, ModelRequest::default()).await.unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::Truncated);
    assert!(error.retryable);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_in_a_timeout() {
    let model = ScriptedModel::new([Reply::text("wait").and_hang()]);
    let model = guarded(model).idle_timeout(Duration::from_secs(5));
    let error = check_stream_contract(&model, ModelRequest::default()).await.unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::Timeout);
    assert_eq!(error.message, "the model has been silent for 5s");
}

#[tokio::test(start_paused = true)]
async fn a_slow_model_that_goes_on_speaking_is_not_silent() {
    struct Slow;
    impl Model for Slow {
        fn id(&self) -> &'static str {
            "slow:one"
        }
        fn stream(&self, _: ModelRequest) -> ModelStream {
            let turn = AssistantTurn::text_only("aaaaa");
            let done = ModelEvent::Done(Completion { turn, ..Completion::default() });
            let mut events = vec![ModelEvent::TextDelta("a".into()); 5];
            events.push(done);
            stream::iter(events)
                .then(|event| async {
                    tokio::time::sleep(Duration::from_secs(4)).await;
                    Ok(event)
                })
                .boxed()
        }
    }
    let model = guarded(Slow).idle_timeout(Duration::from_secs(5));
    check_stream_contract(&model, ModelRequest::default()).await.unwrap();
}

#[tokio::test]
async fn nothing_comes_after_the_end() {
    struct Chatty(Result<(), ()>);
    impl Model for Chatty {
        fn id(&self) -> &'static str {
            "chatty:one"
        }
        fn stream(&self, _: ModelRequest) -> ModelStream {
            let end = match self.0 {
                Ok(()) => Ok(ModelEvent::Done(Completion::default())),
                Err(()) => Err(ModelError::new(ModelErrorKind::Overloaded, "busy")),
            };
            let more = Ok(ModelEvent::TextDelta("and another thing".into()));
            stream::iter([end.clone(), more, end]).boxed()
        }
    }
    for end in [Ok(()), Err(())] {
        let answer = check_stream_contract(&guarded(Chatty(end)), ModelRequest::default()).await;
        assert_eq!(answer.is_ok(), end.is_ok());
    }
}

// --- the registry ---

#[test]
fn models_are_found_by_text() {
    for text in ["offline", "offline:extract", "auto", " offline "] {
        let model = stepwright_models::model(text).unwrap();
        assert_eq!(model.id(), "offline:extract");
        assert!(model.notice().unwrap().contains("not a language model"));
    }
}

#[test]
fn a_text_is_split_at_the_first_colon() {
    let mut models = Models::new();
    models.register("local", |name| Ok(ScriptedModel::new(["hi"]).named(name)));
    assert_eq!(models.model("local:llama:7b").unwrap().id(), "scripted:llama:7b");
}

#[test]
fn an_unknown_provider_is_told_with_what_there_is() {
    let unknown = Models::new().model("Offlin:extract").unwrap_err();
    let expected = UnknownModel::Provider {
        provider: "Offlin".into(),
        suggestion: Some("offline:extract".into()),
        known: vec!["auto".into(), "offline".into()],
    };
    assert_eq!(unknown, expected);
    let error = stepwright_core::Error::from(Models::new().model("openai:gpt-5").unwrap_err());
    assert_eq!(
        error.report(),
        "error: there is no model provider `openai`\nhint: a model is named `provider:model`, and \
         the providers are `auto`, `offline`; add others with `stepwright_models::register`",
    );
    let wrong = Models::new().model("offline:gpt").unwrap_err();
    assert!(wrong.to_string().contains("its only model is `offline:extract`"), "{wrong}");
}

// --- the offline model ---

#[tokio::test]
async fn a_document_becomes_its_most_telling_sentences() {
    let text = digest("You are a careful editor. Answer in 3 sentences.", HARBOUR).await;
    assert_eq!(
        text,
        "The old harbour was built in 1874, when ships brought wool and grain to the town. In 1988 \
         the town bought the harbour, and turned the empty warehouses into flats, a library and a \
         market hall. The town is now deciding what to do with the eastern pier.",
    );
    assert_eq!(text, digest("Answer in 3 sentences.", HARBOUR).await);
}

#[tokio::test]
async fn the_instructions_decide_the_form() {
    let bullets = digest("Give me four bullet points.", HARBOUR).await;
    assert_eq!(bullets.lines().filter(|line| line.starts_with("- ")).count(), 4, "{bullets}");
    let line = digest("One line, please.", HARBOUR).await;
    assert!(!line.contains('\n') && line.matches(". ").count() == 0, "{line}");
    let usual = digest("", HARBOUR).await;
    assert!(!usual.contains('\n') && usual.len() > line.len(), "{usual}");
}

#[tokio::test]
async fn a_short_text_is_returned_as_it_is() {
    assert_eq!(digest("", "AI trends").await, "AI trends");
    assert_eq!(digest("In one sentence.", "Too short.").await, "Too short.");
}

#[tokio::test]
async fn nothing_to_quote_is_an_error() {
    let error = ask(request("", "```\nlet x = 1;\n```")).await.unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::BadRequest);
    assert!(!error.retryable);
}

#[tokio::test]
async fn it_does_not_pretend_to_write_structured_output() {
    let schema = Some(json!({"type": "object"}));
    let asked = ModelRequest { output_schema: schema, ..request("", HARBOUR) };
    let error = ask(asked).await.unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::BadRequest);
    assert!(error.message.contains("choose a language model"), "{error}");
}

fn read_file() -> ToolSpec {
    ToolSpec {
        name: "read_file".into(),
        description: "Reads a file.".into(),
        parameters: json!({
            "type": "object",
            "properties": {"path": {"type": "string"}, "limit": {"type": "integer"}},
            "required": ["path"],
        }),
    }
}

/// The conversation after the offline model has called its tools, answered by `answer`.
async fn with_answers(question: &str, answer: impl Fn(&str) -> (String, bool)) -> ModelRequest {
    let mut asked = request("", question);
    asked.tools.push(read_file());
    let first = ask(asked.clone()).await.unwrap();
    let results = first.turn.tool_calls().map(|call| {
        let Arguments::Json(arguments) = &call.arguments else { panic!("not JSON") };
        let (text, is_error) = answer(arguments["path"].as_str().unwrap());
        ToolOutcome { call_id: call.id.clone(), name: call.name.clone(), text, is_error }
    });
    let results = results.collect();
    asked.messages.extend([Message::Assistant(first.turn), Message::Tool { results }]);
    asked
}

#[tokio::test]
async fn it_reads_the_files_that_the_message_names() {
    let question = "Summarise harbour.md in 2 sentences.";
    let asked = with_answers(question, |path| {
        assert_eq!(path, "harbour.md");
        (HARBOUR.into(), false)
    });
    let answer = ask(asked.await).await.unwrap().turn.text();
    assert_eq!(answer.matches(". ").count(), 1, "{answer}");
    assert!(!answer.contains("Summarise"), "the question is no answer: {answer}");
}

#[tokio::test]
async fn tools_that_fail_leave_nothing_to_quote() {
    let asked = with_answers("Summarise gone.md.", |_| ("no such file".into(), true)).await;
    let error = ask(asked).await.unwrap_err();
    assert!(error.message.contains("`read_file`: no such file"), "{error}");
}

#[tokio::test]
async fn nothing_happens_until_the_stream_is_polled() {
    let model = ScriptedModel::new(["hi"]);
    drop(model.stream(ModelRequest::default()));
    assert!(model.requests().is_empty());
    AnyModel::new(model.clone()).complete(ModelRequest::default()).await.unwrap();
    assert_eq!(model.requests().len(), 1);
}
