//! The models that files name.

/// Checks that a model exists. Returns the mistake and a hint if it does not.
pub(crate) fn check(name: &str) -> Result<(), (String, Option<String>)> {
    match stepwright_models::model(name) {
        Ok(_) => Ok(()),
        Err(unknown) => Err((unknown.to_string(), unknown.hint())),
    }
}
