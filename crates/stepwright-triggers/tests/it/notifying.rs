//! Notifications: real requests to a receiver on loopback, at the times of a virtual clock.

use crate::world::Place;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::{Either, select};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stepwright_core::{Error, HumanReview, RunId, StepError};
use stepwright_engine::{Parallel, Step, Workflow};
use stepwright_triggers::{Notification, Notifications, Notifier, RunEvent};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A request as the receiver got it.
#[derive(Clone, Debug)]
struct Got {
    head: String,
    body: String,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value).unwrap_or_default()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A receiver that gives these answers, one after the other, and 200 when there are no more. An
/// empty answer is none: the connection stays open.
struct Service {
    address: String,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Service {
    async fn start(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/hook", listener.local_addr().unwrap());
        let answers: VecDeque<String> = answers.iter().map(|text| (*text).to_owned()).collect();
        let (answers, got) = (Arc::new(Mutex::new(answers)), Arc::<Mutex<Vec<Got>>>::default());
        let seen = got.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (answers, seen) = (answers.clone(), seen.clone());
                tokio::spawn(async move {
                    let request = read(&mut stream).await;
                    seen.lock().unwrap().push(request);
                    let answer = answers.lock().unwrap().pop_front();
                    let answer = answer.unwrap_or_else(|| "200 OK".to_owned());
                    if answer.is_empty() {
                        std::future::pending::<()>().await;
                    }
                    let whole = format!(
                        "HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                    );
                    stream.write_all(whole.as_bytes()).await.unwrap();
                });
            }
        });
        Self { address, got }
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

async fn read(stream: &mut tokio::net::TcpStream) -> Got {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let got = Got { head: head.to_owned(), body: body.to_owned() };
            if got.body.len() >= got.header("content-length").parse().unwrap() {
                return got;
            }
        }
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "{text}");
    }
}

async fn write(text: String) -> Result<String, StepError> {
    if text == "fail" { Err(StepError::terminal("no paper")) } else { Ok(text) }
}

/// A workflow with a notification, and the servers that send it.
struct Told {
    place: Place,
    notifications: Notifications,
}

impl Told {
    fn by(notification: Notification) -> Self {
        Self { place: Place::new(), notifications: Notifications::new([notification]) }
    }

    fn builder(&self, name: &str) -> stepwright_engine::WorkflowBuilder {
        let builder = Workflow::builder(name).id("told").store(self.place.store());
        builder.world(self.place.world(1)).before_append(Arc::new(self.notifications.clone()))
    }

    /// Runs a workflow to its end. It fails if its input is `fail`.
    fn run(&self, id: &str, input: &str) -> RunId {
        let workflow = self.builder("Told").step(Step::new("only", write)).build().unwrap();
        let _ = self.place.clock.run(workflow.run(input).run_id(id).into_future());
        RunId::new(id).unwrap()
    }

    fn completed(&self, id: &str) -> RunId {
        self.run(id, "the news")
    }

    fn server(&self, seed: u64) -> Notifier {
        let notifier = Notifier::new(self.place.store(), self.place.world(seed));
        notifier.add("told".parse().unwrap(), self.notifications.clone())
    }
}

fn to(service: &Service) -> Notification {
    Notification::new("desk", &service.address).unwrap()
}

#[tokio::test]
async fn a_delivery_is_signed_and_says_what_happened() {
    let service = Service::start(&[]).await;
    let secret = format!("whsec_{}", STANDARD.encode("a key of both sides"));
    let told = Told::by(to(&service).signed(secret));
    told.completed("r-1");
    told.run("r-2", "fail");
    let server = told.server(1);
    assert_eq!(server.look().await.unwrap(), None);
    let mut got = service.got();
    got.sort_by_key(|one| one.json()["data"]["run_id"].as_str().unwrap().to_owned());
    let [completed, failed] = &got[..] else { panic!("{got:?}") };
    let body = completed.json();
    assert_eq!(body["type"], "run.completed");
    assert_eq!(body["data"]["workflow_id"], "told");
    assert!(!completed.body.contains("the news"), "the output is for bodies that ask for it");
    assert_eq!(failed.json()["type"], "run.failed");
    assert!(failed.json()["data"]["error"]["message"].as_str().unwrap().contains("no paper"));
    // As the library of any receiver verifies it.
    let (id, time) = (completed.header("webhook-id"), completed.header("webhook-timestamp"));
    let mut mac = Hmac::<Sha256>::new_from_slice(b"a key of both sides").unwrap();
    mac.update(format!("{id}.{time}.{}", completed.body).as_bytes());
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(completed.header("webhook-signature"), signature);
    assert_eq!(time, told.place.now().seconds().to_string());
    // What has arrived is stored no more.
    assert!(server.deliveries().pending().await.unwrap().is_empty());
    assert_eq!(server.look().await.unwrap(), None);
    assert_eq!(service.got().len(), 2);
}

#[tokio::test]
async fn only_the_wanted_events_are_sent_and_a_function_makes_the_body() {
    let service = Service::start(&[]).await;
    let notification = to(&service).events([RunEvent::Completed]).body_from(|about| async move {
        Ok(json!({"text": format!("{} of {}", about["output"], about["run_id"])}))
    });
    let told = Told::by(notification);
    told.run("r-1", "fail");
    told.completed("r-2");
    told.server(1).look().await.unwrap();
    let got = service.got();
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].json(), json!({"text": "\"the news\" of \"r-2\""}));
    assert_eq!(got[0].header("webhook-signature"), "", "there is no secret");
}

#[tokio::test]
async fn a_pause_is_sent_with_a_link_and_not_any_more_when_it_is_over() {
    let service = Service::start(&["500 Broken"]).await;
    let told = Told::by(to(&service).events([RunEvent::Paused]).link_for("anna"));
    let asked = HumanReview::new().requires_confirmation("Publish it?");
    let step = Step::new("publish", write).human_review(asked);
    let workflow = told.builder("Told").step(step).build().unwrap();
    let paused = told.place.clock.run(workflow.run("x").run_id("r-1").into_future()).unwrap();
    let server = told.server(1).links(Arc::new(|run, asked, person| {
        Box::pin(async move { Ok(Some(format!("https://x.org/{run}/{}/{person}", asked.id))) })
    }));
    assert!(server.look().await.unwrap().is_some(), "it is tried again");
    let body = service.got()[0].json();
    let request = &body["data"]["requests"][0];
    assert_eq!(
        (&request["requires"], &request["message"]),
        (&json!("confirmation"), &json!("Publish it?"))
    );
    assert_eq!(request["answer_url"], "https://x.org/r-1/publish!confirm/anna");
    let id = &paused.requirements[0].id;
    let answer = [(&**id, stepwright_core::Answer::Approve)];
    told.place.clock.run(workflow.continue_run("r-1", answer).into_future()).unwrap();
    told.place.pass(Duration::from_secs(6));
    assert_eq!(server.look().await.unwrap(), None);
    assert_eq!(service.got().len(), 1, "the question was answered");
}

#[tokio::test]
async fn a_question_is_told_once_however_often_its_run_pauses() {
    let service = Service::start(&[]).await;
    let told = Told::by(to(&service).events([RunEvent::Paused]));
    let asks = |name: &str| {
        let asked = HumanReview::new().requires_confirmation(format!("{name}?"));
        Step::new(name, write).human_review(asked)
    };
    let both = Parallel::new("both").branch(asks("one")).branch(asks("other"));
    let workflow = told.builder("Told").step(both).step(asks("last")).build().unwrap();
    let paused = told.place.clock.run(workflow.run("x").run_id("r-1")).unwrap();
    let server = told.server(1);
    server.look().await.unwrap();
    // It pauses again with the same question, and then with another one.
    for asked in &paused.requirements {
        let answer = [(&*asked.id, stepwright_core::Answer::Approve)];
        told.place.clock.run(workflow.continue_run("r-1", answer)).unwrap();
        server.look().await.unwrap();
    }
    let ids = |one: &Got| {
        let requests = one.json()["data"]["requests"].as_array().unwrap().clone();
        requests.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let got: Vec<Vec<String>> = service.got().iter().map(ids).collect();
    let last = vec!["last!confirm".to_owned()];
    assert_eq!(got, [vec!["both/one!confirm".to_owned(), "both/other!confirm".to_owned()], last]);
    assert!(server.deliveries().pending().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_delivery_that_fails_is_tried_again_under_one_id_until_it_is_dead() {
    let service = Service::start(&["500 Broken"; 11]).await;
    let told = Told::by(to(&service));
    let run = told.completed("r-1");
    let server = told.server(1);
    let mut waits = Vec::new();
    while let Some(next) = server.look().await.unwrap() {
        let wait = next.since(told.place.now());
        waits.push(wait.as_secs());
        told.place.pass(wait);
    }
    let seconds = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
    assert_eq!(waits.len(), seconds.len());
    for (wait, least) in waits.iter().zip(seconds) {
        assert!((least..=least + least / 10).contains(wait), "{waits:?}");
    }
    let got = service.got();
    assert_eq!(got.len(), 10);
    assert!(got.iter().all(|one| one.header("webhook-id") == got[0].header("webhook-id")));
    let deliveries = server.deliveries();
    assert!(deliveries.pending().await.unwrap().is_empty());
    let dead = deliveries.dead().await.unwrap().remove(0);
    assert_eq!((&dead.run, dead.attempts, dead.next), (&run, 10, None));
    assert_eq!(dead.error.as_deref(), Some("the receiver answered 500"));
    // Sent again, it fails once more and then arrives.
    deliveries.redeliver(&dead.id).await.unwrap();
    assert!(deliveries.dead().await.unwrap().is_empty());
    let next = server.look().await.unwrap().unwrap();
    told.place.pass(next.since(told.place.now()));
    assert_eq!(server.look().await.unwrap(), None);
    assert_eq!(service.got().len(), 12);
    assert!(deliveries.pending().await.unwrap().is_empty());
    let unknown = deliveries.redeliver(&dead.id).await.unwrap_err();
    assert!(unknown.to_string().contains("no dead delivery has the id"), "{unknown}");
}

#[tokio::test]
async fn the_answer_says_how_long_to_wait_and_when_to_give_up() {
    let answers = ["429 Slow\r\nretry-after: 3600", "302 Found\r\nlocation: /other", "410 Gone"];
    let service = Service::start(&answers).await;
    let told = Told::by(to(&service));
    told.completed("r-1");
    let server = told.server(1);
    let next = server.look().await.unwrap().unwrap().since(told.place.now()).as_secs();
    assert!((3_600..3_602).contains(&next), "{next}");
    told.place.pass(Duration::from_secs(3_602));
    server.look().await.unwrap();
    let pending = server.deliveries().pending().await.unwrap().remove(0);
    let error = pending.error.unwrap();
    assert_eq!(error, "the receiver answered 302; redirects are not followed");
    told.place.pass(Duration::from_mins(6));
    assert_eq!(server.look().await.unwrap(), None);
    let dead = server.deliveries().dead().await.unwrap().remove(0);
    assert_eq!(
        (dead.attempts, &*dead.error.unwrap()),
        (3, "the receiver answered 410: it is gone")
    );
    assert!(service.got().iter().all(|got| got.head.starts_with("POST /hook ")));
}

#[tokio::test]
async fn a_receiver_that_hangs_or_is_away_is_tried_again() {
    let service = Service::start(&[""]).await;
    let told = Told::by(to(&service).timeout(Duration::from_millis(50)).unwrap());
    told.completed("r-1");
    let server = told.server(1);
    server.look().await.unwrap();
    let error = async || server.deliveries().pending().await.unwrap().remove(0).error.unwrap();
    assert_eq!(error().await, "the receiver did not answer within 50ms");
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let away = format!("http://{closed}/a-secret-path");
    let told = Told::by(Notification::new("desk", &away).unwrap());
    told.completed("r-1");
    let server = told.server(1);
    server.look().await.unwrap();
    let error = server.deliveries().pending().await.unwrap().remove(0).error.unwrap();
    assert!(error.starts_with("the receiver cannot be reached: "), "{error}");
    assert!(!error.contains("a-secret-path"), "{error}");
}

#[tokio::test]
async fn several_servers_send_a_delivery_once() {
    let service = Service::start(&[]).await;
    let told = Told::by(to(&service));
    for nth in 0..20 {
        told.completed(&format!("r-{nth}"));
    }
    let servers: Vec<Notifier> = (1..=4).map(|seed| told.server(seed)).collect();
    let looks = servers.iter().map(Notifier::look);
    futures_util::future::try_join_all(looks).await.unwrap();
    let mut ids: Vec<String> =
        service.got().iter().map(|got| got.header("webhook-id").to_owned()).collect();
    assert_eq!(ids.len(), 20);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 20);
}

#[tokio::test]
async fn a_server_that_dies_in_an_attempt_leaves_it_to_the_next_one() {
    let service = Service::start(&[""]).await;
    let told = Told::by(to(&service));
    told.completed("r-1");
    let (first, second) = (told.server(1), told.server(2));
    let arrives = async {
        while service.got().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    // The receiver hangs, and the server dies.
    let first = select(Box::pin(first.look()), Box::pin(arrives)).await;
    assert!(matches!(first, Either::Right(_)));
    drop(first);
    let next = second.look().await.unwrap().unwrap();
    assert_eq!(service.got().len(), 1, "it may still be under way");
    assert_eq!(next.since(told.place.now()), Duration::from_secs(20));
    told.place.pass(Duration::from_secs(20));
    assert_eq!(second.look().await.unwrap(), None);
    let got = service.got();
    assert_eq!(got.len(), 2);
    assert_eq!(got[0].header("webhook-id"), got[1].header("webhook-id"));
}

#[tokio::test]
async fn a_body_that_cannot_be_made_is_dead_at_once() {
    let service = Service::start(&[]).await;
    let broken = |_| async { Err::<Value, _>(Error::usage("there is no such member")) };
    let told = Told::by(to(&service).body_from(broken));
    told.completed("r-1");
    told.server(1).look().await.unwrap();
    let dead = told.server(1).deliveries().dead().await.unwrap().remove(0);
    assert!(dead.error.unwrap().contains("there is no such member"));
    assert!(service.got().is_empty());
}

#[test]
fn addresses_and_names_that_cannot_be_are_refused_without_being_shown() {
    for (name, to, says) in [
        ("a b", "https://x.org", "a notification cannot be called `a b`"),
        ("a", "ftp://x.org/s3cret", "the address of notification `a` is not valid"),
        ("a", "s3cret", "the address of notification `a` is not valid"),
    ] {
        let error = Notification::new(name, to).unwrap_err().to_string();
        assert!(error.contains(says) && !error.contains("s3cret"), "{error}");
    }
}
