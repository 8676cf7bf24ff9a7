//! Workflow files: what they say, what is wrong with them, and what they do.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod builtins;
mod commands;
mod content;
mod docs;
mod files;
mod hostile;
mod http;
mod limits;
mod loops;
mod mistakes;
mod mutations;
mod outline;
mod people;
mod runs;
mod schemas;
mod tools;
mod untrusted;
mod workflows;
mod wrong;
