//! The functions that expressions and templates have in common, and waiting for a moment.

use crate::runs::{fails, gives};
use futures_util::StreamExt as _;
use serde_json::json;
use stepwright_core::{Content, Memory};
use stepwright_file::{Definition, Options};

#[tokio::test]
async fn expressions_and_templates_have_the_same_functions() {
    let input = json!({"csv": "a,b\n1,x\n", "html": "<p>Hi &amp; <b>bye</b></p>", "n": [1, 2]});
    for (expression, template, expected) in [
        ("input.csv.from_csv()[0].b", "(input.csv | from_csv)[0].b", json!("x")),
        ("html_to_text(input.html)", "input.html | html_to_text", json!("Hi & bye")),
        ("input.html.striptags().truncate(4)", "input.html | striptags | truncate(4)", {
            json!("Hi…")
        }),
        ("to_json(input.n)", "input.n | to_json", json!("[1,2]")),
        ("'a b'.urlencode()", "'a b' | urlencode", json!("a%20b")),
        ("'a1'.regex_replace('[0-9]', '')", "'a1' | regex_replace('[0-9]', '')", json!("a")),
        (
            "date_format('2026-11-29T23:30:00Z', '%H:%M', 'Europe/Berlin')",
            "'2026-11-29T23:30:00Z' | date_format('%H:%M', 'Europe/Berlin')",
            json!("00:30"),
        ),
        ("from_yaml('a: [x]').a[0]", "('a: [x]' | from_yaml).a[0]", json!("x")),
        ("string(sum(input.n))", "input.n | sum", json!("3")),
    ] {
        gives(&format!("  - {{value: \"= {expression}\"}}\n"), input.clone(), expected.clone())
            .await;
        gives(&format!("  - {{template: \"{{{{ {template} }}}}\"}}\n"), input.clone(), expected)
            .await;
    }
    let error = fails("  - {value: \"= '2026-11-29'.date_add(input)\"}\n", json!("soon")).await;
    assert!(error.to_string().contains("the duration `soon`"), "{error}");
    let error = fails("  - {template: \"{{ input | truncate(true) }}\"}\n", json!("x")).await;
    let expected = "`truncate`: needs a number of characters, not true";
    assert!(error.to_string().contains(expected), "{error}");
}

#[tokio::test]
async fn a_function_is_within_the_limits_of_its_step() {
    // Each turn doubles the text.
    let expression = "lists.range(26).map(i, 'a').map(a, a.regex_replace('a', 'aaaaaaaaaa'))";
    gives(&format!("  - {{value: \"= size({expression})\"}}\n"), json!(1), json!(26)).await;
    let error = fails(
        "  - {value: \"= lists.range(4000).map(i, input.urlencode())\"}\n",
        json!("ä".repeat(10_000)),
    )
    .await;
    assert!(error.to_string().contains("more than"), "{error}");
    let template = "{% for i in range(4000) %}{{ input | urlencode | length }}{% endfor %}";
    let error =
        fails(&format!("  - {{template: \"{template}\"}}\n"), json!("ä".repeat(100_000))).await;
    assert!(error.to_string().contains("more than"), "{error}");
}

#[tokio::test]
async fn a_run_waits_for_a_moment_of_an_expression() {
    for (sleep, input) in [
        ("= input.wait", json!({"wait": "8h"})),
        ("{until: '= input.at'}", json!({"at": "2999-01-01T00:00:00+01:00"})),
        ("{until: '= date_add(now, \"7d\")'}", json!({})),
        ("{until: '= input.at', zone: Europe/Berlin}", json!({"at": "2999-01-01 08:00"})),
        ("{until: '2999-01-01'}", json!({})),
    ] {
        let text = format!("format: 1\nname: Nap\nsteps:\n  - {{name: nap, sleep: {sleep}}}\n");
        let definition = Definition::parse(&text, "nap.yaml", &Options::default()).unwrap();
        let workflow = definition.builder().unwrap().store(Memory::default()).build().unwrap();
        // Dropping the stream cancels the run, which would wait for years.
        let mut run = workflow.run(Content::from(input)).stream();
        let due = loop {
            let event = run.next().await.unwrap();
            if let Some(asked) = event.kind.requirement() {
                break asked.due.unwrap();
            }
        };
        assert!(due.0 > 1_795_000_000_000, "{sleep}: {due}");
        if sleep.contains("Berlin") {
            assert_eq!(due.to_rfc3339(), "2999-01-01T07:00:00Z");
        }
    }
    // A moment that has passed needs no wait.
    let step = "  - {sleep: {until: '= input'}}\n";
    gives(step, json!("2020-01-01T00:00:00Z"), json!("2020-01-01T00:00:00Z")).await;
    let error = fails(step, json!("soon")).await;
    assert!(error.to_string().contains("`until` is a moment, but `soon` is not"), "{error}");
    let error = fails("  - {sleep: = input}\n", json!("5")).await;
    assert!(error.to_string().contains("`sleep` is a duration, but `5`"), "{error}");
}

#[test]
fn a_wait_that_cannot_be_is_a_mistake() {
    for (sleep, message) in [
        ("{until: soon}", "`until` is a moment, but `soon` is not a moment such as"),
        ("{until: '2026-01-01', duration: 1h}", "`sleep` has a `duration` or an `until`"),
        ("{until: '= now', zone: Mars}", "there is no time zone `Mars`"),
        ("{duration: 1h, zone: UTC}", "only `until` has a time zone"),
        ("{}", "`sleep` needs `duration`"),
        ("= steps.later", "there is no step `later`"),
    ] {
        let text = format!("format: 1\nname: Nap\nsteps:\n  - {{name: nap, sleep: {sleep}}}\n");
        let mistakes = Definition::parse(&text, "nap.yaml", &Options::default()).unwrap_err();
        let first = &mistakes.iter().next().unwrap().message;
        assert!(first.starts_with(message), "{sleep}: {first}");
    }
}
