//! The guard, the registry, the offline model and those of providers, through their public faces.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[cfg(feature = "providers")]
mod fallback;
#[cfg(feature = "providers")]
mod limits;
mod mutations;
mod retrying;
#[cfg(feature = "providers")]
mod runtimes;
#[cfg(feature = "providers")]
mod wire;

use futures_util::{StreamExt as _, stream};
use serde_json::json;
use std::time::Duration;
use stepwright_core::message::{Arguments, AssistantTurn, Message, ToolOutcome};
use stepwright_core::model::{
    AnyModel, Completion, Model, ModelError, ModelErrorKind, ModelEvent, ModelOptions,
    ModelRequest, ModelStream,
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
async fn a_request_may_say_how_long_it_waits() {
    let options = |idle, timeout| ModelOptions {
        idle_timeout: Some(Duration::from_secs(idle)),
        timeout: Some(Duration::from_secs(timeout)),
        ..ModelOptions::default()
    };
    let cases = [
        (options(3, 9), "the model has been silent for 3s"),
        (options(9, 3), "the model has not finished within 3s"),
    ];
    for (options, expected) in cases {
        let model = guarded(ScriptedModel::new([Reply::text("wait").and_hang()]));
        let request = ModelRequest { options, ..ModelRequest::default() };
        let error = check_stream_contract(&model, request).await.unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (ModelErrorKind::Timeout, expected));
    }
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
    for text in ["offline", "offline:extract", " offline "] {
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
    let UnknownModel::Provider { provider, suggestion, known } = &unknown else {
        panic!("{unknown:?}");
    };
    assert_eq!((provider.as_str(), suggestion.as_deref()), ("Offlin", Some("offline:extract")));
    assert!(known.is_sorted() && known.contains(&"auto".to_owned()), "{known:?}");
    let error = stepwright_core::Error::from(Models::new().model("acme:gpt").unwrap_err());
    let providers: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    assert_eq!(
        error.report(),
        format!(
            "error[SW0211]: there is no model provider `acme`\nhelp: a model is named `provider:model`, \
             and the providers are {}; add others with `stepwright_models::register`",
            providers.join(", ")
        ),
    );
    let wrong = Models::new().model("offline:gpt").unwrap_err();
    assert!(wrong.to_string().contains("its only model is `offline:extract`"), "{wrong}");
}

/// One module is replaced when the library is. Everything else, and everything that is stored,
/// knows nothing of it. A benchmark measures what we add to it.
#[test]
fn one_module_names_the_library_that_speaks_the_wires() {
    fn walk(directory: &std::path::Path, naming: &mut Vec<String>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir()
                && path.file_name().is_none_or(|name| name != "benches" && name != "target")
            {
                walk(&path, naming);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                // In two parts, so that this file does not name it.
                if text.contains(concat!("rig", "_core")) || text.contains(concat!("rig", "_reqw"))
                {
                    naming.push(path.file_name().unwrap().to_string_lossy().into_owned());
                }
            }
        }
    }
    let mut naming = Vec::new();
    walk(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &mut naming);
    naming.sort();
    assert_eq!(naming, ["answer.rs", "line.rs", "rig.rs"]);
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
        ToolOutcome {
            call_id: call.id.clone(),
            name: call.name.clone(),
            text,
            is_error,
            outcome_unknown: false,
            media: Vec::new(),
            whole: None,
        }
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
