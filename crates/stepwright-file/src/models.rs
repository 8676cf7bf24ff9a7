//! The models that files name.

/// Whether there is such a model; if not, what is wrong and what to do about it.
pub(crate) fn check(name: &str) -> Result<(), (String, Option<String>)> {
    match stepwright_models::model(name) {
        Ok(_) => Ok(()),
        Err(unknown) => Err((unknown.to_string(), unknown.hint())),
    }
}
