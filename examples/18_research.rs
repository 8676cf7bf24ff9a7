//! A researcher with an MCP server and web pages: a library answers over MCP, pages are read side
//! by side, and an editor writes the report.
//!
//! `cargo run -p stepwright --features mcp --example 18_research`
//!
//! Without arguments, the MCP server is this program itself (`--serve`), the page comes from a
//! small server in it, and the model is `offline`, which calls tools with the topic and quotes what
//! it reads. `--model openai:gpt-5-mini --topic "leafcutter ants" --page https://…` asks a language
//! model about a page of the internet.

#![expect(clippy::print_stdout, reason = "it shows what a run gives")]

#[path = "course.rs"]
mod course;

use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use stepwright::mcp::{McpServer, McpService};
use stepwright::prelude::*;
use stepwright::tools::WebPage;
use stepwright::{Error, WorkflowBuilder};

const LIBRARY: [&str; 3] = [
    "Leafcutter ants carry pieces of leaves into their nests. They do not eat them: the leaves \
     feed a fungus, and the ants eat the fungus.",
    "Wood ants build mounds of needles, which keep the nest warm in spring.",
    "Yeasts are fungi of a single cell, and bakers feed them with sugar.",
];

const PAGE: &str = "<html><head><title>Ants</title></head><body><nav>Home</nav><p>A worker of the \
    leafcutter ants carries up to fifty times her own weight.</p><p>The paths of a colony are kept \
    clear of litter.</p></body></html>";

/// The library: a workflow that `McpService` serves as a tool.
fn shelf() -> Result<McpService, Error> {
    let find = |input: StepInput| async move {
        let asked = input.content().to_value();
        let query = asked["query"].as_str().unwrap_or_default().to_lowercase();
        let words: Vec<&str> = query.split(' ').filter(|word| word.len() > 3).collect();
        let tells = |passage: &&&str| words.iter().any(|it| passage.to_lowercase().contains(it));
        let found: Vec<&str> = LIBRARY.iter().filter(tells).copied().collect();
        if found.is_empty() {
            "There is nothing about that.".to_owned()
        } else {
            found.join("\n\n")
        }
    };
    let shelf = Workflow::builder("Shelf").step(Step::new("find", find)).build()?;
    let query = json!({"type": "string", "description": "The subject to look for."});
    let input = json!({"type": "object", "required": ["query"], "properties": {"query": query}});
    Ok(McpService::new().workflow(&shelf, Some(&input)))
}

/// The library as the server of an agent.
pub(crate) fn library() -> Result<McpServer, Error> {
    let own = std::env::current_exe().map_err(|error| Error::usage(error.to_string()))?;
    Ok(McpServer::command("library", own.to_string_lossy(), ["--serve"]))
}

/// The workflow. Pages of `hosts` may be private; all others are of the internet.
pub(crate) fn workflow(library: McpServer, hosts: &[String]) -> Result<WorkflowBuilder, Error> {
    let agent = |name: &str, instructions: &str| {
        let builder = Agent::builder(name).model(course::model());
        builder.map(|builder| builder.instructions(instructions))
    };
    let librarian = agent("Librarian", "Look in the library. Answer in 2 sentences.")?;
    let librarian = librarian.tool(library).build()?;
    let reader = agent("Reader", "Say what the page tells. Answer in 2 sentences.")?;
    let reader = reader.tool(WebPage::new().private_hosts(hosts.iter().cloned())).build()?;
    let editor = agent("Editor", "Write a report from the notes. Answer in 3 bullet points.")?;

    let asked = |input: &StepInput, name: &str| input.run.content.to_value()[name].clone();
    let topic =
        move |input: &StepInput| asked(input, "topic").as_str().unwrap_or_default().to_owned();
    let pages = move |input: &StepInput| -> Vec<String> {
        let pages = asked(input, "pages");
        let pages = pages.as_array().into_iter().flatten();
        pages.filter_map(Value::as_str).map(ToOwned::to_owned).collect()
    };
    let read = Map::new("pages").over(pages).concurrency(4).join(Join::BestEffort).step(
        Step::new("notes", reader).prompt(move |input: &StepInput| {
            format!("What does {} say about {}?", input.text(), topic(input))
        }),
    );
    let sources =
        Parallel::new("sources").branch(Step::new("library", librarian).prompt(topic)).branch(read);
    let report = Step::new("report", editor.build()?).prompt(|input: &StepInput| {
        let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
        let sources = input.content().to_value();
        let pages = sources["pages"].as_array().into_iter().flatten().map(text);
        let notes: Vec<String> = std::iter::once(text(&sources["library"])).chain(pages).collect();
        notes.join("\n\n")
    });
    Ok(Workflow::builder("Research").step(sources).step(report))
}

/// Serves the page to each client, and returns its host with the port.
pub(crate) fn serve_page() -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let host = listener.local_addr()?.to_string();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let Ok(reading) = socket.try_clone() else { continue };
            let asked = BufReader::new(reading).lines().map_while(Result::ok);
            for _ in asked.take_while(|line| !line.is_empty()) {}
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close";
            let _ = write!(socket, "{head}\r\ncontent-length: {}\r\n\r\n{PAGE}", PAGE.len());
        }
    });
    Ok(host)
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    if std::env::args().any(|argument| argument == "--serve") {
        return shelf()?.serve_stdio(tokio_util::sync::CancellationToken::new()).await;
    }
    let topic = course::argument("--topic").unwrap_or_else(|| "leafcutter ants".to_owned());
    let (page, hosts) = if let Some(page) = course::argument("--page") {
        (page, Vec::new())
    } else {
        let host = serve_page().map_err(|error| Error::usage(error.to_string()))?;
        (format!("http://{host}/ants.html"), vec![host])
    };
    let workflow = workflow(library()?, &hosts)?.build()?;
    let output = workflow.run(json!({"topic": topic, "pages": [page]})).await?;
    for run in &output.step_executor_runs {
        println!("{} said: {}\n", run.agent, run.content);
    }
    println!("{}", output.content);
    Ok(())
}
