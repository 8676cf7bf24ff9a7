//! The format: what a file says, once it is read.

mod content;
mod fields;
mod functions;
mod kinds;
mod read;
mod review;
mod tools;
mod values;

pub(crate) use read::{State, read_named, read_text};
pub(crate) use values::{Computed, Expr, Referring, Text};

use crate::source::{Source, Span};
use crate::tools::Chosen;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::plan::{ErrorPolicy, Join, OnExhausted, Retry};
use stepwright_core::{Fingerprint, HumanReview, OnInterrupted};

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
    /// Of which earlier runs its steps are told.
    pub(crate) history: Option<Earlier>,
    /// The policy of its steps for attempts whose outcome is unknown.
    pub(crate) on_interrupted: Option<OnInterrupted>,
    pub(crate) input: Option<Value>,
    pub(crate) agents: Vec<Agent>,
    pub(crate) steps: Vec<Item>,
}

/// Of which earlier runs of its session a step is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Earlier {
    /// How many; 0 for none.
    pub(crate) runs: u32,
    /// `true` if those that failed or were cancelled are left out.
    pub(crate) completed_only: Option<bool>,
}

/// The longest time that a step may take.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    pub(crate) total: Option<Duration>,
    pub(crate) idle: Option<Duration>,
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
    /// What else it is made of, as it is written.
    pub(crate) content: Fingerprint,
}

/// A step or a container.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) name: Word,
    pub(crate) kind: Kind,
    pub(crate) retry: Option<Retry>,
    pub(crate) timeout: Option<Duration>,
    /// The longest time that it may give no sign of life.
    pub(crate) idle: Option<Duration>,
    /// Of which earlier runs it is told.
    pub(crate) history: Option<Earlier>,
    pub(crate) on_error: ErrorPolicy,
    /// Its policy, or that of the steps in it, for attempts whose outcome is unknown.
    pub(crate) on_interrupted: Option<OnInterrupted>,
    /// What people have a say in.
    pub(crate) review: Option<HumanReview>,
    /// What it is made of, as it is written.
    pub(crate) content: Fingerprint,
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
        on_exhausted: Option<OnExhausted>,
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
    Template {
        text: Text,
    },
    Value {
        value: Computed,
    },
    /// Changes keys of the session state.
    State {
        by: StateChange,
        values: Vec<StateEntry>,
    },
    ReadFiles {
        glob: Text,
        max_files: usize,
        max_bytes: u64,
    },
    WriteFile {
        path: Text,
        text: Option<Text>,
    },
    HttpGet {
        url: Text,
        timeout: Duration,
        max_bytes: u64,
    },
    Shell(Box<Shell>),
    Sleep {
        duration: Duration,
    },
}

/// What a step does to keys of the session state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StateChange {
    Set,
    Increment,
    Append,
    Merge,
}

impl StateChange {
    /// The kind of step that does it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Set => "set_state",
            Self::Increment => "increment_state",
            Self::Append => "append_state",
            Self::Merge => "merge_state",
        }
    }
}

/// A key of the session state, and what changes it.
#[derive(Clone, Debug)]
pub(crate) struct StateEntry {
    pub(crate) key: Word,
    pub(crate) value: Computed,
}

/// A command.
#[derive(Clone, Debug)]
pub(crate) struct Shell {
    pub(crate) program: Program,
    /// Environment variables, by name.
    pub(crate) env: Vec<(String, Text)>,
    pub(crate) stdin: Option<Text>,
    pub(crate) timeout: Duration,
    pub(crate) max_bytes: u64,
}

impl Shell {
    /// Every template in it.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &Text> {
        let (command, words) = match &self.program {
            Program::Line { command, args } => (Some(command), args),
            Program::Argv(words) => (None, words),
        };
        let env = self.env.iter().map(|(_, value)| value);
        command.into_iter().chain(words).chain(env).chain(&self.stdin)
    }
}

/// What a command runs.
#[derive(Clone, Debug)]
pub(crate) enum Program {
    /// A line for the shell, with its arguments.
    Line { command: Text, args: Vec<Text> },
    /// A program and its arguments, without a shell.
    Argv(Vec<Text>),
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
            Self::State { by, .. } => by.word(),
            Self::ReadFiles { .. } => "read_files",
            Self::WriteFile { .. } => "write_file",
            Self::HttpGet { .. } => "http_get",
            Self::Shell(_) => "shell",
            Self::Sleep { .. } => "sleep",
        }
    }
}
