//! Workflow files: what they say, what is wrong with them, and what they do.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod docs;
mod files;
mod http;
mod loops;
mod mistakes;
mod outline;
mod people;
mod runs;
mod tools;
