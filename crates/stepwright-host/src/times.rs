//! Times of specifications.

use std::time::Duration;
use stepwright::Error;

/// Reads a time in seconds.
pub(crate) fn seconds(name: &str, seconds: f64) -> Result<Duration, Error> {
    Duration::try_from_secs_f64(seconds).map_err(|_| {
        Error::usage(format!("`{name}` must be a number of seconds, and is {seconds}"))
    })
}
