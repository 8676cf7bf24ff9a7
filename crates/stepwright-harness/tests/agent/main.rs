//! A scripted coding agent for tests, which also misbehaves. It speaks ACP, or stands in for
//! Claude Code and Codex with their documented streams. Nothing in it is a model, and nothing here
//! uses the SDK that the library uses.
//!
//! `MODE` has words that say how it behaves, `LOG` is the file in which it notes what it does, and
//! `STORE` is the folder of its conversations.

#![allow(
    clippy::disallowed_methods,
    clippy::exit,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::single_match_else,
    clippy::unwrap_used,
    clippy::zombie_processes,
    reason = "a program for tests, which fails loudly"
)]

mod acp;
mod claude;
mod codex;

use serde_json::Value;
use std::fs::OpenOptions;
use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;

/// The edits that a whole task consists of.
pub(crate) const TASK: [&str; 2] = ["a", "b"];

fn main() {
    log("started");
    if mode("broken") {
        eprintln!("no licence was found");
        std::process::exit(3);
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("-p") => claude::main(&args),
        Some("exec") => codex::main(&args),
        _ => acp::main(),
    }
}

/// Returns `true` if a word is in `MODE`.
pub(crate) fn mode(word: &str) -> bool {
    std::env::var("MODE").is_ok_and(|mode| mode.split(' ').any(|other| other == word))
}

/// Returns `true` the first time that this is asked, over all processes with one store.
pub(crate) fn first(what: &str) -> bool {
    let Ok(store) = std::env::var("STORE") else { return true };
    let path = PathBuf::from(store).join(format!("was-{what}"));
    OpenOptions::new().write(true).create_new(true).open(path).is_ok()
}

pub(crate) fn log(line: &str) {
    let Ok(path) = std::env::var("LOG") else { return };
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    writeln!(file, "{line}").unwrap();
}

pub(crate) fn say(message: &Value) {
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{message}").and_then(|()| out.flush()).is_err() {
        std::process::exit(1);
    }
}

/// Returns the next message, or ends with the input.
pub(crate) fn hear() -> Value {
    let mut line = String::new();
    if std::io::stdin().lock().read_line(&mut line).unwrap_or(0) == 0 {
        std::process::exit(0);
    }
    serde_json::from_str(&line).unwrap_or(Value::Null)
}

/// A conversation, which other processes can load.
pub(crate) struct Conversation {
    pub(crate) id: String,
}

impl Conversation {
    fn path(&self) -> Option<PathBuf> {
        let store = std::env::var("STORE").ok()?;
        Some(PathBuf::from(store).join(format!("session-{}", self.id)))
    }

    pub(crate) fn new(id: String) -> Self {
        let conversation = Self { id };
        conversation.add("begun");
        conversation
    }

    pub(crate) fn loaded(id: &str) -> Option<Self> {
        let conversation = Self { id: id.to_owned() };
        conversation.path()?.exists().then_some(conversation)
    }

    pub(crate) fn add(&self, line: &str) {
        let Some(path) = self.path() else { return };
        let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
        writeln!(file, "{line}").unwrap();
    }

    fn lines(&self) -> Vec<String> {
        let text = self.path().and_then(|path| std::fs::read_to_string(path).ok());
        text.unwrap_or_default().lines().map(ToOwned::to_owned).collect()
    }

    /// Returns the number of messages of the user so far.
    pub(crate) fn messages(&self) -> usize {
        self.lines().iter().filter(|line| line.starts_with("user ")).count()
    }

    pub(crate) fn has_done(&self, edit: &str) -> bool {
        self.lines().contains(&format!("did {edit}"))
    }

    /// Does an edit, which others can see.
    pub(crate) fn edit(&self, edit: &str) {
        log(&format!("edit {edit}"));
        std::fs::write(format!("{edit}.txt"), format!("{edit}\n")).unwrap();
        self.add(&format!("did {edit}"));
    }
}

/// Returns the answer to the messages so far.
pub(crate) fn answer(conversation: &Conversation, prompt: &str) -> String {
    if mode("json") {
        return r#"{"files": 2, "ok": true}"#.to_owned();
    }
    if mode("late-json") {
        // The first answer is none, and the one after the correction is.
        return match conversation.messages() {
            1 => "I have done it.".to_owned(),
            _ => "Here:\n```json\n{\"files\": 2, \"ok\": true}\n```".to_owned(),
        };
    }
    let first = prompt.lines().last().unwrap_or_default();
    format!("Done: {first} ({})", conversation.messages())
}

/// Starts a process of its own, as a tool does.
pub(crate) fn spawn_child() {
    let child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
    log(&format!("child {}", child.id()));
}
