//! The tools of agents.

use serde_json::{Value, json};
use stepwright_core::output::Turn;
use stepwright_file::{Definition, Options};
use stepwright_testing::model::{Reply, ScriptedModel};

/// Returns the tool's answer to a model that calls it with this.
async fn answer(tool: &'static str, arguments: Value, base: &std::path::Path) -> String {
    let provider = format!("calls-{}", arguments.to_string().len());
    stepwright_models::register(&provider, move |_| {
        let call = Reply::call(tool, arguments.clone());
        Ok(ScriptedModel::new([call, Reply::text("done")]))
    });
    let text = format!(
        "format: 1\nname: Tools\nmodel: {provider}\nagents: {{a: {{tools: [{tool}]}}}}\nsteps: \
         [{{agent: a}}]\n"
    );
    let options = Options { base_dir: Some(base.to_path_buf()), ..Options::default() };
    let workflow = Definition::parse(&text, "tools.yaml", &options).unwrap().build().unwrap();
    let output = workflow.run("go").await.unwrap();
    let turns = &output.step_executor_runs[0].turns;
    let told = turns.iter().find_map(|turn| match turn {
        Turn::Tool(outcome) => Some(outcome.text.clone()),
        Turn::Model(_) => None,
    });
    told.unwrap()
}

#[tokio::test]
async fn a_model_reads_files_of_the_directory_and_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().join("base");
    std::fs::create_dir(&base).unwrap();
    std::fs::write(base.join("a.md"), "inside").unwrap();
    std::fs::write(dir.path().join("secret.md"), "secret").unwrap();
    assert_eq!(answer("read_file", json!({"path": "a.md"}), &base).await, "inside");
    let told = answer("read_file", json!({"path": "../secret.md"}), &base).await;
    assert!(told.contains("outside of the base directory"), "{told}");
    let told = answer("read_file", json!({"path": "/etc/hostname"}), &base).await;
    assert!(told.contains("outside of the base directory"), "{told}");
    let told = answer("http_get", json!({"url": "file:///etc/hostname-of-this"}), &base).await;
    assert!(told.contains("begins with `https://`"), "{told}");
}
