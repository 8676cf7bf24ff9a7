//! Knowledge of agents: as a tool and as context, in a run that is cut and resumed.

use serde_json::json;
use stepwright_agent::Agent;
use stepwright_core::message::Message;
use stepwright_core::{AnyStore, EventKind, Memory, RunId};
use stepwright_engine::Workflow;
use stepwright_knowledge::{
    Document, HashEmbedder, Knowledge as _, KnowledgeContext, KnowledgeTool, SqliteKnowledge,
};
use stepwright_testing::model::{FunctionModel, Reply, ScriptedModel};

async fn handbook() -> SqliteKnowledge {
    let knowledge = SqliteKnowledge::in_memory(HashEmbedder::default()).await.unwrap();
    let text = "# Returns\n\nGoods can be sent back for 30 days.";
    knowledge.add(Document::markdown("returns.md", text)).await.unwrap();
    knowledge.add(Document::text("office.txt", "The office opens at nine.")).await.unwrap();
    knowledge
}

#[tokio::test]
async fn a_model_searches_and_gets_passages_with_their_sources() {
    let model = ScriptedModel::new([
        Reply::call("search_knowledge", json!({"query": "sent back days"})),
        Reply::text("30 days [returns.md]."),
    ]);
    let builder = Agent::builder("Desk").model(model.clone()).unwrap();
    let agent = builder.tool(KnowledgeTool::new(handbook().await).passages(1)).build().unwrap();
    let output = agent.run("How long can I return goods?").await.unwrap();
    assert_eq!(output.content.text(), "30 days [returns.md].");
    let asked = model.requests();
    assert!(asked[0].instructions.as_deref().unwrap().contains("cite the source"));
    let Message::Tool { results } = asked[1].messages.last().unwrap() else { unreachable!() };
    assert_eq!(results[0].text, "[returns.md] Returns\nGoods can be sent back for 30 days.\n\n");
}

#[tokio::test]
async fn context_has_the_passages_of_the_message_and_a_resumed_run_the_same() {
    let knowledge = handbook().await;
    let agent = |model: &FunctionModel| {
        let passages = KnowledgeContext::new(knowledge.clone()).passages(1);
        Agent::builder("Desk").model(model.clone()).unwrap().context(passages).build().unwrap()
    };
    let model = FunctionModel::new(|request| {
        let instructions = request.instructions.clone().unwrap_or_default();
        Reply::text(if instructions.contains("30 days") { "30" } else { "unknown" })
    });
    let store = AnyStore::new(Memory::default());
    let built = |model: &FunctionModel| {
        Workflow::builder("Desk").store(store.clone()).step(agent(model)).build().unwrap()
    };
    let run = built(&model).run("goods sent back").await.unwrap();
    assert_eq!(run.content.text(), "30");
    let facts = store.load(&run.run_id, 0, 100).await.unwrap();
    let is_context = |kind: &EventKind| matches!(kind, EventKind::ContextAdded { .. });
    let added = facts.iter().position(|fact| is_context(&fact.kind)).unwrap();
    // Another process goes on after the context was recorded, and the document is gone meanwhile.
    let second = AnyStore::new(Memory::default());
    let begun = facts[..=added].to_vec();
    let append = stepwright_core::journal::Append {
        run: run.run_id.clone(),
        facts: begun,
        close: None,
        driver: None,
    };
    second.append(append).await.unwrap();
    knowledge.remove("returns.md").await.unwrap();
    let workflow = Workflow::builder("Desk").store(second).step(agent(&model)).build().unwrap();
    let id = RunId::new(run.run_id.as_str()).unwrap();
    let resumed = workflow.resume(id).await.unwrap();
    assert_eq!(resumed.content.text(), "30");
}

#[tokio::test]
async fn a_number_of_passages_that_cannot_be_is_a_mistake() {
    let tool = KnowledgeTool::new(handbook().await).passages(0);
    let error = Agent::builder("Desk").model("offline").unwrap().tool(tool).build().unwrap_err();
    assert!(error.to_string().contains("gives 0 passages"), "{error}");
}
