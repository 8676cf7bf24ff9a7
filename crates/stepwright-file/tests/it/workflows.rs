//! The workflows in `examples/workflows` do what they say.

use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use stepwright_core::{Answer, Content, Memory, RunOutput, RunStatus};
use stepwright_engine::Workflow;
use stepwright_file::{Definition, Options};
use stepwright_testing::model::{Reply, ScriptedModel};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/workflows");

fn read(name: &str, options: &Options) -> Workflow {
    let definition = Definition::read(Path::new(FOLDER).join(name), options).unwrap();
    assert!(definition.warnings().is_empty(), "{}", definition.warnings());
    definition.builder().unwrap().store(Memory::default()).build().unwrap()
}

fn within(dir: &Path) -> Options {
    Options { base_dir: Some(dir.to_owned()), ..Options::default() }
}

async fn gives(workflow: &Workflow, input: Value) -> String {
    let output = workflow.run(Content::from(input)).await.unwrap();
    assert_eq!(output.status, RunStatus::Completed);
    output.content.text().into_owned()
}

#[test]
fn each_workflow_has_a_test() {
    let mut names: Vec<PathBuf> =
        Path::new(FOLDER).read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    // Beside them is the folder of the recorded tests.
    names.retain(|path| path.is_file());
    names.sort();
    let mut names: Vec<_> = names.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    let tested = [
        "blog.yaml",
        "code-review.yaml",
        "desk.yaml",
        "invoices.yaml",
        "nightly.yaml",
        "triage.yaml",
    ];
    // They run commands and servers. Their tests are those of the command, and the recorded ones.
    let acting = ["patch.yaml", "question.yaml", "release.yaml", "research.yaml"];
    names.retain(|name| !acting.contains(name));
    assert_eq!(names, tested);
}

#[tokio::test]
async fn a_blog_post_is_revised_until_it_passes() {
    let workflow = read("blog.yaml", &Options::default());
    let short = gives(&workflow, json!("Ants carry leaves. They feed a fungus.")).await;
    assert!(short.starts_with("# Ants carry leaves."), "{short}");
    assert!(short.contains("(accepted after 1 turn)"), "{short}");

    let model =
        ScriptedModel::new(["x".repeat(300), "x".repeat(200), "Short.".into()].map(Reply::text));
    let seen = model.clone();
    stepwright_models::register("blog-writer", move |_| Ok(seen.clone()));
    let options = Options { model: Some("blog-writer:x".into()), ..Options::default() };
    let revised = gives(&read("blog.yaml", &options), json!("Ants")).await;
    assert!(revised.contains("Short.\n\n(accepted after 3 turns)"), "{revised}");
    let told = format!("{:?}", model.requests()[1]);
    assert!(told.contains("It is too long"), "{told}");
}

#[tokio::test]
async fn support_requests_wait_for_people() {
    let workflow = read("triage.yaml", &Options::default());
    let request = |text: &str| json!({"customer": "Ada", "subject": "Order 7", "text": text});
    let asked = async |text: &str, id: &str| -> RunOutput {
        let paused = workflow.run(Content::from(request(text))).await.unwrap();
        let open: Vec<&str> = paused.requirements.iter().map(|asked| &*asked.id).collect();
        assert_eq!(open, [id]);
        paused
    };
    let paused = asked("I want my money back.", "handled/refund!confirm").await;
    let answer = [("handled/refund!confirm", Answer::Approve)];
    let done = workflow.continue_run(&paused.run_id, answer).await.unwrap();
    let text = done.content.text();
    assert!(text.contains("We refund the price for Order 7."), "{text}");

    let paused = asked("Give me a refund.", "handled/refund!confirm").await;
    let answer = [("handled/refund!confirm", Answer::reject("too late"))];
    workflow.continue_run(&paused.run_id, answer).await.unwrap_err();

    let ticket = gives(&workflow, request("It shows an error.")).await;
    assert!(ticket.contains("We opened a ticket") && ticket.contains("(bug)"), "{ticket}");

    let question = workflow.run(Content::from(request("Where is my order?"))).await.unwrap();
    assert_eq!(question.status, RunStatus::Paused);
}

#[tokio::test]
async fn invoices_of_a_folder_become_a_table() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("in")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join("in").join(name), text);
    write("a.txt", "Invoice: 7\nDate: 2026-11-01\nTotal: 12.50\n").unwrap();
    write("b.txt", "Invoice: 8\nDate: 2026-11-02\nTotal: 7.50\n").unwrap();
    write("c.txt", "A letter without a total.\n").unwrap();
    let said = gives(&read("invoices.yaml", &within(dir.path())), json!("in")).await;
    assert_eq!(said, "2 of 3 invoices, 20.0 in total");
    let table = std::fs::read_to_string(dir.path().join("in/invoices.csv")).unwrap();
    assert_eq!(table.trim_end(), "number,date,total\n7,2026-11-01,12.5\n8,2026-11-02,7.5");
}

#[tokio::test]
async fn a_nightly_report_tells_what_failed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).unwrap();
        let body =
            r#"[{"name": "unit", "status": "passed"}, {"name": "load", "status": "failed"}]"#;
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
        write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    });
    let dir = tempfile::tempdir().unwrap();
    let workflow = read("nightly.yaml", &within(dir.path()));
    let said = gives(&workflow, json!(format!("http://{address}/nightly.json"))).await;
    server.join().unwrap();
    assert!(said.starts_with("# 1 of 2 jobs failed\n\n- load: failed"), "{said}");
    let page = std::fs::read_to_string(dir.path().join("nightly.md")).unwrap();
    assert_eq!(page.trim(), said.trim());
    let log = || std::fs::read_to_string(dir.path().join("nightly.log")).unwrap();
    assert!(log().ends_with("Z written\n"), "{}", log());

    let gone = json!(format!("ftp://{address}/nightly.json"));
    workflow.run(Content::from(gone)).await.unwrap_err();
    assert!(log().lines().nth(1).is_some_and(|line| line.contains("ftp://")), "{}", log());
}

#[tokio::test]
async fn a_diff_is_reviewed_file_by_file() {
    let diff = "diff --git a/src/a.rs b/src/a.rs\n--- a/src/a.rs\n+++ b/src/a.rs\n@@ -1 +1 @@\n\
                -old\n+let x = y.unwrap();\n\
                diff --git a/b.md b/b.md\n--- a/b.md\n+++ b/b.md\n@@ -1 +1 @@\n-a\n+b\n";
    let page = gives(&read("code-review.yaml", &Options::default()), json!(diff)).await;
    assert!(page.starts_with("# Review of 2 files"), "{page}");
    assert!(page.contains("## src/a.rs (+1)") && page.contains("## b.md (+1)"), "{page}");
    assert!(page.contains("- look at `+let x = y.unwrap();`"), "{page}");
}

#[cfg(feature = "knowledge")]
#[tokio::test]
async fn a_support_desk_answers_from_its_handbook_and_hands_complaints_to_a_person() {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["handbook", "data"] {
        std::fs::create_dir(dir.path().join(folder)).unwrap();
    }
    for name in ["desk.yaml", "handbook/returns.md", "handbook/parcels.md", "handbook/prices.csv"] {
        std::fs::copy(Path::new(FOLDER).join(name), dir.path().join(name)).unwrap();
    }
    let definition = Definition::read(dir.path().join("desk.yaml"), &Options::default()).unwrap();
    let handbook = definition.knowledge().next().unwrap();
    assert_eq!(handbook.update(&|_| ()).await.unwrap().new.len(), 3);
    let workflow = definition.build().unwrap();
    let question = json!({"customer": "Ada", "question": "How long can goods be sent back?"});
    let reply = gives(&workflow, question).await;
    assert!(reply.starts_with("Dear Ada,") && reply.contains("30 days"), "{reply}");
    let angry = gives(&workflow, json!({"question": "I am angry!"})).await;
    assert!(angry.contains("A person will write to you today."), "{angry}");
}
