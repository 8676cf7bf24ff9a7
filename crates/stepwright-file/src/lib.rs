//! Workflow files of Stepwright in YAML or JSON: reading, checking and building.
//!
//! A file is first parsed into a tree with the place of each value, then read according to the
//! format, then checked as a whole. All mistakes are reported together before anything runs. A
//! valid file becomes a [`Workflow`](stepwright_engine::Workflow). The format is described in
//! `docs/workflow-files.md`.
//!
//! ```
//! use stepwright_file::{Definition, Options};
//! let text = "
//! format: 1
//! name: Greeting
//! steps:
//!   - {name: greet, template: 'Hello {{ input }}!'}
//! ";
//! let workflow = Definition::parse(text, "greeting.yaml", &Options::default())?.build()?;
//! assert_eq!(workflow.run("Ada").blocking()?.content.text(), "Hello Ada!");
//!
//! let wrong = text.replace("input", "imput");
//! let mistakes = Definition::parse(&wrong, "greeting.yaml", &Options::default()).unwrap_err();
//! let first = mistakes.iter().next().unwrap();
//! assert_eq!(first.to_string(), "greeting.yaml:5:39: there is no `imput`");
//! assert_eq!(first.help.as_deref(), Some("did you mean `input`?"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Invariants
//!
//! * Every effect of a function or a tool of a file passes the gate, and a file or a project never
//!   widens what its user allows (`tests/it/permissions.rs`).
//! * The code that reads a key says so in a table beside it, from which the JSON Schema, the list
//!   of keys in messages and their suggestions come (`tests/it/every_key.yaml`).
//! * A run of a file continues only with the content that it began with, or with one that was
//!   accepted since (`tests/it/content.rs`).
//! * Expressions and templates have budgets: no file can make the process busy without end.

mod access;
mod budget;
mod build;
mod builtins;
mod check;
mod checked;
mod command;
mod containers;
#[cfg(test)]
mod corpus;
mod declared;
mod definition;
mod described;
mod diagnostic;
mod effects;
mod excerpt;
mod fix;
mod format;
mod functions;
mod harness;
mod host;
mod knowledge;
mod options;
mod outline;

mod duration;
#[doc(hidden)]
pub mod fuzz;
mod mcp;
mod models;
mod schema;
mod shape;
mod source;
mod stack;
mod suggest;
mod tree;

mod executors;
mod expression;
mod playback;
mod reference;
mod system;
mod template;
mod tools;
mod triggers;
mod work;

use stepwright_tools::__private::beneath;

pub use definition::{Definition, effects, misspelt_rules};
pub use described::json_schema;
pub use diagnostic::{Diagnostic, Diagnostics, MISTAKES_MAX, Related, ReportStyle, Severity};
pub use duration::parse as parse_duration;
pub use fix::{Fixed, fix};
pub use format::{read_permissions, read_prices};
pub use host::Functions;
#[cfg(feature = "knowledge")]
pub use knowledge::{KnowledgeBase, KnowledgeProgress, KnowledgeUpdated};
pub use options::{ChangedPrompt, Options, Variables};
pub use outline::Outline;
