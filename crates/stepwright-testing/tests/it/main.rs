//! Tests of the test kit itself.

mod answers;
mod conformance;
