//! Runs as tests: a cassette has what models, tools and commands answered in a run, and a golden
//! tree has what happened. A replay executes the present definition against the cassette, without
//! network, and reports the first difference.
//!
//! The commands are `stepwright test from-run` and `stepwright test`; `docs/testing.md` describes
//! them. In tests of Rust programs, use `stepwright_testing::replay`.
//!
//! A replay reaches nothing outside, and a run that a replay does not repeat becomes no cassette
//! (`tests/it/kinds.rs`, `files.rs`).

mod clock;
mod derive;
mod difference;
mod drive;
mod format;
mod golden;
mod record;
mod replay;
mod source;
mod tape;
mod yaml;

pub use difference::Difference;
pub use format::{CASSETTE, CASSETTE_BYTES_MAX, GOLDEN, TEXT_BYTES_MAX};
pub use record::{Journal, Made, RECORDED_ANSWER_BYTES_MAX, Source, record};
pub use replay::{Replay, Report};
