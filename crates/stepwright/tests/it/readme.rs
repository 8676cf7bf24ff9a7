//! The promises of the README.
#![cfg(feature = "file")]

use std::fs;
use std::path::Path;
use stepwright::file::{Definition, Options};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The main job, on a folder of two documents and one that is too short to be read.
#[tokio::test]
async fn the_digest_of_a_folder_tells_of_every_document() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    fs::create_dir(folder.path().join("notes")).unwrap();
    let ants = "Ants live in colonies of up to a million workers. A colony has a queen, who lays \
        the eggs of the whole colony. The workers of a colony are her daughters, and they feed \
        the brood. Some ants grow fungi on leaves that workers bring to the colony. It rained.";
    let rust = "Rust checks at compile time who owns a value. A value has one owner, and a value \
        is freed when its owner goes out of scope. Borrowing lets functions read a value without \
        owning it. The borrow checker of the compiler refuses programs in which a borrowed value \
        could be freed too early.";
    write("notes/ants.md", ants);
    write("rust.txt", rust);
    write("notes/short.md", "Nothing much.");
    write("picture.png", "no text");

    let options = Options { base_dir: Some(folder.path().to_owned()), ..Options::default() };
    let file = Path::new(ROOT).join("examples/digest.yaml");
    let workflow = Definition::read(file, &options).unwrap().build().unwrap();
    let output = workflow.run(".").await.unwrap();
    let page = output.content.text().into_owned();
    assert!(page.starts_with("# Digest of `.`"), "{page}");
    for wanted in ["## notes/ants.md", "colony", "## rust.txt", "owner"] {
        assert!(page.contains(wanted), "{wanted} is missing in\n{page}");
    }
    assert!(!page.contains("It rained") && !page.contains("short.md"), "{page}");
    // It says that this was no language model.
    assert!(output.metadata["notices"].to_string().contains("not a language model"));

    let nothing = workflow.run("notes/none").await;
    assert!(nothing.is_err(), "a folder that is not there is told: {nothing:?}");
}

/// The programs of the README. They need keys, so they are compiled and not run.
#[cfg(all(feature = "duckduckgo", feature = "providers", feature = "sqlite", feature = "term"))]
mod programs {
    use std::time::Duration;
    use stepwright::Error;
    use stepwright::prelude::*;

    async fn outline(topic: String) -> String {
        topic
    }

    #[expect(dead_code, unused_variables, reason = "it shows how a workflow is written")]
    #[rustfmt::skip]
    async fn article(writer: Agent) -> Result<(), Error> {
        let researcher = Agent::builder("Researcher")
            .model("openai:gpt-5-mini")?                  // or "anthropic:…", "ollama:…", "offline"
            .tool(DuckDuckGo::new())
            .build()?;

        let workflow = Workflow::builder("Article")
            .step(Step::new("Research", researcher).retries(2).timeout(Duration::from_mins(1)))
            .step(outline)                                // an async fn is a step
            .step(Loop::new("Revise").step(writer).at_most(3).until(|turn| turn.text().len() < 300))
            .store(Sqlite::open("runs.db").await?)
            .build()?;                                    // reports every mistake in the definition

        let output = workflow.run("AI agents").await?;    // or .stream(), .background(), …
        Ok(())
    }

    #[expect(dead_code, unused_variables, unused_mut, reason = "it shows the ways to run one")]
    #[rustfmt::skip]
    async fn ways_to_run(workflow: Workflow) -> Result<(), Error> {
        let output = workflow.run("AI agents").session_id("s-1").await?;
        let mut events = workflow.run("AI agents").stream();        // the same run, as it happens
        let handle = workflow.run("AI agents").background().await?; // the same run, while you go on
        workflow.print_response("AI agents").stream(true).await?;   // the same run, at the terminal
        workflow.cli_app().session_id("s-1").await?;                // a prompt: a run for each line
        Ok(())
    }
}

#[test]
fn its_programs_are_compiled() {
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    // Without indentation, and without the imports, which the module above has as well.
    let lines = |text: &str| -> String {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.filter(|line| !line.starts_with("use ")).collect::<Vec<_>>().join("\n")
    };
    let here = lines(include_str!("readme.rs"));
    let programs = readme.split("```rust\n").skip(1);
    let programs: Vec<_> = programs.map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(programs.len(), 2);
    for program in programs {
        assert!(here.contains(&lines(program)), "this file does not compile:\n{program}");
    }
}

#[test]
fn its_file_is_the_example() {
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let example = fs::read_to_string(Path::new(ROOT).join("examples/article.yaml")).unwrap();
    let shown = readme.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert!(example.ends_with(shown), "examples/article.yaml is not what the README shows");
}

#[test]
fn its_commands_are_there() {
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let main_job = "cargo run --release -p stepwright-cli -- run examples/digest.yaml docs";
    assert!(readme.contains(main_job));
    assert!(readme.contains("./test.sh"));
    let server = fs::read_to_string(Path::new(ROOT).join(".ci/run")).unwrap();
    assert!(server.contains("./test.sh"), "the build server runs the README's test command");
    // Every file that it links to exists.
    for link in readme.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        let there = link.starts_with("http") || Path::new(ROOT).join(link).exists();
        assert!(there, "README.md links to `{link}`, which is not there");
    }
}
