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

/// The place of a model in the network, as another author may have written it: in a file, or in a
/// form. Text that is not there leaves the usual place.
///
/// ```
/// use stepwright_models::ModelPlace;
/// let place = ModelPlace { proxy: Some("http://proxy.test:3128".into()), ..ModelPlace::default() };
/// assert!(place.base_url.is_none());
/// ```
#[derive(Clone, Debug, Default)]
pub struct ModelPlace {
    /// The address of its server, as for `Provider::base_url`.
    pub base_url: Option<String>,
    /// The address of a proxy, as for `Provider::proxy`.
    pub proxy: Option<String>,
    /// The key. Without one, a key of the environment is sent only to an address that the
    /// environment or the provider names.
    pub api_key: Option<ApiKey>,
}

/// A key that cannot be shown by accident.
///
/// ```
/// let key = stepwright_models::ApiKey::new("sk-1");
/// assert_eq!(format!("{key:?}"), "ApiKey");
/// ```
#[derive(Clone)]
pub struct ApiKey(#[cfg_attr(not(feature = "providers"), expect(dead_code))] pub(crate) String);

impl ApiKey {
    /// Wraps a key.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey")
    }
}

/// The model of a provider that `text` names, at a place that another author may have written.
///
/// ```
/// use stepwright_models::{ModelPlace, model_at};
/// // A model that is in this process has no place.
/// let error = model_at("offline", ModelPlace::default()).unwrap_err();
/// assert!(error.to_string().contains("is no model of a provider"));
/// ```
///
/// # Errors
/// If there is no such provider, if it has no such model, or if the place is no place.
pub fn model_at(text: &str, place: ModelPlace) -> Result<AnyModel, UnknownModel> {
    let (provider, name) = text.split_once(':').unwrap_or((text, ""));
    #[cfg(feature = "providers")]
    if crate::Provider::names().any(|known| known == provider.trim()) {
        let mut provider = crate::Provider::named(provider)?.untrusted();
        if let Some(url) = place.base_url {
            provider = provider.base_url(url);
        }
        if let Some(proxy) = place.proxy {
            provider = provider.proxy(proxy);
        }
        if let Some(ApiKey(key)) = place.api_key {
            provider = provider.api_key(key);
        }
        return provider.model(name);
    }
    let _ = (place, name);
    // A name with a mistake gets its suggestion.
    model(text)?;
    let reason = format!("`{provider}` is no model of a provider, so it has no place to set");
    Err(UnknownModel::Model { text: text.to_owned(), reason })
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
