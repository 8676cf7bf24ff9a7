//! The test kit of Stepwright, for its own crates and for tests of your workflows.
//!
//! [`model`] has models that follow a script, [`grammar`] checks streams of events and writes them
//! as text, and [`conformance`] tests a store of your own. With the feature `replay`, recorded runs
//! are tests; with `postgres-server`, a test starts a PostgreSQL server of its own.

pub mod conformance;
pub mod grammar;
pub mod model;
#[cfg(all(unix, feature = "postgres-server"))]
pub mod postgres;
#[cfg(feature = "replay")]
mod replay;

#[cfg(feature = "replay")]
pub use replay::{UPDATE, replay, replay_workflow};
#[cfg(feature = "replay")]
pub use stepwright_cassette::{Difference, Journal, Made, Replay, Report, Source, record};
