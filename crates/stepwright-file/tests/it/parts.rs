//! Files in parts and with exceptions, text at the end of files, and whole results of commands.

use serde_json::{Value, json};
use std::path::Path;
use stepwright_core::{Content, EventKind};
use stepwright_file::{Definition, Options};
use stepwright_testing::model::{Reply, ScriptedModel};

fn workflow(steps: &str, dir: &Path) -> stepwright_engine::Workflow {
    let text = format!("format: 1\nname: Test\nsteps:\n{steps}");
    let base_dir = Some(dir.to_owned());
    let options = Options { allow_shell: true, base_dir, ..Options::default() };
    Definition::parse(&text, "test.yaml", &options).unwrap().build().unwrap()
}

async fn gives(steps: &str, dir: &Path, expected: Value) {
    let output = workflow(steps, dir).run(Content::from("x")).await.unwrap();
    assert_eq!(output.content.to_value(), expected, "{steps}");
}

/// Returns what the tool `read_file` says to a model.
async fn reads(dir: &Path, name: &str, arguments: &[Value]) -> Vec<String> {
    let calls = arguments.iter().map(|one| Reply::call("read_file", one.clone()));
    let model = ScriptedModel::new(calls.chain([Reply::text("done")]));
    let given = model.clone();
    stepwright_models::register(name, move |_| Ok(given.clone()));
    let text = format!(
        "format: 1\nname: Test\nmodel: '{name}:m'\nagents: {{a: {{tools: [read_file]}}}}\nsteps: \
         [{{agent: a}}]\n"
    );
    let base_dir = Some(dir.to_owned());
    let options = Options { base_dir, ..Options::default() };
    let workflow = Definition::parse(&text, "test.yaml", &options).unwrap().build().unwrap();
    workflow.run("x").await.unwrap();
    let requests = model.requests();
    let told = requests.last().unwrap().messages.iter();
    told.filter(|message| matches!(message, stepwright_core::message::Message::Tool { .. }))
        .map(stepwright_core::message::Message::text)
        .collect()
}

#[tokio::test]
async fn a_model_reads_a_long_file_in_parts() {
    let dir = tempfile::tempdir().unwrap();
    let lines = (1..=60_000).map(|n: u32| n.to_string() + "\n").collect::<String>();
    std::fs::write(dir.path().join("big.log"), &lines).unwrap();
    std::fs::write(dir.path().join("line"), "é".repeat(150_000)).unwrap();
    std::fs::write(dir.path().join("small"), "a\nb\nc").unwrap();
    let read = reads(
        dir.path(),
        "parts",
        &[
            json!({"path": "big.log"}),
            json!({"path": "big.log", "offset": 59_999}),
            json!({"path": "big.log", "offset": 10, "limit": 2}),
            json!({"path": "big.log", "offset": 70_000}),
            json!({"path": "small"}),
            json!({"path": "small", "offset": 3, "limit": 9}),
            json!({"path": "small", "offset": 0}),
            json!({"path": "line"}),
        ],
    )
    .await;
    let (note, part) = read[0].split_once("\n\n").unwrap();
    let last = part.lines().last().unwrap();
    let next = last.parse::<u32>().unwrap() + 1;
    assert_eq!(
        note,
        format!("(these are the lines 1 to {last}; more follow: go on with `offset: {next}`)")
    );
    assert!(part.len() <= 200_000 && part.len() > 199_990, "{}", part.len());
    assert_eq!(read[1], "(these are the lines from 59999 to the end)\n\n59999\n60000\n");
    let expected =
        "(these are the lines 10 to 11; more follow: go on with `offset: 12`)\n\n10\n11\n";
    assert_eq!(read[2], expected);
    assert_eq!(read[3], "(the file has no line 70000)\n\n");
    assert_eq!(read[4], "a\nb\nc");
    assert_eq!(read[5], "(these are the lines from 3 to the end)\n\nc");
    assert!(read[6].contains("`offset` is a whole number from 1"), "{}", read[6]);
    assert!(
        read[7].starts_with("(line 1 is longer than 200000 bytes, and is cut"),
        "{}",
        &read[7][..80]
    );
}

#[tokio::test]
async fn text_is_appended_to_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let steps = "  - {append_file: {path: a/log.txt, text: \"one\\n\"}}\n  \
                 - {name: two, value: two}\n  - {name: last, append_file: a/log.txt}\n";
    gives(steps, dir.path(), json!({"path": "a/log.txt", "bytes": 4})).await;
    let text = std::fs::read_to_string(dir.path().join("a/log.txt")).unwrap();
    assert_eq!(text, "one\ntwo\n");
    // As with `write_file`, nothing outside is reached.
    let error = workflow("  - {append_file: {path: \"{{ input }}\", text: y}}\n", dir.path())
        .run("../x")
        .await;
    assert!(error.unwrap_err().to_string().contains("outside of the base directory"));
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("/tmp", dir.path().join("link")).unwrap();
        let step = "  - {append_file: {path: link/stepwright-appended, text: y}}\n";
        let error = workflow(step, dir.path()).run("x").await.unwrap_err();
        assert!(error.to_string().contains("outside of the base directory"), "{error}");
    }
}

#[tokio::test]
async fn concurrent_texts_are_all_appended() {
    let dir = tempfile::tempdir().unwrap();
    let steps = "  - {name: all, map: {over: '= lists.range(40)'}, do: [{append_file: {path: log, \
                 text: \"{{ item }}\\n\"}}]}\n";
    workflow(steps, dir.path()).run("x").await.unwrap();
    let text = std::fs::read_to_string(dir.path().join("log")).unwrap();
    let mut lines: Vec<u32> = text.lines().map(|line| line.parse().unwrap()).collect();
    lines.sort_unstable();
    assert_eq!(lines, (0..40).collect::<Vec<_>>());
}

#[tokio::test]
async fn files_are_left_out_where_it_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a.md", "b.md", "sub/c.md", "sub/deep/d.md", "sub/deep/e.min.md"] {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, name).unwrap();
    }
    let paths = |exclude: &str| {
        format!(
            "  - {{name: all, read_files: {{glob: '**/*.md', exclude: {exclude}, max_files: 4}}}}\n  \
             - {{value: '= steps.all.map(f, f.path)'}}\n"
        )
    };
    let expected = json!(["a.md", "b.md", "sub/c.md", "sub/deep/d.md"]);
    gives(&paths("'**/*.min.md'"), dir.path(), expected).await;
    gives(&paths("[b.md, 'sub/**']"), dir.path(), json!(["a.md"])).await;
    let error = workflow(&paths("'['"), dir.path()).run("x").await.unwrap_err();
    assert!(error.to_string().contains("`[` is not a pattern"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_cannot_be_read_is_passed_over_where_it_is_asked_for() {
    use futures_util::StreamExt as _;
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("b")).unwrap();
    std::fs::write(dir.path().join("b/a.md"), "a").unwrap();
    // A pipe is no text.
    let made = std::process::Command::new("mkfifo").arg(dir.path().join("b/b.md")).status();
    assert!(made.unwrap().success());
    let step = |more: &str| {
        format!(
            "  - {{name: all, read_files: {{glob: 'b/*.md'{more}}}}}\n  - {{value: '= \
             steps.all.map(f, f.path)'}}\n"
        )
    };
    let error = workflow(&step(""), dir.path()).run("x").await.unwrap_err();
    assert!(error.to_string().contains("`b/b.md` is not a regular file, but a pipe"), "{error}");
    let workflow = workflow(&step(", on_unreadable: skip"), dir.path());
    let mut run = workflow.run("x").stream_events(true).stream();
    let mut notes = Vec::new();
    while let Some(event) = run.next().await {
        if let EventKind::StepProgress { content, .. } = &event.kind {
            notes.push(content.text().into_owned());
        }
    }
    assert_eq!(run.output().await.unwrap().content.to_value(), json!(["b/a.md"]));
    assert!(
        notes.contains(&"left out: `b/b.md` is not a regular file, but a pipe".to_owned()),
        "{notes:?}"
    );
    // What is too much is an error still.
    let step = "  - {read_files: {glob: 'b/*.md', on_unreadable: skip, max_files: 1}}\n";
    assert!(workflow_fails(step, dir.path()).await.contains("more than"));
}

#[cfg(unix)]
async fn workflow_fails(steps: &str, dir: &Path) -> String {
    workflow(steps, dir).run("x").await.unwrap_err().to_string()
}

#[cfg(unix)]
#[tokio::test]
async fn a_command_gives_its_streams_and_its_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let step = |command: &str| format!("  - {{shell: {{command: '{command}', result: full}}}}\n");
    gives(
        &step("echo out; echo no >&2; exit 3"),
        dir.path(),
        json!({"stdout": "out", "stderr": "no", "status": 3}),
    )
    .await;
    let killed = json!({"stdout": "", "stderr": "", "status": 143});
    gives(&step("kill -TERM $$"), dir.path(), killed).await;
    gives(&step("true"), dir.path(), json!({"stdout": "", "stderr": "", "status": 0})).await;
}
