//! Memories of users: made by tools and after runs, read by later runs of the same user only, and
//! made once by a run that dies at any place.

use serde_json::{Value, json};
use stepwright_agent::{Agent, AgentMemory};
use stepwright_core::journal::Append;
use stepwright_core::message::Message;
use stepwright_core::model::ModelRequest;
use stepwright_core::store::{MemoryChange, MemoryFilter, MemoryUpdate, UserMemory};
use stepwright_core::{AnyStore, Event, Memory, Timestamp, UserId};
use stepwright_engine::{Runs, Workflow};
use stepwright_testing::model::{FunctionModel, Reply, ScriptedModel};

fn store() -> AnyStore {
    AnyStore::new(Memory::default())
}

fn desk(store: &AnyStore, agent: Agent) -> Workflow {
    Workflow::builder("Desk").store(store.clone()).step(agent).build().unwrap()
}

async fn memories(store: &AnyStore, user: &str) -> Vec<UserMemory> {
    store.memories(MemoryFilter::of(UserId::new(user).unwrap())).await.unwrap()
}

fn texts(memories: &[UserMemory]) -> Vec<&str> {
    memories.iter().map(|memory| &*memory.memory).collect()
}

fn instructions(request: &ModelRequest) -> &str {
    request.instructions.as_deref().unwrap_or_default()
}

fn is_extraction(request: &ModelRequest) -> bool {
    instructions(request).contains("You keep the memories of a user")
}

fn result(request: &ModelRequest) -> &str {
    let Message::Tool { results } = request.messages.last().unwrap() else { panic!("{request:?}") };
    &results[0].text
}

#[tokio::test]
async fn a_model_saves_memories_that_later_sessions_of_the_same_user_know() {
    let model = ScriptedModel::new([
        Reply::call("save_memory", json!({"memory": "Drinks tea.", "topics": ["food"]})),
        Reply::text("Noted."),
        Reply::text("Tea, as always?"),
        Reply::text("What do you drink?"),
    ]);
    let builder = Agent::builder("Waiter").model(model.clone()).unwrap();
    let agent = builder.memory(AgentMemory::by_tools()).build().unwrap();
    let store = store();
    let desk = desk(&store, agent);
    desk.run("I drink tea.").user_id("ada").session_id("s-1").await.unwrap();
    desk.run("Hello").user_id("ada").session_id("s-2").await.unwrap();
    desk.run("Hello").user_id("ben").session_id("s-3").await.unwrap();
    let asked = model.requests();
    assert!(!instructions(&asked[0]).contains("<user_memories>"));
    let id = memories(&store, "ada").await[0].memory_id.clone();
    assert_eq!(result(&asked[1]), format!("saved as [{id}]"));
    let line = format!("- [{id}] Drinks tea. (food)");
    assert!(instructions(&asked[2]).contains(&line), "{}", instructions(&asked[2]));
    assert!(!instructions(&asked[3]).contains("tea"), "another user's memory was told");
    assert!(memories(&store, "ben").await.is_empty());
}

#[tokio::test]
async fn a_model_searches_edits_and_deletes_memories_of_its_own_user_only() {
    let store = store();
    let runs = Runs::of(store.clone());
    let tea = runs.memories("ada").unwrap().add("Drinks tea.", ["food"]).await.unwrap();
    let rain = runs.memories("ada").unwrap().add("Likes rain.", [""; 0]).await.unwrap();
    let other = runs.memories("ben").unwrap().add("Drinks tea, too.", [""; 0]).await.unwrap();
    let model = ScriptedModel::new([
        Reply::call("search_memories", json!({"query": "tea"})),
        Reply::call("edit_memory", json!({"memory_id": tea.memory_id, "memory": "Hates tea."})),
        Reply::call("delete_memory", json!({"memory_id": rain.memory_id})),
        Reply::call("edit_memory", json!({"memory_id": other.memory_id, "memory": "Stolen."})),
        Reply::call("delete_memory", json!({"memory_id": other.memory_id})),
        Reply::call("save_memory", json!({"memory": "  "})),
        Reply::text("Done."),
    ]);
    let builder = Agent::builder("Waiter").model(model.clone()).unwrap();
    let agent = builder.memory(AgentMemory::by_tools()).build().unwrap();
    desk(&store, agent).run("Tea?").user_id("ada").await.unwrap();
    let asked = model.requests();
    assert_eq!(result(&asked[1]), format!("[{}] Drinks tea. (food)\n", tea.memory_id));
    assert!(result(&asked[4]).contains("the user has no memory"), "{}", result(&asked[4]));
    assert!(result(&asked[6]).contains("the memory is empty"), "{}", result(&asked[6]));
    assert_eq!(texts(&memories(&store, "ada").await), ["Hates tea."]);
    assert_eq!(texts(&memories(&store, "ben").await), ["Drinks tea, too."]);
}

/// Returns changes of which one adds a memory and one edits the first of the known ones.
fn changes(request: &ModelRequest) -> Value {
    let text = request.messages[0].text();
    let known = text.split("- [").nth(1).and_then(|rest| rest.split(']').next());
    let mut changes = vec![json!({"change": "add", "memory": "Travels by train."})];
    if let Some(id) = known {
        changes.push(json!({"change": "edit", "memory_id": id, "memory": "Drinks coffee."}));
    }
    json!({"changes": changes})
}

fn listener() -> FunctionModel {
    FunctionModel::new(|request| {
        if is_extraction(request) {
            Reply::text(changes(request).to_string())
        } else {
            Reply::text("Good to know.")
        }
    })
}

fn remembering(model: &FunctionModel) -> Agent {
    let builder = Agent::builder("Waiter").model(model.clone()).unwrap();
    builder.memory(AgentMemory::after_run()).build().unwrap()
}

#[tokio::test]
async fn after_a_run_a_model_is_asked_what_to_remember() {
    let (model, store) = (listener(), store());
    let known = Runs::of(store.clone()).memories("ada").unwrap();
    known.add("Drinks tea.", [""; 0]).await.unwrap();
    let output = desk(&store, remembering(&model)).run("Trains!").user_id("ada").await.unwrap();
    assert_eq!(output.content.text(), "Good to know.");
    let mut now: Vec<String> =
        texts(&memories(&store, "ada").await).into_iter().map(Into::into).collect();
    now.sort();
    assert_eq!(now, ["Drinks coffee.", "Travels by train."]);
    let extraction = &model.requests()[1];
    let asked = extraction.messages[0].text();
    assert!(asked.contains("User: Trains!\nAssistant: Good to know."), "{asked}");
    assert!(extraction.output_schema.is_some());
    let facts = store.load(&output.run_id, 0, 100).await.unwrap();
    assert!(facts.iter().any(|fact| fact.name() == "MemoryUpdateCompleted"));
    stepwright_testing::grammar::check(&facts);
}

/// Puts the first facts of a run into a store, as if its process had died behind them.
async fn cut(store: &AnyStore, facts: &[Event]) {
    let run = facts[0].run.clone();
    let append = Append { run, facts: facts.to_vec(), close: None, driver: None };
    store.append(append).await.unwrap();
}

/// Returns a store that knows one memory of Ada.
async fn knowing() -> AnyStore {
    let store = store();
    let (memory_id, memory) = ("m-000000000001".into(), "Drinks tea.".into());
    let add = MemoryChange::Add { memory_id, memory, topics: Vec::new() };
    let update = MemoryUpdate::new(UserId::new("ada").unwrap(), vec![add], Timestamp(1));
    store.update_memories(update).await.unwrap();
    store
}

fn sorted(memories: &[UserMemory]) -> Vec<(String, String)> {
    let pair = |it: &UserMemory| (it.memory_id.to_string(), it.memory.to_string());
    let mut all: Vec<_> = memories.iter().map(pair).collect();
    all.sort();
    all
}

fn answered(facts: &[Event]) -> usize {
    facts.iter().filter(|fact| fact.name() == "ModelRequestCompleted").count()
}

#[tokio::test]
async fn a_run_that_dies_anywhere_asks_no_model_again_and_remembers_everything_once() {
    let (model, whole) = (listener(), knowing().await);
    let run = desk(&whole, remembering(&model)).run("Trains!").user_id("ada").await.unwrap();
    let facts = whole.load(&run.run_id, 0, 100).await.unwrap();
    let wanted = sorted(&memories(&whole, "ada").await);
    assert_eq!((answered(&facts), wanted.len()), (2, 2));
    for end in 1..facts.len() {
        let past = &facts[..end];
        let (model, store) = (listener(), knowing().await);
        cut(&store, past).await;
        let output = desk(&store, remembering(&model)).resume(&run.run_id).await.unwrap();
        assert_eq!(output.content.text(), "Good to know.", "{end}");
        let asked = model.requests().len();
        assert_eq!(asked, 2 - answered(past), "{end}: an answer was asked for again");
        let now = sorted(&memories(&store, "ada").await);
        if past.iter().any(|fact| fact.name() == "MemoryUpdateCompleted") {
            // The changes were stored before their fact, and are not made again.
            assert_eq!(now.len(), 1, "{end}: {now:?}");
        } else {
            assert_eq!(now, wanted, "{end}");
        }
    }
}

#[tokio::test]
async fn a_run_that_dies_between_the_memories_and_their_fact_makes_them_once() {
    let (model, store) = (listener(), knowing().await);
    let run = desk(&store, remembering(&model)).run("Trains!").user_id("ada").await.unwrap();
    let facts = store.load(&run.run_id, 0, 100).await.unwrap();
    let before = memories(&store, "ada").await;
    // The same store, in which the run lacks the fact, and all that came after it.
    let until = facts.iter().position(|fact| fact.name() == "MemoryUpdateCompleted").unwrap();
    assert!(store.delete_session(&run.session_id).await.unwrap());
    cut(&store, &facts[..until]).await;
    let model = listener();
    desk(&store, remembering(&model)).resume(&run.run_id).await.unwrap();
    assert_eq!(model.requests().len(), 0, "both answers are recorded");
    assert_eq!(memories(&store, "ada").await, before);
}

#[tokio::test]
async fn a_resumed_run_reads_the_memories_that_it_began_with() {
    let model = FunctionModel::new(|request| {
        let knows = instructions(request).contains("Drinks tea.");
        Reply::text(if knows { "tea" } else { "unknown" })
    });
    let agent = |model: &FunctionModel| {
        let builder = Agent::builder("Waiter").model(model.clone()).unwrap();
        builder.memory(AgentMemory::by_tools()).build().unwrap()
    };
    let first = store();
    let known = Runs::of(first.clone()).memories("ada").unwrap();
    known.add("Drinks tea.", [""; 0]).await.unwrap();
    let run = desk(&first, agent(&model)).run("Hello").user_id("ada").await.unwrap();
    let facts = first.load(&run.run_id, 0, 100).await.unwrap();
    let added = facts.iter().position(|fact| fact.name() == "ContextAdded").unwrap();
    // The store of the second process has no memories.
    let second = store();
    cut(&second, &facts[..=added]).await;
    let resumed = desk(&second, agent(&model)).resume(&run.run_id).await.unwrap();
    assert_eq!(resumed.content.text(), "tea");
}

#[tokio::test]
async fn a_run_without_a_user_remembers_nothing_and_its_model_is_told() {
    let model = ScriptedModel::new([
        Reply::call("save_memory", json!({"memory": "Drinks tea."})),
        Reply::text("Done."),
    ]);
    let builder = Agent::builder("Waiter").model(model.clone()).unwrap();
    let agent = builder.memory(AgentMemory::by_tools()).build().unwrap();
    desk(&store(), agent).run("Tea").await.unwrap();
    let told = result(&model.requests()[1]).to_owned();
    assert!(told.contains("nothing can be remembered: the run has no user"), "{told}");
    let model = listener();
    desk(&store(), remembering(&model)).run("Tea").await.unwrap();
    assert_eq!(model.requests().len(), 1, "without a user, the model is not asked for memories");
}

#[tokio::test]
async fn an_answer_that_is_no_list_of_changes_changes_nothing_and_fails_no_run() {
    for said in ["I would remember tea.", "{\"changes\": 7}", "{\"changes\": []}"] {
        let model = FunctionModel::new(move |request| {
            Reply::text(if is_extraction(request) { said } else { "Noted." })
        });
        let store = store();
        let output = desk(&store, remembering(&model)).run("Tea").user_id("ada").await.unwrap();
        assert_eq!(output.content.text(), "Noted.");
        assert!(memories(&store, "ada").await.is_empty(), "{said}");
    }
}

#[test]
fn mistakes_in_the_settings_are_told() {
    let built = |memory: AgentMemory| {
        Agent::builder("a").model("offline").unwrap().memory(memory).build().map(|_| ())
    };
    let error = built(AgentMemory::by_tools().known(0)).unwrap_err();
    assert!(error.to_string().contains("`memory` knows 0 memories"), "{error}");
    let model = stepwright_models::model("offline").unwrap();
    let error = built(AgentMemory::by_tools().model(model)).unwrap_err();
    assert!(error.to_string().contains("memories made by tools ask none"), "{error}");
}

#[tokio::test]
async fn a_model_is_told_of_unknown_arguments_and_of_memories_that_do_not_exist() {
    let model = ScriptedModel::new([
        Reply::call("save_memory", json!({"memory": "Drinks tea.", "importance": "high"})),
        Reply::call("delete_memory", json!({"memory_id": "m-none"})),
        Reply::text("Done."),
    ]);
    let builder = Agent::builder("Waiter").model(model.clone()).unwrap();
    let agent = builder.memory(AgentMemory::by_tools()).build().unwrap();
    let store = store();
    desk(&store, agent).run("Tea").user_id("ada").await.unwrap();
    let asked = model.requests();
    let told = result(&asked[1]);
    assert!(told.contains("there is no argument `importance`"), "{told}");
    assert!(told.contains("the arguments are `memory`, `topics`"), "{told}");
    assert_eq!(result(&asked[2]), "there is no memory [m-none]");
    assert!(memories(&store, "ada").await.is_empty(), "nothing is saved");
}
