//! The spans of runs.

mod spans;
