//! The one printed form of an error.

use crate::codes::ErrorId;
use std::fmt;

/// An error in its printed form: the message with its id, the causes, and the help.
///
/// ```
/// use stepwright_core::{Error, ErrorId, Report};
/// let error = Error::usage("run `r-7` has ended").with_id(ErrorId::RUN_ENDED);
/// let report = error.to_report().help("`stepwright show r-7` shows its end");
/// assert_eq!(
///     report.to_string(),
///     "error[SW0707]: run `r-7` has ended\nhelp: `stepwright show r-7` shows its end",
/// );
/// assert_eq!(Report::new(ErrorId::RUN_ENDED, "it has ended").label(), "error[SW0707]:");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    id: ErrorId,
    message: String,
    causes: Vec<String>,
    also: Vec<String>,
    helps: Vec<String>,
}

impl Report {
    /// Creates a report without causes and help.
    pub fn new(id: ErrorId, message: impl Into<String>) -> Self {
        Self {
            id,
            message: message.into(),
            causes: Vec::new(),
            also: Vec::new(),
            helps: Vec::new(),
        }
    }

    /// Adds a cause. The nearest comes first.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Adds something that went wrong besides.
    #[must_use]
    pub fn also(mut self, also: impl Into<String>) -> Self {
        self.also.push(also.into());
        self
    }

    /// Adds a line about what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.helps.push(help.into());
        self
    }

    /// Replaces all help with this line.
    #[must_use]
    pub fn only_help(mut self, help: impl Into<String>) -> Self {
        self.helps = vec![help.into()];
        self
    }

    /// Returns `true` if the report says what to do.
    pub fn has_help(&self) -> bool {
        !self.helps.is_empty()
    }

    /// Returns the label before the message, such as `error[SW0707]:`.
    pub fn label(&self) -> String {
        label(self.id)
    }

    /// Writes the report without the word `error`, for `fn main() -> Result<(), Error>`: Rust
    /// writes that word itself.
    pub(crate) fn write_plain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.id, self.message)?;
        self.write_rest(f)
    }

    fn write_rest(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for cause in &self.causes {
            write!(f, "\n  caused by: {cause}")?;
        }
        for also in &self.also {
            write!(f, "\n  also: {also}")?;
        }
        for help in &self.helps {
            write!(f, "\nhelp: {help}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.label(), self.message)?;
        self.write_rest(f)
    }
}

/// Returns the label before the message of an error, such as `error[SW0707]:`.
///
/// ```
/// use stepwright_core::{ErrorId, report::label};
/// assert_eq!(label(ErrorId::RUN_ENDED), "error[SW0707]:");
/// ```
pub fn label(id: ErrorId) -> String {
    format!("error[{id}]:")
}
