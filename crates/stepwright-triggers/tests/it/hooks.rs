//! Requests of webhooks.

use crate::world::Place;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use serde_json::json;
use sha2::Sha256;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use stepwright_core::store::{DeleteRun, RunStore as _};
use stepwright_core::{Content, Error, ErrorKind, RunId, RunStatus, StepContext, StepError};
use stepwright_engine::Workflow;
use stepwright_triggers::{Delivery, Received, Receiver, Refused, Signature, Webhook};

const SECRET: &str = "a secret of both sides";

/// A receiver with one webhook, and its token.
struct Hook {
    place: Place,
    receiver: Receiver,
    token: String,
}

impl Hook {
    fn new(webhook: Webhook) -> Self {
        let place = Place::new();
        let receiver =
            Receiver::new(place.store(), place.world(1)).add(&place.workflow(1), webhook);
        let stored = place.clock.run(receiver.register()).unwrap().remove(0);
        Self { place, receiver, token: stored.token.unwrap() }
    }

    fn receive(&self, delivery: Delivery) -> Result<Received, Refused> {
        self.place.clock.run(self.receiver.receive(&self.token, delivery))
    }

    fn forged(&self, delivery: Delivery) -> &'static str {
        match self.receive(delivery) {
            Err(Refused::Forged(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    /// Returns the time in seconds, as signatures have it.
    fn now(&self) -> String {
        self.place.now().seconds().to_string()
    }

    fn input(&self, received: &Received) -> String {
        let Received::Begun(run) = received else { panic!("{received:?}") };
        self.place.end_runs();
        self.place.clock.run(self.place.workflow(9).get_run(run)).unwrap().content.text().into()
    }
}

fn delivery(headers: &[(&str, &str)], body: &str) -> Delivery {
    let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Delivery { headers, query: String::new(), body: body.into() }
}

fn mac(secret: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn github(id: &str, body: &str) -> Delivery {
    let signature = format!("sha256={}", hex(&mac(SECRET.as_bytes(), body)));
    let headers = [("X-GitHub-Delivery", id), ("X-Hub-Signature-256", &signature)];
    delivery(&headers, body)
}

fn standard(id: &str, time: &str, body: &str) -> Delivery {
    let signature = STANDARD.encode(mac(SECRET.as_bytes(), &format!("{id}.{time}.{body}")));
    let signature = format!("v1,bm90IGl0 v1,{signature}");
    let headers =
        [("webhook-id", id), ("webhook-timestamp", time), ("webhook-signature", &*signature)];
    delivery(&headers, body)
}

fn slack(time: &str, body: &str) -> Delivery {
    let signature = format!("v0={}", hex(&mac(SECRET.as_bytes(), &format!("v0:{time}:{body}"))));
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Slack-Request-Timestamp", time),
        ("X-Slack-Signature", &*signature),
    ];
    delivery(&headers, body)
}

fn signed(signature: Signature) -> Hook {
    Hook::new(Webhook::new("push").unwrap().signed(signature, SECRET))
}

#[test]
fn the_token_is_random_and_the_only_way() {
    let hook = Hook::new(Webhook::new("push").unwrap());
    assert!(hook.token.starts_with("swh_") && hook.token.len() >= 64, "{}", hook.token);
    // A second server, and the same one again, know it by its hash only.
    let again = hook.place.clock.run(hook.receiver.register()).unwrap();
    assert_eq!(again[0].token, None);
    for token in ["", "push", "digest.push", "swh_", &hook.token[1..]] {
        let received = hook.receiver.receive(token, delivery(&[], "x"));
        assert!(matches!(hook.place.clock.run(received), Err(Refused::Unknown)), "{token}");
    }
    assert_eq!(hook.input(&hook.receive(delivery(&[], "x")).unwrap()), "x");
    let renewed = hook.place.clock.run(hook.receiver.tokens().renew("digest.push")).unwrap();
    assert!(matches!(hook.receive(delivery(&[], "x")), Err(Refused::Unknown)));
    let received = hook.receiver.receive(&renewed, delivery(&[], "x"));
    assert!(matches!(hook.place.clock.run(received), Ok(Received::Begun(_))));
    let unknown = hook.place.clock.run(hook.receiver.tokens().renew("digest.pull")).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
    let gone = Receiver::new(hook.place.store(), hook.place.world(2));
    let gone = gone.add(&hook.place.workflow(2), Webhook::new("pull").unwrap());
    hook.place.clock.run(gone.register()).unwrap();
    let left = hook.place.clock.run(hook.receiver.tokens().list()).unwrap();
    assert_eq!(left.iter().map(|webhook| &*webhook.id).collect::<Vec<_>>(), ["digest.pull"]);
}

#[test]
fn a_signature_of_github_is_verified() {
    // The example of GitHub's documentation.
    let known = concat!("It's a Secret to Every", "body");
    let hook = Hook::new(Webhook::new("push").unwrap().signed(Signature::GitHub, known));
    let right = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let headers = [("x-github-delivery", "1"), ("x-hub-signature-256", right)];
    assert!(matches!(hook.receive(delivery(&headers, "Hello, World!")), Ok(Received::Begun(_))));
    assert_eq!(hook.forged(delivery(&headers, "Hello, World?")), WRONG);
    assert_eq!(hook.forged(delivery(&[], "Hello, World!")), ABSENT);
    let sha1 = right.replace("sha256", "sha1");
    for wrong in ["sha256=", "sha256=75", &sha1, "sha256=é", &right[7..]] {
        let headers = [("x-github-delivery", "2"), ("x-hub-signature-256", wrong)];
        assert_eq!(hook.forged(delivery(&headers, "Hello, World!")), WRONG, "{wrong}");
    }
}

const WRONG: &str = "the signature of the request is wrong";
const ABSENT: &str = "the request has no signature";
const OLD: &str = "the signature of the request is more than five minutes old";
const FUTURE: &str = "the time of the signature is more than five minutes in the future";

#[test]
fn a_standard_signature_is_verified() {
    let hook = signed(Signature::Standard);
    let now = hook.now();
    assert!(matches!(hook.receive(standard("m-1", &now, "x")), Ok(Received::Begun(_))));
    let mut forged = standard("m-2", &now, "x");
    forged.body = b"y".to_vec();
    assert_eq!(hook.forged(forged), WRONG);
    // The id and the time are signed too.
    let mut renamed = standard("m-3", &now, "x");
    renamed.headers[0].1 = "m-4".to_owned();
    assert_eq!(hook.forged(renamed), WRONG);
    // The example of the specification, with its secret.
    let hook = Hook::new(
        Webhook::new("push")
            .unwrap()
            .signed(Signature::Standard, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    );
    let headers = [
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    ];
    // It is right, and years old.
    assert_eq!(hook.forged(delivery(&headers, r#"{"test": 2432232314}"#)), OLD);
}

#[test]
fn a_signature_of_slack_is_verified() {
    let hook = signed(Signature::Slack);
    let now = hook.now();
    let body = r#"{"type":"event_callback","event_id":"Ev1","event":{"text":"hi"}}"#;
    assert!(matches!(hook.receive(slack(&now, body)), Ok(Received::Begun(_))));
    // Slack sends an event again, with a new signature.
    let later = (hook.place.now().seconds() + 1).to_string();
    assert!(matches!(hook.receive(slack(&later, body)), Ok(Received::Duplicate(_))));
    let mut forged = slack(&now, body);
    forged.headers[1].1 = later;
    assert_eq!(hook.forged(forged), WRONG);
    let asked = slack(&now, r#"{"type":"url_verification","challenge":"abc"}"#);
    assert_eq!(hook.receive(asked).unwrap(), Received::Challenge("abc".to_owned()));
    let unsigned = delivery(
        &[("Content-Type", "application/json")],
        r#"{"type":"url_verification","challenge":"abc"}"#,
    );
    assert_eq!(hook.forged(unsigned), ABSENT);
    assert_eq!(hook.place.ids().len(), 1);
}

#[test]
fn a_replayed_request_begins_no_second_run() {
    let hook = signed(Signature::Standard);
    let now = hook.now();
    let Ok(Received::Begun(run)) = hook.receive(standard("m-1", &now, "x")) else { panic!() };
    assert_eq!(hook.receive(standard("m-1", &now, "x")).unwrap(), Received::Duplicate(run));
    hook.place.pass(Duration::from_mins(6));
    assert_eq!(hook.forged(standard("m-1", &now, "x")), OLD);
    let future = (hook.place.now().seconds() + 301).to_string();
    assert_eq!(hook.forged(standard("m-2", &future, "x")), FUTURE);
    assert_eq!(hook.forged(standard("m-2", "soon", "x")), "the time of the signature is no number");

    // The name of a delivery of GitHub is not signed.
    let hook = signed(Signature::GitHub);
    let Ok(Received::Begun(run)) = hook.receive(github("d-1", "x")) else { panic!() };
    assert_eq!(hook.receive(github("d-1", "x")).unwrap(), Received::Duplicate(run.clone()));
    assert_eq!(hook.receive(github("d-2", "x")).unwrap(), Received::Duplicate(run));
    assert!(matches!(hook.receive(github("d-3", "y")), Ok(Received::Begun(_))));
    assert_eq!(hook.place.ids().len(), 2);
}

/// A workflow that waits twice for an order to be paid, and its webhook.
fn paid(place: &Place, webhook: Webhook) -> (Workflow, Receiver, String) {
    async fn settle(order: String, cx: StepContext) -> Result<String, StepError> {
        let paid: String = cx.wait_for("order.paid").key(order).await?;
        Ok(format!("{} {paid}", cx.path()))
    }
    async fn again(_: String, cx: StepContext) -> Result<String, StepError> {
        let paid: String = cx.wait_for("order.paid").key("o-1").await?;
        Ok(format!("again {paid}"))
    }
    let builder = Workflow::builder("orders").store(place.store()).world(place.world(5));
    let workflow = builder.step(settle).step(again).build().unwrap();
    let receiver = Receiver::new(place.store(), place.world(1)).add(&workflow, webhook);
    let token = place.clock.run(receiver.register()).unwrap().remove(0).token.unwrap();
    (workflow, receiver, token)
}

fn pays() -> Webhook {
    let webhook = Webhook::new("paid").unwrap().emits("order.paid").unwrap();
    webhook.event_key(|_| async { Ok(Some("o-1".to_owned())) })
}

#[test]
fn a_delivery_that_is_an_event_reaches_each_waiting_run_once() {
    let place = Place::new();
    let (workflow, receiver, token) = paid(&place, pays());
    let receive = |id: &str, body: &str| {
        let delivery = delivery(&[("Idempotency-Key", id)], body);
        match place.clock.run(receiver.receive(&token, delivery)).unwrap() {
            Received::Emitted(runs) => runs,
            other => panic!("{other:?}"),
        }
    };
    assert!(receive("d-0", "too early").is_empty());
    let [first, second] =
        ["o-1", "o-2"].map(|order| place.clock.run(workflow.run(order)).unwrap().run_id);
    assert_eq!(receive("d-1", "5 EUR"), std::slice::from_ref(&first));
    let resumed = |run: &RunId| place.clock.run(workflow.resume(run)).unwrap();
    assert_eq!(resumed(&first).status, RunStatus::Paused);
    // The service sends it again, while the run waits for the next one.
    assert!(receive("d-1", "5 EUR").is_empty());
    assert_eq!(receive("d-2", "6 EUR"), std::slice::from_ref(&first));
    assert_eq!(resumed(&first).content.text(), "again 6 EUR");
    assert_eq!(resumed(&second).status, RunStatus::Paused);
    assert_eq!(place.runs().len(), 2, "an event begins no run");
}

#[test]
fn a_copy_of_an_event_of_github_under_another_name_reaches_no_run_again() {
    let place = Place::new();
    let (workflow, receiver, token) = paid(&place, pays().signed(Signature::GitHub, SECRET));
    let receive =
        |id: &str, body: &str| place.clock.run(receiver.receive(&token, github(id, body))).unwrap();
    let run = place.clock.run(workflow.run("o-1")).unwrap().run_id;
    assert_eq!(receive("d-1", "5 EUR"), Received::Emitted(vec![run.clone()]));
    assert_eq!(place.clock.run(workflow.resume(&run)).unwrap().status, RunStatus::Paused);
    assert_eq!(receive("d-2", "5 EUR"), Received::Emitted(Vec::new()));
    assert_eq!(receive("d-3", "6 EUR"), Received::Emitted(vec![run]));
}

#[test]
fn a_delivery_begins_no_second_run_after_its_run_was_deleted() {
    for (signature, again) in [
        (Some(Signature::GitHub), vec![github("d-1", "x"), github("d-2", "x")]),
        (None, vec![delivery(&[("Idempotency-Key", "k-1")], "x")]),
    ] {
        let hook = match signature {
            Some(signature) => signed(signature),
            None => Hook::new(Webhook::new("push").unwrap()),
        };
        let Ok(Received::Begun(run)) = hook.receive(again[0].clone()) else { panic!() };
        hook.place.end_runs();
        let delete = DeleteRun::ended(run.clone());
        hook.place.clock.run(hook.place.store().delete_run(delete)).unwrap().unwrap();
        hook.place.pass(Duration::from_mins(5));
        for delivery in again.clone() {
            let received = hook.receive(delivery).unwrap();
            assert!(matches!(received, Received::Duplicate(_)), "{received:?}");
        }
        assert!(hook.place.ids().is_empty());
        hook.place.pass(Duration::from_hours(8 * 24));
        assert!(matches!(hook.receive(again[0].clone()), Ok(Received::Begun(_))));
    }
}

#[test]
fn a_delivery_whose_run_could_not_begin_is_no_duplicate_later() {
    let webhook = Webhook::new("push").unwrap().signed(Signature::GitHub, SECRET);
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = broken.clone();
    let webhook =
        webhook.input_from(move |request| {
            let is_broken = is_broken.load(Ordering::SeqCst);
            async move {
                if is_broken { Err(Error::usage("not now")) } else { Ok(Content::from(request)) }
            }
        });
    let hook = Hook::new(webhook);
    assert!(matches!(hook.receive(github("d-1", "x")), Err(Refused::Failed(_))));
    broken.store(false, Ordering::SeqCst);
    let received = hook.receive(github("d-2", "x")).unwrap();
    assert!(matches!(received, Received::Begun(_)), "{received:?}");
}

#[test]
fn one_delivery_to_several_servers_begins_one_run() {
    let hook = Hook::new(Webhook::new("push").unwrap());
    let headers = [("Idempotency-Key", "order-7")];
    let servers: Vec<Receiver> = (2..6)
        .map(|seed| {
            let receiver = Receiver::new(hook.place.store(), hook.place.world(seed));
            receiver.add(&hook.place.workflow(seed), Webhook::new("push").unwrap())
        })
        .collect();
    let all = servers.iter().map(|server| server.receive(&hook.token, delivery(&headers, "x")));
    let all = hook.place.clock.run(futures_util::future::join_all(all));
    let begun = all.iter().filter(|one| matches!(one, Ok(Received::Begun(_)))).count();
    let known = all.iter().filter(|one| matches!(one, Ok(Received::Duplicate(_)))).count();
    assert_eq!((begun, known), (1, 3), "{all:?}");
}

#[test]
fn the_functions_of_a_webhook_see_the_request_without_credentials() {
    let hook = Hook::new(
        Webhook::new("push")
            .unwrap()
            .only_if(|request| async move { Ok(request["headers"]["x-kind"] == "order") })
            .delivery_id(|request| async move { Ok(request["body"]["id"].to_string()) })
            .input_from(|request| async move { Ok(Content::from(request)) }),
    );
    let json = ("Content-Type", "application/json; charset=utf-8");
    let other = hook.receive(delivery(&[json, ("X-Kind", "refund")], r#"{"id":7}"#)).unwrap();
    assert_eq!(other, Received::Ignored);
    let headers = [json, ("X-Kind", "order"), ("Authorization", "Bearer x"), ("Cookie", "y")];
    let mut order = delivery(&headers, r#"{"id":7}"#);
    order.query = "from=shop&from=web&a=%C3%A9".to_owned();
    let received = hook.receive(order.clone()).unwrap();
    let seen: serde_json::Value = serde_json::from_str(&hook.input(&received)).unwrap();
    let wanted = json!({
        "body": {"id": 7},
        "headers": {"content-type": "application/json; charset=utf-8", "x-kind": "order"},
        "query": {"from": "web", "a": "é"},
        "delivery": "7",
    });
    assert_eq!(seen, wanted);
    assert!(matches!(hook.receive(order), Ok(Received::Duplicate(_))));
    // A form with JSON in it, as Slack's buttons send it.
    let form = [("Content-Type", "application/x-www-form-urlencoded"), ("X-Kind", "order")];
    let received = hook.receive(delivery(&form, "id=8&payload=%7B%22a%22%3A1%7D")).unwrap();
    assert!(hook.input(&received).contains(r#""payload":{"a":1}"#));
}

#[test]
fn bodies_that_cannot_be_read_and_failing_functions_are_refused() {
    let hook = Hook::new(Webhook::new("push").unwrap());
    let json = [("Content-Type", "application/json")];
    let Err(Refused::Unreadable(why)) = hook.receive(delivery(&json, "{")) else { panic!() };
    assert!(why.starts_with("the body is not JSON"), "{why}");
    let twice = r#"{"to": "ada", "to": "eve"}"#;
    let Err(Refused::Unreadable(why)) = hook.receive(delivery(&json, twice)) else { panic!() };
    assert!(why.contains("an object has `to` twice"), "{why}");
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let twice = "payload=%7B%22a%22%3A1%2C%22a%22%3A2%7D";
    let Err(Refused::Unreadable(why)) = hook.receive(delivery(&form, twice)) else { panic!() };
    assert!(why.contains("`payload`") && why.contains("an object has `a` twice"), "{why}");
    let mut binary = delivery(&[], "");
    binary.body = vec![0xff];
    let Err(Refused::Unreadable(why)) = hook.receive(binary) else { panic!() };
    assert_eq!(why, "the body is not UTF-8");
    let long = "x".repeat(513);
    let Err(Refused::Unreadable(why)) = hook.receive(delivery(&[("Idempotency-Key", &long)], ""))
    else {
        panic!()
    };
    assert!(why.contains("513 bytes"), "{why}");
    let failing = Webhook::new("push")
        .unwrap()
        .input_from(|_| async { Err::<Content, _>(Error::usage("no such order")) });
    let hook = Hook::new(failing);
    let Err(Refused::Failed(error)) = hook.receive(delivery(&[], "x")) else { panic!() };
    assert_eq!(error.to_string(), "no such order");
    assert!(hook.place.ids().is_empty());
    let shown = format!("{:?}", Webhook::new("a").unwrap().signed(Signature::Slack, SECRET));
    assert!(!shown.contains(SECRET), "{shown}");
}

/// One of the requests has registered its run, and not stored it, when the others look.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_delivery_that_arrives_twice_at_the_same_moment_begins_one_run() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new();
    let store = stepwright_store::Sqlite::open(folder.path().join("runs.db")).await.unwrap();
    let store = stepwright_core::AnyStore::new(store);
    let workflow = place.workflow_on(store.clone(), 1);
    let receiver = Receiver::new(store, place.world(1));
    let receiver = receiver.add(&workflow, Webhook::new("push").unwrap());
    let token = receiver.register().await.unwrap().remove(0).token.unwrap();
    for nth in 0..20 {
        let requests = (0..8).map(|_| {
            let (receiver, token) = (receiver.clone(), token.clone());
            let delivery = delivery(&[("idempotency-key", &nth.to_string())], "x");
            tokio::spawn(async move { receiver.receive(&token, delivery).await })
        });
        let mut begun = 0;
        for request in requests.collect::<Vec<_>>() {
            match request.await.unwrap().unwrap() {
                Received::Begun(_) => begun += 1,
                Received::Duplicate(_) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(begun, 1, "{nth}");
    }
}

#[test]
fn a_signature_of_slack_does_not_get_into_the_run() {
    let hook = signed(Signature::Slack);
    let request = slack(&hook.now(), r#"{"type":"block_actions"}"#);
    let (_, signature) = request.headers.last().unwrap().clone();
    let Received::Begun(run) = hook.receive(request).unwrap() else { panic!() };
    let facts = hook.place.clock.run(hook.place.store().load(&run, 0, 10)).unwrap();
    let stored = serde_json::to_string(&facts).unwrap();
    assert!(stored.contains("\"delivery\"") && !stored.contains(&signature), "{stored}");
}

#[test]
fn a_webhook_of_another_server_keeps_its_token_for_a_week() {
    let hook = Hook::new(Webhook::new("push").unwrap());
    let other = Receiver::new(hook.place.store(), hook.place.world(2));
    let other = other.add(&hook.place.workflow(2), Webhook::new("pull").unwrap());
    let week = Duration::from_hours(24 * 7);
    let listed = || {
        let all = hook.place.clock.run(hook.receiver.tokens().list()).unwrap();
        all.into_iter().map(|webhook| webhook.id).collect::<Vec<_>>()
    };
    hook.place.clock.run(other.register()).unwrap();
    assert_eq!(listed(), ["digest.pull"]);
    // A request shows that a server still has it.
    assert!(matches!(hook.receive(delivery(&[], "x")), Ok(Received::Begun(_))));
    assert_eq!(listed(), ["digest.pull", "digest.push"]);
    hook.place.pass(week * 2);
    hook.place.clock.run(other.register()).unwrap();
    hook.place.pass(week + Duration::from_secs(1));
    hook.place.clock.run(other.register()).unwrap();
    assert!(matches!(hook.receive(delivery(&[], "x")), Err(Refused::Unknown)));
}

#[test]
fn a_webhook_that_cannot_be_read_does_not_stop_the_others() {
    let hook = Hook::new(Webhook::new("push").unwrap());
    hook.place.damage("webhook", "digest.broken");
    assert!(matches!(hook.receive(delivery(&[], "x")), Ok(Received::Begun(_))));
    let pulled = Webhook::new("broken").unwrap();
    let receiver = hook.receiver.clone().add(&hook.place.workflow(1), pulled);
    let registered = hook.place.clock.run(receiver.register()).unwrap();
    assert_eq!(registered.len(), 1, "{registered:?}");
}
