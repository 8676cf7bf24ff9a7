//! Links that answer one pending request each.

use crate::client::{Answer, Client};
use crate::keys::key;
use crate::world::World;
use serde_json::{Value, json};
use stepwright_core::store::{Leases as _, ValueChange};
use stepwright_core::{HumanReview, Memory, OnReject};
use stepwright_engine::{Step, Workflow};
use stepwright_server::{ApiKeys, Role};

const FORM: &str = "application/x-www-form-urlencoded";

/// A run that waits, and a link for Anna.
struct Waiting {
    world: World,
    memory: Memory,
    run: String,
    path: String,
}

async fn same(text: String) -> String {
    text
}

impl Waiting {
    async fn start() -> Self {
        let memory = Memory::default();
        let world = World::with(memory.clone(), |server| {
            let schema = json!({"type": "object", "required": ["tone", "words"], "properties": {
                "tone": {"enum": ["plain", "formal"], "title": "Tone <b>"},
                "words": {"type": "integer"},
                "level": {"enum": [1, 2]},
                "short": {"type": "boolean"},
            }});
            let asked = HumanReview::new().requires_user_input("How?", schema);
            let filling = Workflow::builder("filling")
                .store(memory.clone())
                .step(Step::new("fill", same).human_review(asked))
                .build()
                .unwrap();
            server.workflow(&filling)
        });
        Self::of("asking", world, memory).await
    }

    async fn of(workflow: &str, world: World, memory: Memory) -> Self {
        let run = world.run(workflow, json!({})).await;
        let mut frames = world.client.stream(&format!("/v1/runs/{run}/events")).await;
        frames.until("WorkflowPaused").await;
        let request = request(&world.client, &run).await;
        let path = link(&world.client, &run, &request).await;
        Self { world, memory, run, path }
    }

    async fn answer(&self, form: &str) -> Answer {
        self.world.client.post_text(&self.path, FORM, form.to_owned()).await
    }

    async fn status(&self) -> Value {
        let run = self.world.client.get(&format!("/v1/runs/{}", self.run)).await.json();
        run["run"]["status"].clone()
    }

    /// Returns the answers that the journal has, each with the name of who gave it.
    async fn answers(&self) -> Vec<(Value, Value)> {
        let path = format!("/v1/runs/{}/events", self.run);
        let events = self.world.client.get(&path).await.json();
        let mut found = Vec::new();
        collect(&events, &mut found);
        found
    }
}

/// Finds the replies in events, wherever their kind keeps them.
fn collect(value: &Value, found: &mut Vec<(Value, Value)>) {
    if value.get("requirement_id").is_some() && value.get("answer").is_some() {
        found.push((value["answer"].clone(), value["by"].clone()));
    }
    let inner: Box<dyn Iterator<Item = &Value>> = match value {
        Value::Object(members) => Box::new(members.values()),
        Value::Array(items) => Box::new(items.iter()),
        _ => return,
    };
    inner.for_each(|one| collect(one, found));
}

async fn request(client: &Client, run: &str) -> String {
    let run = client.get(&format!("/v1/runs/{run}")).await.json();
    run["requests"][0]["id"].as_str().unwrap().to_owned()
}

async fn link(client: &Client, run: &str, request: &str) -> String {
    let new = json!({"request": request, "to": "anna@example.org"});
    let made = client.post(&format!("/v1/runs/{run}/links"), new).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.json()["path"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_link_shows_a_question_and_answers_it_once() {
    let waiting = Waiting::start().await;
    let client = &waiting.world.client;
    for _ in 0..2 {
        let page = client.get(&waiting.path).await;
        assert_eq!(page.status, 200, "{page:?}");
        assert!(page.body.contains("<h1>Publish it?</h1>"), "{page:?}");
        assert!(page.body.contains("<pre>first x</pre>"), "{page:?}");
        assert!(page.body.contains("value=\"approve\"") && page.body.contains("anna@example.org"));
        assert!(!page.body.contains("://"), "the page loads nothing: {page:?}");
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; form-action 'self'"), "{policy}");
        assert_eq!(page.headers["cache-control"], "no-store");
    }
    assert_eq!(waiting.status().await, "PAUSED", "looking answers nothing");
    let answered = waiting.answer("decision=approve&feedback=").await;
    assert_eq!(answered.status, 200, "{answered:?}");
    assert_eq!(waiting.world.ended(&waiting.run).await["run"]["status"], "COMPLETED");
    let audit = vec![(json!({"decision": "approve"}), json!("anna@example.org"))];
    assert_eq!(waiting.answers().await, audit);
    for used in [client.get(&waiting.path).await, waiting.answer("decision=reject").await] {
        assert_eq!(used.status, 410, "{used:?}");
        assert!(used.body.contains("This link was used"), "{used:?}");
    }
    assert_eq!(waiting.answers().await, audit);
    waiting.world.end().await;
}

#[tokio::test]
async fn of_two_answers_at_once_one_counts() {
    let waiting = Waiting::start().await;
    let (one, other) =
        tokio::join!(waiting.answer("decision=approve"), waiting.answer("decision=approve"));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 410]);
    waiting.world.ended(&waiting.run).await;
    assert_eq!(waiting.answers().await.len(), 1);
    waiting.world.end().await;
}

#[tokio::test]
async fn a_link_stays_dead_when_the_same_request_is_made_anew() {
    let memory = Memory::default();
    let world = World::with(memory.clone(), |server| {
        let asked = HumanReview::new().requires_output_review("Send it?");
        let asked = asked.on_reject(OnReject::Fail);
        let step = Step::new("price", same).human_review(asked);
        let offer = Workflow::builder("offer").store(memory.clone()).step(step).build().unwrap();
        server.workflow(&offer)
    });
    let waiting = Waiting::of("offer", world, memory).await;
    let client = &waiting.world.client;
    assert_eq!(client.get(&waiting.path).await.status, 200);
    let answers = json!({"answers": {"price!review": {"decision": "reject"}}});
    let run = &waiting.run;
    let rejected = client.post(&format!("/v1/runs/{run}/answers"), answers).await;
    assert!(rejected.status.is_success(), "{rejected:?}");
    assert_eq!(waiting.world.ended(run).await["run"]["status"], "ERROR");
    let retried = client.post(&format!("/v1/runs/{run}/retry"), json!({})).await;
    assert!(retried.status.is_success(), "{retried:?}");
    let mut frames = client.stream(&format!("/v1/runs/{run}/events")).await;
    frames.until("WorkflowRetried").await;
    frames.until("WorkflowPaused").await;
    assert_eq!(request(client, run).await, "price!review");
    let fresh = link(client, run, "price!review").await;
    for dead in [client.get(&waiting.path).await, waiting.answer("decision=approve").await] {
        assert_eq!(dead.status, 410, "{dead:?}");
        assert!(dead.body.contains("The question was answered"), "{dead:?}");
    }
    assert_eq!(client.get(&fresh).await.status, 200);
    waiting.world.end().await;
}

#[tokio::test]
async fn an_answer_that_does_not_fit_leaves_the_link_as_it_is() {
    let waiting = Waiting::start().await;
    for form in ["", "decision=skip", "decision=always", "decision=elapsed"] {
        assert_eq!(waiting.answer(form).await.status, 422, "{form}");
    }
    let rejected = waiting.answer("decision=reject&feedback=too+%3Clong%3E").await;
    assert_eq!(rejected.status, 200, "{rejected:?}");
    waiting.world.ended(&waiting.run).await;
    let answer = json!({"decision": "reject", "feedback": "too <long>"});
    assert_eq!(waiting.answers().await, [(answer, json!("anna@example.org"))]);
    waiting.world.end().await;
}

#[tokio::test]
async fn a_form_becomes_a_value() {
    let Waiting { world, memory, .. } = Waiting::start().await;
    let waiting = Waiting::of("filling", world, memory).await;
    let page = waiting.world.client.get(&waiting.path).await.body;
    assert!(page.contains("Tone &lt;b&gt;") && page.contains("<option>formal</option>"), "{page}");
    assert!(page.contains("name=\"field.words\""), "{page}");
    let wrong = waiting.answer("decision=submit&field.tone=plain&field.words=many").await;
    assert_eq!(wrong.status, 422, "{wrong:?}");
    assert!(wrong.body.contains("`words` must be an integer"), "{wrong:?}");
    let right =
        waiting.answer("decision=submit&field.tone=plain&field.words=300&field.level=2").await;
    assert_eq!(right.status, 200, "{right:?}");
    waiting.world.ended(&waiting.run).await;
    let value = json!({"tone": "plain", "words": 300, "level": 2, "short": false});
    assert_eq!(waiting.answers().await[0].0, json!({"decision": "submit", "value": value}));
    waiting.world.end().await;
}

#[tokio::test]
async fn a_forged_an_old_and_a_late_link_answer_nothing() {
    let waiting = Waiting::start().await;
    let client = &waiting.world.client;
    for path in ["/v1/links/swl_00", "/v1/links/x", &waiting.path[..waiting.path.len() - 1]] {
        assert_eq!(client.get(path).await.status, 404, "{path}");
        let forged = client.post_text(path, FORM, "decision=approve").await;
        assert_eq!(forged.status, 404, "{path}");
    }
    // The store has no token, and an end that the clock has passed.
    let values = waiting.memory.shared_values("link", "", 10).await.unwrap();
    let [stored] = &values[..] else { panic!("{values:?}") };
    assert!(!waiting.path.contains(&*stored.key) && !stored.value.contains("swl_"), "{stored:?}");
    let mut link: Value = serde_json::from_str(&stored.value).unwrap();
    link["expires_at"] = json!(1);
    let change = ValueChange {
        kind: "link".into(),
        key: stored.key.clone(),
        value: Some(link.to_string().into()),
        seen: Some(stored.version),
        version: 7,
    };
    assert!(waiting.memory.change_value(change).await.unwrap());
    for old in [client.get(&waiting.path).await, waiting.answer("decision=approve").await] {
        assert_eq!(old.status, 410, "{old:?}");
        assert!(old.body.contains("expired"), "{old:?}");
    }
    assert_eq!(waiting.status().await, "PAUSED");
    // A new link, and an answer in another way before it is used.
    let request = request(client, &waiting.run).await;
    let second = link_of(&waiting, &request).await;
    let answers = json!({"answers": {request: {"decision": "approve"}}});
    client.post(&format!("/v1/runs/{}/answers", waiting.run), answers).await;
    waiting.world.ended(&waiting.run).await;
    let late = client.post_text(&second, FORM, "decision=reject").await;
    assert_eq!(late.status, 410, "{late:?}");
    waiting.world.end().await;
}

async fn link_of(waiting: &Waiting, request: &str) -> String {
    link(&waiting.world.client, &waiting.run, request).await
}

#[tokio::test]
async fn a_page_of_another_origin_answers_nothing() {
    let waiting = Waiting::start().await;
    let evil = waiting.world.client.with("origin", "https://evil.example");
    let sent = evil.post_text(&waiting.path, FORM, "decision=approve").await;
    assert_eq!(sent.status, 403, "{sent:?}");
    let json = waiting.world.client.post(&waiting.path, json!({"decision": "approve"})).await;
    assert_eq!(json.status, 415, "{json:?}");
    assert_eq!(waiting.status().await, "PAUSED");
    waiting.world.end().await;
}

#[tokio::test]
async fn links_are_made_by_approvers_for_requests_that_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let world = World::with(Memory::default(), |server| server.keys(&file));
    let keys = ApiKeys::in_file(&file);
    let anna = world.client.with_key(&key(&keys, Role::Admin, Some("anna")));
    let ben = world.client.with_key(&key(&keys, Role::Admin, Some("ben")));
    let new = json!({"input": "x", "run_id": "anna:1"});
    assert_eq!(anna.post("/v1/workflows/asking/runs", new).await.status, 202);
    anna.stream("/v1/runs/anna:1/events").await.until("WorkflowPaused").await;
    let request = request(&anna, "anna:1").await;
    let path = "/v1/runs/anna:1/links";
    let good = json!({"request": request, "to": "anna"});
    assert_eq!(ben.post(path, good.clone()).await.status, 404);
    let operator = world.client.with_key(&key(&keys, Role::Operator, Some("anna")));
    assert_eq!(operator.post(path, good.clone()).await.status, 403);
    for (name, value, status) in [
        ("request", json!("none"), 404),
        ("to", json!(" "), 400),
        ("to", json!("a\nb"), 400),
        ("to", json!("x".repeat(200)), 400),
        ("expires_in", json!(0), 400),
        ("expires_in", json!(32 * 24 * 3600), 400),
    ] {
        let mut wrong = good.clone();
        wrong[name] = value;
        assert_eq!(anna.post(path, wrong.clone()).await.status, status, "{wrong}");
    }
    let made = anna.post(path, good).await;
    assert_eq!(made.status, 201, "{made:?}");
    // Its holder has no key.
    let path = made.json()["path"].as_str().unwrap().to_owned();
    assert_eq!(world.client.get(&path).await.status, 200);
    world.end().await;
}
