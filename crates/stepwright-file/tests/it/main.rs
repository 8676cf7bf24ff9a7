//! Workflow files: what they say, what is wrong with them, and what they do.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]
#![expect(clippy::print_stderr, reason = "a test says that it is skipped")]

mod after;
mod awaited;
mod budgets;
mod builtins;
mod called;
mod commands;
mod composed;
mod content;
mod deadlines;
mod declared;
mod described;
mod docs;
mod files;
mod functions;
mod generated;
mod guardrails;
mod hostile;
mod http;
#[cfg(feature = "knowledge")]
mod knowledge;
mod limits;
mod loops;
mod mcp;
mod media;
mod mistakes;
mod models;
mod mutations;
mod notifying;
mod other_agents;
mod outline;
mod parts;
mod people;
mod permissions;
mod projects;
mod requests;
mod run_limits;
mod runs;
mod schemas;
mod skills;
mod teams;
mod tools;
mod triggers;
mod untrusted;
mod used;
mod workflows;
mod workspaces;
mod wrong;
