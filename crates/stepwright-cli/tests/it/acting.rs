//! The workflows of `examples/workflows` with agents that act: a coding agent, an MCP server, a
//! database. They run as their first lines say.

use crate::kills::provider::Provider;
use crate::support::{Place, Ran};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");

/// A place with the examples, as a clone of the repository has them, and the command on the path.
struct Checkout(Place);

impl Checkout {
    fn new() -> Self {
        let place = Place::with("");
        copy(Path::new(ROOT), "workflows", &place.path("examples"));
        std::fs::create_dir(place.path("bin")).unwrap();
        let own = place.command([""]).get_program().to_owned();
        std::os::unix::fs::symlink(own, place.path("bin/stepwright")).unwrap();
        Self(place)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.0.command(arguments);
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.0.path("bin").display()));
        command
    }

    fn ran(&self, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.command(arguments))
    }

    fn git(&self, arguments: &[&str]) -> String {
        let identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"];
        let mut git = Command::new("git");
        let ran = git.args(identity).args(arguments).current_dir(self.0.path("")).output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
        String::from_utf8(ran.stdout).unwrap()
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.0.path(file)).unwrap()
    }
}

fn copy(from: &Path, name: &str, to: &Path) {
    let (from, to) = (from.join(name), to.join(name));
    if !from.is_dir() {
        std::fs::copy(from, to).unwrap();
        return;
    }
    std::fs::create_dir_all(&to).unwrap();
    for entry in from.read_dir().unwrap() {
        copy(&from, entry.unwrap().file_name().to_str().unwrap(), &to);
    }
}

/// Serves a page at any path but `/gone`.
fn pages() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let mut lines = BufReader::new(socket.try_clone().unwrap()).lines();
            let Some(Ok(first)) = lines.next() else { continue };
            for _ in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {}
            let body = "<p>Leafcutter ants have paths, which they keep clear of litter.</p>";
            let status = if first.contains("/gone") { "404 Not Found" } else { "200 OK" };
            let head = format!("HTTP/1.1 {status}\r\ncontent-type: text/html");
            let length = body.len();
            let end = "connection: close";
            let _ = write!(socket, "{head}\r\ncontent-length: {length}\r\n{end}\r\n\r\n{body}");
        }
    });
    address
}

const RESEARCH: &str = "examples/workflows/research.yaml";

#[test]
fn a_researcher_asks_an_mcp_server_and_reads_pages_and_its_test_starts_no_server() {
    let (clone, host) = (Checkout::new(), pages());
    let input =
        format!(r#"{{"topic": "leafcutter ants", "pages": ["{host}/ants.html", "{host}/gone"]}}"#);
    let ran = clone
        .ran(&["run", RESEARCH, &input, "--allow-shell", "--db", "a.db", "--run-id", "r-1"])
        .ended(0);
    assert!(ran.stdout.contains("Leafcutter ants carry pieces of leaves"), "{ran:#?}");
    assert!(ran.stdout.contains("keep clear of litter"), "{ran:#?}");
    assert!(ran.stdout.contains(&format!("- {host}/gone (could not be read)")), "{ran:#?}");
    assert_eq!(clone.read("out/research.md").trim_end(), ran.stdout.trim_end());
    let made = ["test", "from-run", "r-1", "--db", "a.db", "--output", "r.cassette.yaml"];
    clone.ran(&made).ended(0);
    // Neither the server nor the command that would start it is there.
    std::fs::remove_file(clone.0.path("bin/stepwright")).unwrap();
    std::fs::remove_file(clone.0.path("examples/workflows/library/shelf.yaml")).unwrap();
    clone.0.ran(["test", "r.cassette.yaml"]).ended(0);
    // A recording without the tools does not make the test start the server.
    let cassette = clone.read("r.cassette.yaml").replace("key: \"mcp:library\"", "key: none");
    clone.0.write("r.cassette.yaml", cassette.replace("key: mcp:library", "key: none"));
    let without = clone.0.ran(["test", "r.cassette.yaml"]).ended(1);
    assert!(without.stdout.contains("the recording does not have its tools"), "{without:#?}");
}

#[test]
fn the_examples_take_a_model_by_a_flag() {
    let (clone, provider) = (Checkout::new(), Provider::start());
    let sql = "SELECT product AS label, sum(amount) AS value FROM sales GROUP BY product";
    let asked = format!(r#"{{"question": "Which product sold best?", "sql": "{sql}"}}"#);
    for (file, input) in [
        (RESEARCH, r#"{"topic": "leafcutter ants"}"#),
        ("examples/workflows/question.yaml", &*asked),
    ] {
        let model = ["--model", "openai-chat:scripted", "--allow-shell", "--no-db"];
        let mut command = clone.command(&["run", file, input]);
        provider.serve(command.args(model), file);
        let ran = Ran::of(&mut command).ended(0);
        assert!(ran.stdout.contains("I say key-"), "{ran:#?}");
        assert!(!provider.calls(file).is_empty());
    }
}

#[test]
fn a_question_is_answered_by_sql_that_only_reads_and_a_chart_is_drawn() {
    let clone = Checkout::new();
    let asks = |sql: &str| {
        let input = serde_json::json!({"question": "How much <a month>?", "sql": sql}).to_string();
        let flags = ["--allow-shell", "--no-db"];
        Ran::of(clone.command(&["run", "examples/workflows/question.yaml", &input]).args(flags))
    };
    let month = "SELECT month AS label, sum(amount) AS value FROM sales GROUP BY month";
    let ran = asks(month).ended(0);
    assert!(ran.stdout.contains("The value of 2026-08 is 670."), "{ran:#?}");
    let svg = clone.read("out/chart.svg");
    assert_eq!(svg.matches("<rect").count(), 3, "{svg}");
    assert!(svg.contains("width=\"400.0\"") && svg.contains("How much &lt;a month&gt;?"), "{svg}");
    for sql in ["DELETE FROM sales", "ATTACH 'x.db' AS x", "PRAGMA journal_mode = DELETE"] {
        let refused = asks(sql).ended(1);
        assert!(refused.stderr.contains("SQLite refuses the statement"), "{sql}: {refused:#?}");
    }
    assert!(!clone.0.path("x.db").exists());
    asks(month).ended(0);
}

#[test]
fn a_patch_is_revised_after_a_rejection_and_committed_after_an_approval() {
    let clone = Checkout::new();
    clone.git(&["init", "--quiet"]);
    clone.git(&["add", "examples"]);
    clone.git(&["commit", "--quiet", "-m", "new"]);
    let input = r#"{"task": "Exports have dates."}"#;
    let run = ["run", "examples/workflows/patch.yaml", input, "--allow-shell"];
    let asked = Ran::of(clone.command(&run).args(["--db", "a.db", "--run-id", "r-1"])).ended(3);
    assert!(asked.stderr.contains("Is the patch right?"), "{asked:#?}");
    let answered = |answer: &[&str]| {
        let mut command = clone.command(&["continue", "r-1", "--allow-shell", "--db", "a.db"]);
        Ran::of(command.args(answer))
    };
    answered(&["--reject", "judged#1=Name the version, too."]).ended(3);
    let ended = answered(&["--approve", "judged#2"]).ended(0);
    let (_, branch) = ended.stdout.split_once("the branch `").unwrap();
    let branch = branch.split('`').next().unwrap();
    let changes = clone.git(&["show", &format!("{branch}:CHANGES.md")]);
    assert_eq!(changes, "- Exports have dates.\n- Name the version, too.\n");
    assert_eq!(clone.git(&["log", "-1", "--format=%s", branch]), "Exports have dates.\n");
    assert!(!clone.0.path("CHANGES.md").exists(), "the checkout is left alone");
}

#[test]
fn show_lists_the_files_of_workspaces() {
    let place = Place::with(
        "format: 1\nname: Files\nworkspace: {temp: true}\nsteps:\n  - {name: draw, write_file: \
         {path: chart.svg, text: drawing}}\n",
    );
    place.run(["", "--db", "a.db", "--run-id", "r-1"]).ended(0);
    let shown = place.on_db(&["show", "r-1"]).ended(0).stdout;
    assert!(shown.contains("\nfiles\n  chart.svg: 7 bytes, sha256 "), "{shown}");
    assert!(shown.contains("…, by draw\n"), "{shown}");
}
