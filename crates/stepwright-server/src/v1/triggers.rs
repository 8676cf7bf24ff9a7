//! The common part of schedules, webhooks and deliveries: who sees them.

use crate::auth::Who;
use crate::error::Problem;

/// Returns `true` if the caller sees schedules and webhooks: their runs have no user, so callers
/// who see the runs of one user only do not.
pub(super) fn are_seen_by(who: &Who) -> bool {
    who.only().is_none()
}

/// Checks that the caller sees the schedule or webhook `id`, and that it is served here.
pub(super) fn check(who: &Who, kind: &str, id: &str, is_served: bool) -> Result<(), Problem> {
    if are_seen_by(who) && is_served {
        return Ok(());
    }
    let problem = Problem::not_found(format!("{kind} `{id}` was not found"));
    Err(problem.with_help(format!("`GET /v1/{kind}s` lists those that are there")))
}
