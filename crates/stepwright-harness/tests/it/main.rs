//! Coding agents as steps, with a scripted agent. See `tests/agent`.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails loudly")]

mod contained;
mod faults;
mod files;
mod people;
mod places;
mod real;
mod support;
mod used;
mod waiting;
mod work;
mod worktrees;
