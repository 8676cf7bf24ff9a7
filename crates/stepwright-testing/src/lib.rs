//! The test kit of Stepwright, for its own crates and for tests of your workflows.

pub mod conformance;
pub mod grammar;
pub mod model;
#[cfg(all(unix, feature = "postgres-server"))]
pub mod postgres;
