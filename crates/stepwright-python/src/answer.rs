//! The answer of a call of a function.

use crate::waits::Waits;
use stepwright::{StepError, StepOutput};

/// The answer of a call.
pub(crate) type Answer = Result<Ended, StepError>;

/// The end of a call.
pub(crate) enum Ended {
    /// The function has an output.
    Output(StepOutput),
    /// The function waits, and is called again.
    Waits(Waits),
}
