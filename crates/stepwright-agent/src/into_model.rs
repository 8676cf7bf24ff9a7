//! Values that an agent accepts as its model.

use stepwright_core::model::{AnyModel, Model};
use stepwright_models::{Fallback, UnknownModel, model};

/// A value that can be the model of an agent: `"provider:model"`, or a [`Model`].
///
/// `K` distinguishes the two and is always inferred.
///
/// ```
/// use stepwright_agent::{Agent, IntoModel};
/// use stepwright_core::{Error, model::Model as _};
/// use stepwright_testing::model::ScriptedModel;
/// /// Builds the same agent for production and for tests.
/// fn editor<K>(model: impl IntoModel<K>) -> Result<Agent, Error> {
///     Agent::builder("Editor").model(model)?.instructions("Correct the spelling.").build()
/// }
/// assert_eq!(editor("offline")?.model().id(), "offline:extract");
/// assert_eq!(editor(ScriptedModel::new(["fine"]).named("test"))?.model().id(), "scripted:test");
/// # Ok::<(), Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a model",
    note = "pass a text such as \"offline\", or implement `Model`"
)]
pub trait IntoModel<K> {
    /// Converts this value into a model.
    ///
    /// # Errors
    /// Returns an error if a text names no known model.
    fn into_model(self) -> Result<AnyModel, UnknownModel>;

    /// Returns the names if the model is given by name.
    fn written(&self) -> Vec<&str> {
        Vec::new()
    }
}

/// Marks a model given by name.
#[derive(Debug)]
pub struct ByName(());

/// Marks a model given as a value.
#[derive(Debug)]
pub struct ByValue(());

impl IntoModel<ByName> for &str {
    fn into_model(self) -> Result<AnyModel, UnknownModel> {
        model(self)
    }

    fn written(&self) -> Vec<&str> {
        vec![self]
    }
}

impl IntoModel<ByName> for String {
    fn into_model(self) -> Result<AnyModel, UnknownModel> {
        model(&self)
    }

    fn written(&self) -> Vec<&str> {
        vec![self]
    }
}

impl IntoModel<ByName> for &String {
    fn into_model(self) -> Result<AnyModel, UnknownModel> {
        model(self)
    }

    fn written(&self) -> Vec<&str> {
        vec![self]
    }
}

/// Marks several models given by name.
#[derive(Debug)]
pub struct ByNames(());

impl<const COUNT: usize> IntoModel<ByNames> for [&str; COUNT] {
    fn into_model(self) -> Result<AnyModel, UnknownModel> {
        chain(&self)
    }

    fn written(&self) -> Vec<&str> {
        self.to_vec()
    }
}

impl IntoModel<ByNames> for Vec<String> {
    fn into_model(self) -> Result<AnyModel, UnknownModel> {
        chain(&self)
    }

    fn written(&self) -> Vec<&str> {
        self.iter().map(String::as_str).collect()
    }
}

/// Returns a chain of models, of which the next one answers where one is down.
fn chain<N: AsRef<str>>(names: &[N]) -> Result<AnyModel, UnknownModel> {
    let models: Result<Vec<_>, _> = names.iter().map(|name| model(name.as_ref())).collect();
    let mut models = models?.into_iter();
    let Some(first) = models.next() else { return model("") };
    if models.len() == 0 {
        return Ok(first);
    }
    Ok(AnyModel::new(Fallback::new(first, models)))
}

impl<M: Model> IntoModel<ByValue> for M {
    fn into_model(self) -> Result<AnyModel, UnknownModel> {
        Ok(AnyModel::new(self))
    }
}
