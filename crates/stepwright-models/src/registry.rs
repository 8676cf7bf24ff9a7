//! From `provider:model` to a model.

use crate::auto;
use crate::environment::Environment;
use crate::offline::Offline;
#[cfg(feature = "providers")]
use crate::provider::Provider;
use crate::unknown::unknown_provider;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use stepwright_core::model::{AnyModel, Model};

pub use crate::unknown::UnknownModel;

type Factory = dyn Fn(&str) -> Result<AnyModel, UnknownModel> + Send + Sync;

/// Models by text: `provider:model`, split at the first `:`.
///
/// A registry of your own is for tests and for programs that serve several customers; most programs
/// use the process-wide one through [`model`] and [`register`].
///
/// ```
/// use stepwright_core::model::Model as _;
/// use stepwright_models::Models;
/// use stepwright_testing::model::ScriptedModel;
///
/// let mut models = Models::new();
/// models.register("parrot", |name| Ok(ScriptedModel::new(["hello"]).named(name)));
/// assert_eq!(models.model("parrot:small")?.id(), "scripted:small");
/// assert_eq!(models.model("offline")?.id(), "offline:extract");
/// # Ok::<(), stepwright_models::UnknownModel>(())
/// ```
#[derive(Clone)]
pub struct Models {
    factories: BTreeMap<String, Arc<Factory>>,
}

impl Models {
    /// Returns the built-in models: the providers of `docs/models.md` (with the feature
    /// `providers`), `offline`, and `auto`, which is the best one that is available.
    pub fn new() -> Self {
        let mut models = Self { factories: BTreeMap::new() };
        #[cfg(feature = "providers")]
        for name in Provider::names() {
            let factory = |rest: &str| Provider::named(name)?.model_at(rest);
            models.factories.insert(name.to_owned(), Arc::new(factory));
        }
        let offline = |name: &str| match name {
            "" | "extract" => Ok(Offline::new()),
            _ => Err("its only model is `offline:extract`; write `offline`".to_owned()),
        };
        models.register("offline", offline);
        let automatic = |rest: &str| match rest {
            "" => auto::choose(&Environment::process(), model),
            _ => Err(UnknownModel::Model {
                text: format!("auto:{rest}"),
                reason: "`auto` chooses the model itself; write `auto`".to_owned(),
            }),
        };
        models.factories.insert("auto".to_owned(), Arc::new(automatic));
        models
    }

    /// Adds a provider, in place of an earlier one of this name. `factory` is given what follows
    /// the `:`, or an empty text if there is none; what it says about a mistake is told to people.
    pub fn register<M: Model>(
        &mut self,
        provider: impl Into<String>,
        factory: impl Fn(&str) -> Result<M, String> + Send + Sync + 'static,
    ) {
        let provider = provider.into();
        let named = provider.clone();
        let factory = move |name: &str| {
            factory(name).map(AnyModel::new).map_err(|reason| {
                let text = if name.is_empty() { named.clone() } else { format!("{named}:{name}") };
                UnknownModel::Model { text, reason }
            })
        };
        self.factories.insert(provider, Arc::new(factory));
    }

    /// The names of the providers, sorted.
    pub fn providers(&self) -> impl Iterator<Item = &str> {
        self.factories.keys().map(String::as_str)
    }

    /// The model that `text` names.
    ///
    /// # Errors
    /// If there is no such provider, or it has no such model.
    pub fn model(&self, text: &str) -> Result<AnyModel, UnknownModel> {
        let (provider, name) = text.trim().split_once(':').unwrap_or((text.trim(), ""));
        match self.factories.get(provider) {
            Some(factory) => factory(name.trim()),
            None => Err(unknown_provider(provider, name, self.providers())),
        }
    }
}

impl Default for Models {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Models {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.providers()).finish()
    }
}

// Definitions name models by text and are built anywhere in a program: handing a registry to each
// of those places would buy nothing.
static MODELS: LazyLock<RwLock<Models>> = LazyLock::new(RwLock::default);

/// The model that `text` names, among the built-in ones and those that this process registered.
///
/// ```
/// use stepwright_core::model::Model as _;
/// assert_eq!(stepwright_models::model("offline").unwrap().id(), "offline:extract");
///
/// let unknown = stepwright_models::model("ofline").unwrap_err();
/// assert_eq!(unknown.to_string(), "there is no model provider `ofline`");
/// assert!(unknown.hint().unwrap().starts_with("did you mean `offline`?"));
/// ```
///
/// # Errors
/// If there is no such provider, or it has no such model.
pub fn model(text: &str) -> Result<AnyModel, UnknownModel> {
    // A copy, so that a factory may itself look up or register a model.
    let models = MODELS.read().unwrap_or_else(PoisonError::into_inner).clone();
    models.model(text)
}

/// Adds a provider for the whole process: see [`Models::register`].
///
/// ```
/// use stepwright_testing::model::ScriptedModel;
/// stepwright_models::register("canned", |_| Ok(ScriptedModel::new(["hello"])));
/// assert!(stepwright_models::model("canned:any").is_ok());
/// ```
pub fn register<M: Model>(
    provider: impl Into<String>,
    factory: impl Fn(&str) -> Result<M, String> + Send + Sync + 'static,
) {
    MODELS.write().unwrap_or_else(PoisonError::into_inner).register(provider, factory);
}
