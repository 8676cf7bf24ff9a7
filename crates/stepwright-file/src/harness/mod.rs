//! Coding agents as steps: `agent: {harness: claude-code, dir: service}`.

mod keys;
mod read;
mod step;

pub(crate) use keys::HARNESS;

use crate::format::{Text, Word};
use crate::schema::Schema;
use serde_json::Value;
use std::sync::Arc;
use stepwright_core::Fingerprint;

/// The agents with names of their own.
#[cfg(feature = "harness")]
pub(crate) const NAMES: [&str; 3] = stepwright_harness::HarnessKind::NAMES;
#[cfg(not(feature = "harness"))]
pub(crate) const NAMES: [&str; 3] = ["claude-code", "codex", "opencode"];

/// The values of `questions`.
const QUESTIONS: [(&str, Questions); 3] =
    [("ask", Questions::Ask), ("allow", Questions::Allow), ("decline", Questions::Decline)];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Questions {
    Ask,
    Allow,
    Decline,
}

/// The agent of a step.
#[derive(Debug)]
enum Agent {
    Named(String),
    /// A program that speaks ACP, with its arguments.
    Acp(Vec<String>),
}

/// A step of a coding agent.
#[derive(Debug)]
#[cfg_attr(not(feature = "harness"), allow(dead_code, reason = "read to find mistakes"))]
struct HarnessStep {
    agent: Agent,
    prompt: Option<Text>,
    dir: Option<Text>,
    worktree: bool,
    session: Option<Word>,
    model: Option<String>,
    instructions: Option<String>,
    read_only: bool,
    questions: Questions,
    env: Vec<(String, Text)>,
    output: Option<(Value, Arc<Schema>)>,
    /// The content as written, without the values of variables.
    content: Fingerprint,
}

impl Agent {
    /// Returns the name that permissions and events have.
    fn name(&self) -> &str {
        match self {
            Self::Named(name) => name,
            Self::Acp(words) => {
                let program = words.first().map_or("", String::as_str);
                program.rsplit(['/', '\\']).next().unwrap_or(program)
            }
        }
    }
}
