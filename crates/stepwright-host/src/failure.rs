//! Errors as data.

use serde::Serialize;
use stepwright::{Error, ErrorKind, RunOutput};

/// An error as data, for a binding to raise in its language.
///
/// ```
/// use stepwright::Error;
/// use stepwright_host::FailureReport;
/// let report = FailureReport::of(&Error::usage("there is no input").with_hint("pass one"));
/// assert_eq!((report.kind, report.hint.as_deref()), ("usage", Some("pass one")));
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct FailureReport {
    /// The kind: `definition`, `usage`, `run`, `cancelled`, `not_found`, `store`, `released`,
    /// `skipped`.
    pub kind: &'static str,
    /// The code, such as `SW0401`.
    pub code: String,
    /// The message.
    pub message: String,
    /// The path of the step that failed.
    pub step: Option<String>,
    /// A hint at what to do.
    pub hint: Option<String>,
    /// The number of attempts of the step.
    pub attempts: u32,
    /// The run.
    pub run_id: Option<String>,
    /// The causes, the nearest first.
    pub causes: Vec<String>,
}

impl FailureReport {
    /// Describes an error.
    pub fn of(error: &Error) -> Self {
        let output = error.output();
        Self {
            kind: kind(error.kind()),
            code: error.id().to_string(),
            message: error.to_string(),
            step: error.step().map(ToString::to_string),
            hint: error.hint().map(ToOwned::to_owned),
            attempts: output.and_then(|o| o.error.as_ref()).map_or(0, |failure| failure.attempts),
            run_id: output.map(|output: &RunOutput| output.run_id.to_string()),
            causes: error.to_data().causes,
        }
    }
}

fn kind(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Definition => "definition",
        ErrorKind::Usage => "usage",
        ErrorKind::Cancelled => "cancelled",
        ErrorKind::NotFound => "not_found",
        ErrorKind::Store => "store",
        ErrorKind::Released => "released",
        ErrorKind::Skipped => "skipped",
        _ => "run",
    }
}
