//! `wait_for`: events from outside.

use serde_json::{Value, json};
use stepwright_core::{AnyStore, Memory, RunStatus};
use stepwright_engine::{Runs, Workflow};
use stepwright_file::{Definition, Options};

fn built(steps: &str, memory: &Memory) -> Workflow {
    let text = format!("format: 1\nname: Orders\nsteps:\n{steps}");
    let definition = Definition::parse(&text, "orders.yaml", &Options::default());
    let definition = definition.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    definition.builder().unwrap().store(memory.clone()).build().unwrap()
}

/// Sends `order.paid`, and returns the number of runs that received it.
async fn emit(memory: &Memory, key: &str, payload: Value) -> usize {
    let runs = Runs::of(AnyStore::new(memory.clone()));
    runs.emit("order.paid").key(key).payload(payload).await.unwrap().received.len()
}

#[tokio::test]
async fn key_and_condition_are_computed_when_the_wait_begins() {
    let memory = Memory::default();
    let steps = "  - name: paid\n    wait_for: {event: order.paid, key: = input.order, match: = \
                 event.amount >= input.price && event.by in input.friends}\n  - {name: told, \
                 template: '{{ steps.paid.amount }} by {{ steps.paid.by }}'}\n";
    let workflow = built(steps, &memory);
    let input = json!({"order": 17, "price": 5, "friends": ["ada", "ben"]});
    let paused = workflow.run(input).run_id("r").await.unwrap();
    assert_eq!(paused.status, RunStatus::Paused);
    let asked = serde_json::to_value(&paused.requirements[0]).unwrap();
    assert_eq!((&asked["name"], &asked["key"]), (&json!("order.paid"), &json!("17")));
    assert_eq!(emit(&memory, "17", json!({"amount": 4, "by": "ada"})).await, 0);
    assert_eq!(emit(&memory, "17", json!({"amount": 5, "by": "cem"})).await, 0);
    assert_eq!(emit(&memory, "18", json!({"amount": 5, "by": "ben"})).await, 0);
    assert_eq!(emit(&memory, "17", json!({"amount": 5.5, "by": "ben"})).await, 1);
    assert_eq!(workflow.resume("r").await.unwrap().content.text(), "5.5 by ben");
}

#[tokio::test]
async fn without_an_event_in_time_it_fails_or_gives_its_default() {
    let memory = Memory::default();
    let end = async |steps: &str, run: &str| {
        let workflow = built(steps, &memory);
        let mut output = workflow.run("o-1").run_id(run).await;
        while output.as_ref().is_ok_and(|output| output.status == RunStatus::Paused) {
            output = workflow.resume(run).await;
        }
        output
    };
    let default =
        "  - {name: a, wait_for: {event: order.paid, timeout: 1ms, default: {n: = input}}}\n";
    assert_eq!(end(default, "calm").await.unwrap().content.to_value(), json!({"n": "o-1"}));
    let fails = "  - {name: a, wait_for: {event: order.paid, timeout: \"= '1ms'\"}}\n";
    let failed = end(fails, "late").await.unwrap_err();
    assert!(failed.to_string().contains("the event `order.paid` did not come in time"), "{failed}");
    let skips = "  - {name: a, wait_for: {event: order.paid, timeout: 1ms}, on_error: \
                 {timed_out: skip, otherwise: fail}}\n  - {name: b, template: went on}\n";
    assert_eq!(end(skips, "skips").await.unwrap().content.text(), "went on");
}

#[test]
fn mistakes_of_a_wait_are_told_with_what_to_write() {
    for (wait, message, help) in [
        ("order paid", "the name of an event cannot be `order paid`", "use letters"),
        ("{key: a}", "`wait_for` needs `event`", "write the name of the event"),
        ("{event: a, kye: b}", "`wait_for` has no key `kye`", "it has: `event`, `key`"),
        ("{event: a, key: [b]}", "`key` is a text or a number, or an expression for one", ""),
        (
            "{event: a, match: = input == 1}",
            "`match` is a condition on the event",
            "compare fields",
        ),
        (
            "{event: a, match: = size(event) > 1}",
            "`match` can only compare fields",
            "compare fields",
        ),
        ("{event: a, default: 1}", "`default` needs a `timeout`", "say how long to wait"),
    ] {
        let text = format!("format: 1\nname: A\nsteps:\n  - {{name: a, wait_for: {wait}}}\n");
        let mistakes = Definition::parse(&text, "a.yaml", &Options::default()).unwrap_err();
        let first = mistakes.iter().next().unwrap();
        assert!(first.message.starts_with(message), "{wait}: {}", first.message);
        let told = first.help.clone().unwrap_or_default();
        assert!(told.starts_with(help), "{wait}: {told}");
    }
}
