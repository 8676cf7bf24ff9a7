//! The models that files name.

use crate::options::Options;
use stepwright_models::UnknownModel;

/// Checks that a model exists. Returns the mistake and a hint if it does not. A file that is only
/// checked needs no keys.
pub(crate) fn check(name: &str, options: &Options) -> Result<(), (String, Option<String>)> {
    match stepwright_models::model(name) {
        Ok(_) => Ok(()),
        Err(UnknownModel::NoKey { .. }) if options.only_checks => Ok(()),
        Err(unknown) => Err((unknown.to_string(), unknown.hint())),
    }
}
