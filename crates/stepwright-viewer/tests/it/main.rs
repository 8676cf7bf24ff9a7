//! Tests of the page's files and of its fold.

#![expect(clippy::unwrap_used, reason = "a test may panic, and so may what it calls")]

mod built;
mod fold;
