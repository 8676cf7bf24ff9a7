//! Workflow files: what they say, what is wrong with them, and what they do.

mod docs;
mod files;
mod http;
mod mistakes;
mod outline;
mod runs;
