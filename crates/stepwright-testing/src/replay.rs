//! Runs as tests.

use std::path::Path;
use stepwright_cassette::{Replay, Report};
use stepwright_core::Error;
use stepwright_engine::WorkflowBuilder;

/// The environment variable with which tests write their golden trees anew, if it is `1`.
pub const UPDATE: &str = "UPDATE_CASSETTES";

/// Replays the cassette of a workflow file, without network. `stepwright test from-run` makes one
/// of a run.
///
/// ```no_run
/// #[test]
/// fn a_refund_is_promised_when_it_is_approved() {
///     stepwright_testing::replay("tests/refund.cassette.yaml");
/// }
/// ```
///
/// # Panics
/// With the nearest difference, if the replay differs from the recording. Also if the cassette or
/// its workflow file cannot be read. With `UPDATE_CASSETTES=1` in the environment, the golden tree
/// is written anew instead.
#[track_caller]
pub fn replay(cassette: impl AsRef<Path>) {
    judge(begin(cassette.as_ref()).run());
}

/// Replays the cassette of a workflow in Rust, without network. Its store and its world are those
/// of the replay. [`record`](crate::record) makes a cassette of a run.
///
/// ```no_run
/// use stepwright_engine::{Workflow, WorkflowBuilder};
/// # async fn research(topic: String) -> String { topic }
/// fn news() -> WorkflowBuilder {
///     Workflow::builder("News").step(research)
/// }
///
/// #[test]
/// fn news_are_researched() {
///     stepwright_testing::replay_workflow("tests/news.cassette.yaml", news());
/// }
/// ```
///
/// # Panics
/// For the reasons of [`replay`].
#[track_caller]
pub fn replay_workflow(cassette: impl AsRef<Path>, workflow: WorkflowBuilder) {
    judge(begin(cassette.as_ref()).run_workflow(workflow));
}

fn begin(cassette: &Path) -> Replay {
    let update = std::env::var(UPDATE).is_ok_and(|value| value == "1");
    Replay::of(cassette).update(update)
}

#[track_caller]
fn judge(report: Result<Report, Error>) {
    match report {
        Ok(report) if report.differences.is_empty() => {}
        Ok(report) => panic!("{report}"),
        Err(error) => panic!("{}", error.report()),
    }
}
