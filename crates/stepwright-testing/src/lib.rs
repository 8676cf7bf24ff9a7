//! The test kit of Stepwright, for its own crates and for tests of your workflows.

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
