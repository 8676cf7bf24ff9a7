//! `concurrency` and `dedupe` of files.

use serde_json::json;
use stepwright_core::{ErrorId, ErrorKind, Memory};
use stepwright_file::{Definition, Options};

fn with(top: &str) -> String {
    let asks = "{name: a, template: x, human_review: {requires_confirmation: 'Go on?'}}";
    format!("format: 1\nname: T\n{top}\nsteps:\n  - {asks}\n")
}

fn mistake(top: &str) -> (String, String) {
    let mistakes = Definition::parse(&with(top), "flow.yaml", &Options::default()).unwrap_err();
    let first = mistakes.iter().next().unwrap();
    (first.message.clone(), first.help.clone().unwrap_or_default())
}

#[tokio::test]
async fn a_file_limits_its_runs_by_a_key() {
    let text = with("concurrency: {key: '= input.customer', max: 1, then: skip}");
    let definition = Definition::parse(&text, "flow.yaml", &Options::default()).unwrap();
    let workflow = definition.builder().unwrap().store(Memory::default()).build().unwrap();
    let run = async |customer: &str| workflow.run(json!({"customer": customer})).await;
    assert!(run("acme").await.unwrap().is_paused());
    let error = run("acme").await.unwrap_err();
    assert_eq!((error.kind(), error.id()), (ErrorKind::Skipped, ErrorId::RUN_SKIPPED));
    assert!(run("bolt").await.unwrap().is_paused());
    // A key that cannot be computed.
    let error = workflow.run("text").await.unwrap_err();
    assert_eq!(error.id(), ErrorId::RUN_KEY_INVALID, "{error}");
}

#[tokio::test]
async fn a_file_recognises_runs_that_are_the_same() {
    for (top, other) in [
        ("dedupe: {key: '= input.order', within: 1h}", json!({"order": 7, "more": 1})),
        ("dedupe: {within: 1h}", json!({"order": 7})),
    ] {
        let definition = Definition::parse(&with(top), "flow.yaml", &Options::default()).unwrap();
        let workflow = definition.builder().unwrap().store(Memory::default()).build().unwrap();
        workflow.run(json!({"order": 7})).await.unwrap();
        let error = workflow.run(other).await.unwrap_err();
        assert_eq!(error.id(), ErrorId::RUN_DUPLICATE, "{error}");
        workflow.run(json!({"order": 8})).await.unwrap();
    }
}

#[test]
fn check_knows_what_a_key_cannot_be() {
    for (top, message, help) in [
        ("concurrency: {key: '= input.customer'}", "`concurrency` needs `max`", "max: 2"),
        ("concurrency: {max: 0}", "`max` is a whole number", ""),
        ("concurrency: {max: 2, then: wait}", "`then` is one of `queue`", ""),
        ("concurrency: {max: 2, key: customer}", "`key` is an expression", "= customer"),
        ("concurrency: {max: 2, keys: x}", "keys", "key"),
        ("concurrency: 2", "", ""),
        ("dedupe: {key: '= input.order'}", "within", "within: 1h"),
        ("dedupe: {within: soon}", "within", ""),
        (
            "concurrency: {max: 2, key: '= steps.a'}",
            "the key of `concurrency` cannot refer to `steps`",
            "use `input`, `state` or `vars`",
        ),
        (
            "dedupe: {within: 1h, key: '= now'}",
            "the key of `dedupe` cannot refer to `now`",
            "use `input`, `state` or `vars`",
        ),
        ("concurrency: {max: 2, key: '= [input]'}", "is a list", "`= input.customer`"),
        ("concurrency: {max: 2, key: '= null'}", "is always nothing", "`= input.customer`"),
    ] {
        let (said, helped) = mistake(top);
        assert!(said.contains(message), "{top}: {said}");
        assert!(helped.contains(help), "{top}: {said}; {helped}");
    }
}

#[test]
fn a_file_that_is_a_step_cannot_limit_runs() {
    let dir = tempfile::tempdir().unwrap();
    for top in ["concurrency: {max: 1}", "dedupe: {within: 1h}"] {
        std::fs::write(dir.path().join("inner.yaml"), with(top)).unwrap();
        let outer = "format: 1\nname: O\nsteps:\n  - {name: in, workflow: inner.yaml}\n";
        std::fs::write(dir.path().join("outer.yaml"), outer).unwrap();
        let path = dir.path().join("outer.yaml");
        let mistakes = Definition::read(&path, &Options::default()).unwrap_err();
        let first = mistakes.iter().next().unwrap();
        assert!(first.message.contains("is about runs"), "{}", first.message);
        assert!(first.help.as_ref().unwrap().contains("outer.yaml"), "{:?}", first.help);
    }
}
