//! The larger examples have recorded tests, whose cassettes stand beside their outputs.
//! `EXAMPLES=overwrite` runs the workflows, and records them anew.

#![allow(dead_code, reason = "the examples are programs")]

#[path = "../../../../examples/24_blog_post.rs"]
mod blog_post;
#[path = "../../../../examples/17_coding_agent.rs"]
mod coding_agent;
#[path = "../../../../examples/19_data_question.rs"]
mod data_question;
#[path = "../../../../examples/21_investment_report.rs"]
mod investment_report;
#[path = "../../../../examples/23_recruiter.rs"]
mod recruiter;
#[path = "../../../../examples/18_research.rs"]
mod research;
#[path = "../../../../examples/22_startup_validator.rs"]
mod startup_validator;
#[path = "../../../../examples/20_support_desk.rs"]
mod support_desk;

use std::path::{Path, PathBuf};
use stepwright::mcp::McpServer;
use stepwright::{AnyStore, Memory, RunId, Runs, WorkflowBuilder};
use stepwright_testing::{Journal, Source, record, replay_workflow};

fn cassette(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/output");
    folder.join(format!("{name}.cassette.yaml"))
}

fn is_recorded_anew() -> bool {
    std::env::var_os("EXAMPLES").is_some_and(|value| value == "overwrite")
}

/// Writes the cassette of a run anew.
async fn recorded(name: &str, store: Memory, run: &str, workflow: WorkflowBuilder) {
    let runs = Runs::of(AnyStore::new(store));
    let journal = Journal::of(&runs, &RunId::new(run).unwrap()).await.unwrap();
    let cassette = cassette(name);
    let _ = std::fs::remove_file(&cassette);
    let made = record(&journal, Source::Workflow(Box::new(workflow)), &cassette);
    made.unwrap_or_else(|error| panic!("{}", error.report()));
}

#[tokio::test]
async fn the_patch_of_a_coding_agent_is_judged_twice() {
    let dir = tempfile::tempdir().unwrap();
    let workflow = || coding_agent::workflow(dir.path()).unwrap();
    if is_recorded_anew() {
        coding_agent::new_repository(dir.path()).await.unwrap();
        let store = Memory::default();
        let built = workflow().store(store.clone()).build().unwrap();
        coding_agent::judged(&built, "Exports have dates.").await.unwrap();
        recorded("17_coding_agent", store, "patch", workflow()).await;
    }
    // Neither a repository nor a coding agent is there.
    replay_workflow(cassette("17_coding_agent"), workflow());
}

#[tokio::test]
async fn a_researcher_reads_a_library_and_a_page() {
    if is_recorded_anew() {
        let host = research::serve_page().unwrap();
        let program = crate::examples::program("18_research");
        let library = || {
            let program = program.get_program().to_string_lossy();
            McpServer::command("library", program, ["--serve"])
        };
        let hosts = [host.clone()];
        let store = Memory::default();
        let workflow = || research::workflow(library(), &hosts).unwrap();
        let built = workflow().store(store.clone()).build().unwrap();
        let pages = [format!("http://{host}/ants.html")];
        let input = serde_json::json!({"topic": "leafcutter ants", "pages": pages});
        built.run(input).run_id("research").await.unwrap();
        recorded("18_research", store, "research", workflow()).await;
    }
    // The server is not started in a replay: there is no such program.
    let library = McpServer::command("library", "no-such-program", ["--serve"]);
    replay_workflow(cassette("18_research"), research::workflow(library, &[]).unwrap());
}

#[tokio::test]
async fn an_analyst_asks_a_database_and_a_chart_is_drawn() {
    let dir = tempfile::tempdir().unwrap();
    let (database, drawing) = (dir.path().join("sales.db"), dir.path().join("chart.svg"));
    let workflow = || data_question::workflow(&database, &drawing).unwrap();
    if is_recorded_anew() {
        data_question::load(&database).unwrap();
        let store = Memory::default();
        let built = workflow().store(store.clone()).build().unwrap();
        built.run("How much was sold in each month?").run_id("question").await.unwrap();
        let svg = std::fs::read_to_string(&drawing).unwrap();
        assert_eq!(svg.matches("<rect").count(), 3, "{svg}");
        recorded("19_data_question", store, "question", workflow()).await;
        std::fs::remove_file(&drawing).unwrap();
    }
    replay_workflow(cassette("19_data_question"), workflow());
    assert!(!drawing.exists(), "nothing is drawn in a replay");
}

#[tokio::test]
async fn a_support_desk_answers_from_a_handbook() {
    let store = Memory::default();
    let handbook = support_desk::handbook().await.unwrap();
    let built = support_desk::workflow(handbook.clone()).unwrap().store(store.clone());
    let question = "How long can goods be sent back?";
    let output = built.build().unwrap().run(question).run_id("desk").await.unwrap();
    assert!(output.content.text().contains("30 days"), "{}", output.content);
    if is_recorded_anew() {
        let workflow = support_desk::workflow(handbook).unwrap();
        recorded("20_support_desk", store, "desk", workflow).await;
    }
    // The handbook of a replay is empty, because nothing is looked up.
    let empty = stepwright::knowledge::HashEmbedder::default();
    let empty = stepwright::knowledge::SqliteKnowledge::in_memory(empty).await.unwrap();
    let workflow = support_desk::workflow(empty).unwrap();
    replay_workflow(cassette("20_support_desk"), workflow);
}

#[tokio::test]
async fn two_analysts_answer_and_a_person_approves_the_report() {
    let workflow = || investment_report::workflow().unwrap();
    if is_recorded_anew() {
        let store = Memory::default();
        let built = workflow().store(store.clone()).build().unwrap();
        investment_report::approved(&built, investment_report::COMPANY).await.unwrap();
        recorded("21_investment_report", store, "report", workflow()).await;
    }
    replay_workflow(cassette("21_investment_report"), workflow());
}

#[tokio::test]
async fn a_team_validates_an_idea_in_the_order_of_its_tasks() {
    let workflow = || startup_validator::workflow().unwrap();
    if is_recorded_anew() {
        let store = Memory::default();
        let built = workflow().store(store.clone()).build().unwrap();
        built.run(startup_validator::IDEA).run_id("validation").await.unwrap();
        recorded("22_startup_validator", store, "validation", workflow()).await;
    }
    replay_workflow(cassette("22_startup_validator"), workflow());
}

#[tokio::test]
async fn a_recruiter_reads_a_cv_behind_guardrails() {
    let workflow = || recruiter::workflow().unwrap();
    if is_recorded_anew() {
        let store = Memory::default();
        let built = workflow().store(store.clone()).build().unwrap();
        let input = serde_json::json!({"cv": recruiter::CV, "role": "engineer"});
        built.run(input).run_id("screening").await.unwrap();
        recorded("23_recruiter", store, "screening", workflow()).await;
    }
    replay_workflow(cassette("23_recruiter"), workflow());
}

#[tokio::test]
async fn a_blog_post_is_shortened_until_it_passes() {
    let workflow = || blog_post::workflow().unwrap();
    if is_recorded_anew() {
        let store = Memory::default();
        let built = workflow().store(store.clone()).build().unwrap();
        built.run(blog_post::TOPIC).run_id("post").await.unwrap();
        recorded("24_blog_post", store, "post", workflow()).await;
    }
    replay_workflow(cassette("24_blog_post"), workflow());
}
