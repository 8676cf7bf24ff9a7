//! Tests of the test kit itself, and with it of the core.

#![expect(clippy::unwrap_used, reason = "a test may panic, and so may what it calls")]

mod answers;
mod conformance;
mod fold;
mod wire;
