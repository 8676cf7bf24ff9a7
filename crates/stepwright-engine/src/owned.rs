//! The ids that users choose.

use stepwright_core::UserId;

/// Returns `true` if an id is the name of a user, a colon, and a rest without one. So no id is
/// below the names of two users.
pub(crate) fn is_below(id: &str, user: &UserId) -> bool {
    id.rsplit_once(':').is_some_and(|(name, rest)| name == user.as_str() && !rest.is_empty())
}
