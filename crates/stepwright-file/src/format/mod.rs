//! The format: what a file says, once it is read.

mod fields;
mod functions;
mod kinds;
mod read;
mod review;
mod tools;
mod values;

pub(crate) use read::{State, read_file, read_text};
pub(crate) use values::{Computed, Expr, Referring, Text};

use crate::source::{Source, Span};
use crate::tools::Chosen;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::plan::{ErrorPolicy, Join, Retry};
use stepwright_core::{HumanReview, OnInterrupted};

/// A text and its place.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) span: Span,
}

/// A whole file.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) source: Arc<Source>,
    pub(crate) name: Word,
    pub(crate) description: Option<String>,
    pub(crate) model: Option<Word>,
    pub(crate) timeout: Option<Duration>,
    /// Of how many earlier runs its steps are told.
    pub(crate) history: Option<u32>,
    /// The policy of its steps for attempts whose outcome is unknown.
    pub(crate) on_interrupted: Option<OnInterrupted>,
    pub(crate) input: Option<Value>,
    pub(crate) agents: Vec<Agent>,
    pub(crate) steps: Vec<Item>,
}

/// An agent.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) name: Word,
    pub(crate) instructions: Option<String>,
    pub(crate) model: Option<Word>,
    pub(crate) tools: Vec<Chosen>,
    pub(crate) max_turns: Option<u32>,
    /// The tools that somebody must allow, as its model knows them.
    pub(crate) confirmed: Vec<String>,
    /// The JSON Schema of its answer.
    pub(crate) output: Option<Value>,
}

/// A step or a container.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) name: Word,
    pub(crate) kind: Kind,
    pub(crate) retry: Option<Retry>,
    pub(crate) timeout: Option<Duration>,
    /// Of how many earlier runs it is told.
    pub(crate) history: Option<u32>,
    pub(crate) on_error: ErrorPolicy,
    /// Its policy, or that of the steps in it, for attempts whose outcome is unknown.
    pub(crate) on_interrupted: Option<OnInterrupted>,
    /// What people have a say in.
    pub(crate) review: Option<HumanReview>,
}

impl Item {
    /// Whether it does something itself.
    pub(crate) fn is_leaf(&self) -> bool {
        matches!(self.kind, Kind::Agent { .. } | Kind::Function(_))
    }

    /// The form that is filled in before it begins.
    pub(crate) fn form(&self) -> Option<&Value> {
        self.review.as_ref()?.user_input.as_ref().map(|form| &*form.schema)
    }
}

#[derive(Debug)]
pub(crate) enum Kind {
    Agent {
        agent: Word,
        prompt: Option<Text>,
    },
    Function(Function),
    Steps {
        body: Vec<Item>,
    },
    Parallel {
        join: Join,
        concurrency: Option<u32>,
        branches: Vec<Item>,
    },
    Loop {
        at_most: u32,
        until: Option<Expr>,
        forward: bool,
        body: Vec<Item>,
    },
    Condition {
        test: Test,
        then: Vec<Item>,
        otherwise: Vec<Item>,
    },
    Router {
        choose: Choice,
        choices: Vec<Item>,
    },
    Map {
        over: Option<Expr>,
        concurrency: Option<u32>,
        join: Join,
        body: Vec<Item>,
    },
    Workflow {
        path: Word,
        file: Box<File>,
    },
    /// It has mistakes. No file with mistakes is ever built.
    Unreadable,
}

/// What a condition asks.
#[derive(Debug)]
pub(crate) enum Test {
    Constant(bool),
    Expression(Expr),
}

/// What a router asks.
#[derive(Debug)]
pub(crate) enum Choice {
    Constant(Vec<Word>),
    Expression(Expr),
    Person,
}

/// What a step does that needs no model. Cheap enough to clone for each build.
#[derive(Clone, Debug)]
pub(crate) enum Function {
    Template { text: Text },
    Value { value: Computed },
    SetState { values: Vec<(String, Computed)> },
    ReadFiles { glob: Text, max_files: usize, max_bytes: u64 },
    WriteFile { path: Text, text: Option<Text> },
    HttpGet { url: Text, timeout: Duration, max_bytes: u64 },
    Shell { command: Text, stdin: Option<Text>, timeout: Duration, max_bytes: u64 },
    Sleep { duration: Duration },
}

impl Kind {
    /// The key that makes a step one of this kind.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Agent { .. } => "agent",
            Self::Function(function) => function.word(),
            Self::Steps { .. } => "steps",
            Self::Parallel { .. } => "parallel",
            Self::Loop { .. } => "loop",
            Self::Condition { .. } => "if",
            Self::Router { .. } => "router",
            Self::Map { .. } => "map",
            Self::Workflow { .. } => "workflow",
            Self::Unreadable => "",
        }
    }
}

impl Function {
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Template { .. } => "template",
            Self::Value { .. } => "value",
            Self::SetState { .. } => "set_state",
            Self::ReadFiles { .. } => "read_files",
            Self::WriteFile { .. } => "write_file",
            Self::HttpGet { .. } => "http_get",
            Self::Shell { .. } => "shell",
            Self::Sleep { .. } => "sleep",
        }
    }
}
