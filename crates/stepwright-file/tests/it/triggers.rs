//! `on` of files: schedules and webhooks.

use serde_json::json;
use stepwright_core::{AnyStore, ErrorId, Memory};
use stepwright_engine::{Workflow, real_world};
use stepwright_file::{Definition, Options, Variables};
use stepwright_triggers::{Delivery, Received, Receiver, Refused, Scheduler};

const STEPS: &str = "vars: {team: bees}\nsteps: [{name: show, template: '{{ input }}'}]\n";

fn parsed(on: &str) -> Result<Definition, stepwright_file::Diagnostics> {
    let text = format!("format: 1\nname: News\nid: news\n{STEPS}on: {on}\n");
    let variables = Variables::from([("HOOK_SECRET", "a secret of both sides")]);
    let options = Options { variables, ..Options::default() };
    Definition::parse(&text, "flow.yaml", &options)
}

fn built(definition: &Definition, store: &AnyStore) -> Workflow {
    definition.builder().unwrap().store(store.clone()).build().unwrap()
}

fn store() -> AnyStore {
    AnyStore::new(Memory::default())
}

#[tokio::test]
async fn a_schedule_of_a_file_begins_runs_with_a_computed_input() {
    let on = "{schedule: {cron: '@yearly', input: '= vars.team + input.schedule'}}";
    let (definition, store) = (parsed(on).unwrap(), store());
    let workflow = built(&definition, &store);
    let schedule = definition.schedules().remove(0);
    let scheduler = Scheduler::new(store, real_world()).add(&workflow, schedule);
    let run = scheduler.run_now("news.schedule").await.unwrap();
    let output = workflow.resume(&run).await.unwrap();
    assert_eq!(output.content.text(), "beesschedule");
    // An agent of the file is not begun by its triggers.
    let agents = "{schedule: {every: 1h}}\nmodel: offline\nagents: {host: {}}";
    let definition = parsed(agents).unwrap();
    assert_eq!(definition.schedules().len(), 1);
    assert!(definition.agent("host").unwrap().schedules().is_empty());
}

#[tokio::test]
async fn a_webhook_of_a_file_takes_what_its_expressions_say() {
    let on = "\n  webhook:\n    when: = input.body.kind == \"order\"\n    id: = input.body.id\n    \
              input: {order: = input.body.id, by: '= input.query.by'}\n    session: orders";
    let (definition, store) = (parsed(on).unwrap(), store());
    let workflow = built(&definition, &store);
    let webhook = definition.webhooks().remove(0);
    let receiver = Receiver::new(store, real_world()).add(&workflow, webhook);
    let token = receiver.register().await.unwrap().remove(0).token.unwrap();
    let send = async |kind: &str, query: &str| {
        let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        let body = json!({"kind": kind, "id": 7}).to_string().into_bytes();
        receiver.receive(&token, Delivery { headers, query: query.to_owned(), body }).await
    };
    assert_eq!(send("refund", "by=ada").await.unwrap(), Received::Ignored);
    // A request without what the input needs begins nothing.
    let Err(Refused::Failed(error)) = send("order", "").await else { panic!() };
    let told = error.to_string();
    assert!(told.starts_with("`input` of a webhook cannot be computed: "), "{told}");
    assert!(told.contains("input.query.by"), "{told}");
    let Received::Begun(run) = send("order", "by=ada").await.unwrap() else { panic!() };
    assert!(matches!(send("order", "by=ben").await.unwrap(), Received::Duplicate(_)));
    let output = workflow.resume(&run).await.unwrap();
    assert_eq!(output.session_id.as_str(), "orders");
    let written: serde_json::Value = serde_json::from_str(&output.content.text()).unwrap();
    assert_eq!(written, json!({"order": 7, "by": "ada"}));
}

#[tokio::test]
async fn a_webhook_of_a_file_sends_an_event_to_a_run_that_waits() {
    let text = "
format: 1
name: Orders
on:
  webhook:
    name: paid
    when: = input.body.type == 'paid'
    input: = input.body.amount
    emit: {event: order.paid, key: = input.body.order}
steps:
  - {name: paid, wait_for: {event: order.paid, key: = input}}
  - {name: told, template: 'paid {{ previous }}'}
";
    let definition = Definition::parse(text, "orders.yaml", &Options::default()).unwrap();
    let store = store();
    let workflow = built(&definition, &store);
    let receiver = Receiver::new(store, real_world());
    let receiver = receiver.add(&workflow, definition.webhooks().remove(0));
    let token = receiver.register().await.unwrap().remove(0).token.unwrap();
    let run = workflow.run("o-17").await.unwrap().run_id;
    let send = async |body: serde_json::Value| {
        let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        let delivery = Delivery { headers, body: body.to_string().into(), ..Delivery::default() };
        receiver.receive(&token, delivery).await
    };
    let paid = |order: &str| json!({"type": "paid", "order": order, "amount": 5});
    assert_eq!(send(json!({"type": "seen"})).await.unwrap(), Received::Ignored);
    assert_eq!(send(paid("o-18")).await.unwrap(), Received::Emitted(Vec::new()));
    assert_eq!(send(paid("o-17")).await.unwrap(), Received::Emitted(vec![run.clone()]));
    assert_eq!(workflow.resume(&run).await.unwrap().content.text(), "paid 5");
    let keyless = send(json!({"type": "paid", "amount": 5})).await;
    assert!(matches!(keyless, Err(Refused::Failed(_))), "{keyless:?}");
}

#[tokio::test]
async fn a_webhook_with_a_secret_takes_signed_requests_only() {
    let on = "{webhook: {secret: HOOK_SECRET, signature: github}}\nsecrets: [HOOK_SECRET]";
    let (definition, store) = (parsed(on).unwrap(), store());
    let workflow = built(&definition, &store);
    let receiver = Receiver::new(store, real_world());
    let receiver = receiver.add(&workflow, definition.webhooks().remove(0));
    let token = receiver.register().await.unwrap().remove(0).token.unwrap();
    let unsigned = Delivery { body: b"x".to_vec(), ..Delivery::default() };
    assert!(matches!(receiver.receive(&token, unsigned).await, Err(Refused::Forged(_))));
}

#[test]
fn mistakes_of_triggers_are_reported() {
    for (on, message) in [
        ("{schedule: {cron: soon}}", "`soon` is not a cron expression"),
        ("{schedule: {cron: 0 0 30 2 *}}", "cron expression `0 0 30 2 *` matches no date"),
        ("{schedule: {cron: '@daily', zone: Mars}}", "there is no time zone `Mars`"),
        ("{schedule: {cron: '@daily', every: 1h}}", "a schedule has `cron` or `every`, and not"),
        ("{schedule: {name: daily}}", "a schedule has `cron` or `every`"),
        ("{schedule: {every: 10ms}}", "`every` is 10ms; it must be from 1s to 366d"),
        ("{schedule: {every: 1h, zone: UTC}}", "`zone` belongs to `cron`"),
        ("{schedule: {every: 1h, jitter: 2d}}", "`jitter` must be at most 24h"),
        ("{schedule: {every: 1h, catch_up_within: 40d}}", "`catch_up_within` must be at most 31d"),
        ("{schedule: {every: 1h, name: a b}}", "a schedule cannot be called `a b`"),
        ("{schedule: []}", "`schedule` is a list with from 1 to 100"),
        ("{schedule: [{every: 1h}, {every: 2h}]}", "a schedule of several needs `name`"),
        (
            "{schedule: [{name: a, every: 1h}, {name: a, every: 2h}]}",
            "two schedules are called `a`",
        ),
        (
            "{schedule: {every: 1h, input: '= steps.show'}}",
            "this expression cannot refer to `steps`",
        ),
        ("{schedule: {every: 1h, input: '= vars.tem'}}", "tem"),
        ("{webhook: {signature: github}}", "a signature needs `secret`"),
        ("{webhook: {secret: HOOK_SECRET}}", "there is no secret `HOOK_SECRET`"),
        ("{webhook: {signature: md5, secret: HOOK_SECRET}}", "`signature` is one of"),
        ("{webhook: {when: 'yes'}}", "`when`"),
        ("{webhook: {emit: {key: = input.body}}}", "`emit` needs `event`"),
        ("{webhook: {emit: order paid}}", "the name of an event cannot be `order paid`"),
        ("{webhook: {emit: [a]}}", "`emit`"),
        ("{webhook: {emit: a, session: s}}", "`session` has no effect beside `emit`"),
        ("{webhook: {emit: {event: a, key: = steps.show}}}", "cannot refer to `steps`"),
        ("{mail: {}}", "`on` has no key `mail`"),
    ] {
        let mistakes = parsed(on).unwrap_err();
        let all: Vec<&str> = mistakes.iter().map(|it| &*it.message).collect();
        assert!(all.iter().any(|it| it.contains(message)), "{on}: {all:?}");
    }
    // An input that the workflow refuses at each time.
    let schema = "\ninput: {type: object, required: [day], properties: {day: {type: string}}}";
    for (on, message) in [
        (
            "{schedule: {every: 1h}}",
            "the schedule `schedule` begins no run: this workflow needs `day`",
        ),
        (
            "{schedule: {every: 1h, input: {date: '= input.at'}}}",
            "this workflow needs `day` in its",
        ),
        ("{webhook: {name: w, input: {day: 3}}}", "the webhook `w` begins no run: `day`: "),
    ] {
        let mistakes = parsed(&format!("{on}{schema}")).unwrap_err();
        let all: Vec<&str> = mistakes.iter().map(|it| &*it.message).collect();
        assert!(all.iter().any(|it| it.contains(message)), "{on}: {all:?}");
    }
    assert!(
        parsed(&format!("{{schedule: {{every: 1h, input: {{day: '= input.at'}}}}}}{schema}"))
            .is_ok()
    );
    assert!(parsed(&format!("{{webhook: {{}}}}{schema}")).is_ok());
    let inner =
        "format: 1\nname: Inner\non: {schedule: {every: 1h}}\nsteps: [{name: a, template: x}]";
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("inner.yaml"), inner).unwrap();
    let outer = "format: 1\nname: Outer\nsteps: [{name: sub, workflow: inner.yaml}]\n";
    let outer_path = folder.path().join("outer.yaml");
    std::fs::write(&outer_path, outer).unwrap();
    let mistakes = Definition::read(&outer_path, &Options::default()).unwrap_err();
    let first = mistakes.iter().next().unwrap();
    assert_eq!(first.message, "`on` is about runs, and this file is a step of another one");
    assert_eq!(first.code, ErrorId::KEY_INVALID);
}
