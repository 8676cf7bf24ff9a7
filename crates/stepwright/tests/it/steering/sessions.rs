//! Messages from one run of a session to the next, and runs that begin while another is under way.

use super::{Gate, agent, facts, looking, told, workflow};
use futures_util::StreamExt as _;
use stepwright::prelude::*;
use stepwright::sent::SendMode;
use stepwright::store::Inbox as _;
use stepwright::{ErrorId, ErrorKind, Memory, OnBusy, Sqlite};
use stepwright_testing::model::{Reply, ScriptedModel};

#[tokio::test]
async fn what_a_run_ended_without_is_the_input_of_the_next_one_of_its_session() {
    let store = Memory::default();
    let model = ScriptedModel::new(["one", "two", "three"].map(Reply::text));
    let agent = Agent::builder("Writer").model(model.clone()).unwrap().build().unwrap();
    let workflow = workflow(agent, &store);
    workflow.run("go").run_id("r-1").session_id("s").await.unwrap();
    let sent = workflow.send("r-1", "be brief").mode(SendMode::FollowUp).await.unwrap();
    assert!(sent.is_for_next_run);
    workflow.run("other").session_id("t").await.unwrap();
    workflow.run("again").run_id("r-2").session_id("s").await.unwrap();
    let requests = model.requests();
    assert_eq!(told(&requests[1]), ["user: other"], "not in another session");
    assert_eq!(told(&requests[2]), ["user: again", "user: be brief"]);
    let got = facts(&store, "r-2").await;
    assert!(got.iter().any(|fact| fact.name() == "MessageReceived"));
}

#[tokio::test]
async fn a_message_that_was_taken_back_reaches_no_agent() {
    let (gate, model, store) = (Gate::new(), looking(), Memory::default());
    let workflow = workflow(agent(model.clone(), gate.tool()), &store);
    let handle = workflow.run("go").run_id("r").background().await.unwrap();
    gate.until_called().await;
    let sent = handle.steer("hurry").await.unwrap();
    assert!(workflow.take_back(&sent).await.unwrap());
    let other = handle.steer("slowly").await.unwrap();
    gate.go_on();
    gate.go_on();
    handle.wait().await.unwrap();
    assert!(!workflow.take_back(&other).await.unwrap(), "an agent has got it");
    let last = told(model.requests().last().unwrap()).join(" ");
    assert!(last.contains("slowly") && !last.contains("hurry"), "{last}");
}

/// The same workflow in two processes: both have their own connection to one database.
async fn both(place: &tempfile::TempDir, on_busy: OnBusy, one: Agent, two: Agent) -> [Workflow; 2] {
    let built = async |agent| {
        let builder = Workflow::builder("W").step(Step::new("write", agent)).on_busy(on_busy);
        builder.store(opened(place).await).build().unwrap()
    };
    [built(one).await, built(two).await]
}

async fn opened(place: &tempfile::TempDir) -> Sqlite {
    Sqlite::open(place.path().join("runs.db")).await.unwrap()
}

#[tokio::test]
async fn a_second_run_of_a_busy_session_steers_the_first_one() {
    let place = tempfile::tempdir().unwrap();
    let (gate, model, idle) = (Gate::new(), looking(), Gate::new());
    let [one, two] = both(
        &place,
        OnBusy::Steer,
        agent(model.clone(), gate.tool()),
        agent(looking(), idle.tool()),
    )
    .await;
    let first = one.run("go").run_id("r-1").session_id("s").background().await.unwrap();
    gate.until_called().await;
    let second = tokio::spawn(two.run("and the costs").run_id("r-2").session_id("s").into_future());
    // It is sent before the first run goes on.
    let (run, store) = ("r-1".parse().unwrap(), opened(&place).await);
    loop {
        if !store.inbox(&run).await.unwrap().is_empty() {
            break;
        }
        tokio::task::yield_now().await;
    }
    gate.go_on();
    gate.until_called().await;
    gate.go_on();
    let output = second.await.unwrap().unwrap();
    assert_eq!((output.run_id.as_str(), &*output.content.text()), ("r-1", "answer 2"));
    assert_eq!(first.wait().await.unwrap().content, output.content);
    assert!(two.get_run("r-2").await.is_err(), "no second run began");
    assert!(told(model.requests().last().unwrap()).contains(&"user: and the costs".to_owned()));
}

#[tokio::test]
async fn a_second_run_of_a_busy_session_waits_or_is_rejected() {
    for on_busy in [OnBusy::Queue, OnBusy::Reject] {
        let place = tempfile::tempdir().unwrap();
        let (gate, model, free) = (Gate::new(), looking(), Gate::new());
        free.go_on();
        let other = looking();
        let [one, two] = both(
            &place,
            on_busy,
            agent(model.clone(), gate.tool()),
            agent(other.clone(), free.tool()),
        )
        .await;
        let first = one.run("go").run_id("r-1").session_id("s").background().await.unwrap();
        gate.until_called().await;
        // A run of another session begins at once.
        free.go_on();
        two.run("hi").session_id("t").await.unwrap();
        let second = two.run("more").run_id("r-2").session_id("s");
        if on_busy == OnBusy::Reject {
            let error = second.await.unwrap_err();
            assert_eq!((error.kind(), error.id()), (ErrorKind::Skipped, ErrorId::SESSION_BUSY));
            assert!(error.to_string().contains("`r-1`"), "{error}");
            gate.go_on();
            first.wait().await.unwrap();
            two.run("more").run_id("r-2").session_id("s").await.unwrap();
            continue;
        }
        let second = tokio::spawn(second.into_future());
        let queued = loop {
            if let Ok(output) = two.get_run("r-2").await
                && let Some(queued) = output.queued
            {
                break queued;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(&*queued.key, "session s");
        gate.go_on();
        first.wait().await.unwrap();
        let output = second.await.unwrap().unwrap();
        assert_eq!(output.run_id.as_str(), "r-2");
    }
}

#[tokio::test]
async fn a_second_run_interrupts_the_answer_of_the_first_and_streams_it() {
    let place = tempfile::tempdir().unwrap();
    let model = ScriptedModel::new([Reply::text("Once").and_hang(), Reply::text("Short.")]);
    let one = Agent::builder("Writer").model(model.clone()).unwrap().build().unwrap();
    let two = one.clone();
    let [one, two] = both(&place, OnBusy::Interrupt, one, two).await;
    let first = one.run("a tale").run_id("r-1").session_id("s").background().await.unwrap();
    while model.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    let mut events = two.run("shorter").session_id("s").stream_events(true).stream();
    let mut names = Vec::new();
    while let Some(event) = events.next().await {
        assert_eq!(event.run.as_str(), "r-1");
        names.push(event.name());
    }
    assert_eq!(events.output().await.unwrap().content.text(), "Short.");
    assert_eq!(first.wait().await.unwrap().content.text(), "Short.");
    let at = |name: &str| names.iter().position(|found| *found == name);
    assert!(at("ModelRequestInterrupted") < at("MessageReceived"), "{names:?}");
    assert_eq!(names.last(), Some(&"WorkflowCompleted"));
}

#[tokio::test]
async fn a_run_whose_session_is_free_again_begins_after_all() {
    // The first run ends without having read the message.
    let (gate, store) = (Gate::new(), Memory::default());
    let held = gate.clone();
    let last = Step::new("last", move |input: StepInput| {
        let gate = held.clone();
        async move {
            gate.called.add_permits(1);
            gate.open.acquire().await.unwrap().forget();
            input.text()
        }
    });
    let model = ScriptedModel::new([Reply::text("one"), Reply::text("two")]);
    let writer = Agent::builder("Writer").model(model.clone()).unwrap().build().unwrap();
    let workflow = Workflow::builder("W")
        .step(Step::new("write", writer))
        .step(last)
        .on_busy(OnBusy::Steer)
        .store(store.clone())
        .build()
        .unwrap();
    let first = workflow.run("go").run_id("r-1").session_id("s").background().await.unwrap();
    gate.until_called().await;
    let second = workflow.run("more").run_id("r-2").session_id("s");
    let second = tokio::spawn(second.into_future());
    let run = "r-1".parse().unwrap();
    while store.inbox(&run).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    gate.go_on();
    first.wait().await.unwrap();
    gate.go_on();
    let output = second.await.unwrap().unwrap();
    assert_eq!(output.run_id.as_str(), "r-2");
    assert_eq!(told(&model.requests()[1]), ["user: more"], "and it has the text once");
}
