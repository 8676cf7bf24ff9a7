//! The ids of runs that no person began.

use std::time::Duration;
use stepwright_core::{Error, ErrorKind, RunId, WorkflowId};

/// The longest part of the id of a run that is the id of its workflow, in bytes.
const PREFIX_BYTES_MAX: usize = 128;

/// The longest name of a schedule or a webhook, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// The time for which a schedule or a webhook stays in the store that no server has any more.
pub(crate) const GONE: Duration = Duration::from_hours(24 * 7);

/// Checks the name of a schedule or a webhook, which becomes a part of ids and addresses.
pub(crate) fn check_name(what: &str, name: &str) -> Result<(), Error> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_plain) {
        return Ok(());
    }
    let error = Error::new(ErrorKind::Definition, format!("a {what} cannot be called `{name}`"));
    Err(error.with_hint("use up to 64 of a-z, A-Z, 0-9, `-` and `_`"))
}

/// Returns the id of a schedule or a webhook.
pub(crate) fn id_of(workflow: &WorkflowId, name: &str) -> String {
    format!("{workflow}.{name}")
}

/// Returns the id of a run: `digest.daily.20261130T080000Z`. It is the same in all processes, so
/// that the store refuses a second run.
pub(crate) fn run_id(workflow: &WorkflowId, name: &str, rest: &str) -> Result<RunId, Error> {
    let id = workflow.as_str();
    // A colon would make it the id of a user.
    let prefix = if id.len() <= PREFIX_BYTES_MAX && !id.contains(':') {
        id.to_owned()
    } else {
        let safe = id.chars().filter(char::is_ascii_alphanumeric).take(PREFIX_BYTES_MAX / 2);
        format!("{}-{:016x}", safe.collect::<String>(), mixed(id, 0))
    };
    Ok(RunId::new(format!("{prefix}.{name}.{rest}"))?)
}

/// Mixes a name and a time into a number that looks random: FNV-1a, then the end of SplitMix64.
pub(crate) fn mixed(name: &str, time: u64) -> u64 {
    let bytes = name.bytes().chain(time.to_le_bytes());
    let mut z = bytes.fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
