//! The parts that the examples of the course share: the workflow of two agents that most of them
//! run, and their arguments.

#![allow(dead_code, reason = "each example uses what it needs")]

use stepwright::prelude::*;
use stepwright::{Error, WorkflowBuilder};

/// The value of `--name VALUE` on the command line.
pub(crate) fn argument(name: &str) -> Option<String> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1)
}

/// The model of the agents: `--model openai:gpt-5-mini`, for one. Without it `offline`, which needs
/// no key and is no language model: it quotes the most telling sentences of what it is given.
pub(crate) fn model() -> String {
    argument("--model").unwrap_or_else(|| "offline".to_owned())
}

/// Returns what is known about a topic.
#[tool]
async fn search_notes(
    /// The words to look for.
    query: String,
) -> String {
    const NOTES: &str = "\
        AI agents are moving from demonstrations into production. Teams that run agents in \
        production ask for durable runs, because a crash in the middle of a run loses money. \
        Small models do most of the routine work of agents by now. Evaluation is the part that \
        teams name most often when they are asked what is missing. Open protocols let agents use \
        the same tools everywhere. Quantum computers with error correction have kept a logical \
        qubit alive for longer than its parts. Vendors of quantum computers publish road maps to \
        a few hundred logical qubits.";
    let about: Vec<&str> = query.split_whitespace().filter(|word| word.len() > 1).collect();
    let tells = |sentence: &&str| {
        let sentence = sentence.to_lowercase();
        about.iter().any(|word| sentence.contains(&word.to_lowercase()))
    };
    let found: Vec<&str> = NOTES.split_inclusive(". ").filter(tells).collect();
    if found.is_empty() { "There is nothing about that.".to_owned() } else { found.concat() }
}

/// An agent that looks things up.
pub(crate) fn researcher() -> Result<Agent, Error> {
    Agent::builder("Researcher")
        .model(model())?
        .instructions("Search the notes. Answer in 4 sentences.")
        .tool(search_notes)
        .build()
}

/// An agent that writes.
pub(crate) fn writer() -> Result<Agent, Error> {
    Agent::builder("Writer").model(model())?.instructions("Write 2 bullet points.").build()
}

/// The workflow of the course: research, then writing.
pub(crate) fn workflow() -> Result<WorkflowBuilder, Error> {
    Ok(Workflow::builder("My Workflow")
        .step(Step::new("Research", researcher()?))
        .step(Step::new("Write", writer()?)))
}
