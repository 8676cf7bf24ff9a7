//! From `provider:model` to a model.

use crate::offline::Offline;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use stepwright_core::model::{AnyModel, Model};
use stepwright_core::{Error, ErrorKind};

/// How alike two names must be for one to be suggested for the other, from 0 to 1: `ofline` and
/// `offline` are, `openai` and `offline` are not.
const ALIKE: f64 = 0.8;

type Factory = dyn Fn(&str) -> Result<AnyModel, String> + Send + Sync;

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
    /// The providers that are built in: `offline`, and `auto`, which is the best one at hand.
    pub fn new() -> Self {
        let mut models = Self { factories: BTreeMap::new() };
        let offline = |name: &str| match name {
            "" | "extract" => Ok(Offline::new()),
            _ => Err("its only model is `offline:extract`; write `offline`".to_owned()),
        };
        models.register("offline", offline);
        models.register("auto", |name| match name {
            "" => Ok(Offline::new()),
            _ => Err("`auto` chooses the model itself; write `auto`".to_owned()),
        });
        models
    }

    /// Adds a provider, in place of an earlier one of this name. `factory` is given what follows
    /// the `:`, or an empty text if there is none; what it says about a mistake is told to people.
    pub fn register<M: Model>(
        &mut self,
        provider: impl Into<String>,
        factory: impl Fn(&str) -> Result<M, String> + Send + Sync + 'static,
    ) {
        let factory = move |name: &str| factory(name).map(AnyModel::new);
        self.factories.insert(provider.into(), Arc::new(factory));
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
        let Some(factory) = self.factories.get(provider) else {
            let alike = |known: &str| strsim::jaro_winkler(known, &provider.to_lowercase());
            let suggestion = self
                .providers()
                .filter(|known| alike(known) >= ALIKE)
                .max_by(|a, b| alike(a).total_cmp(&alike(b)))
                .map(
                    |known| if name.is_empty() { known.into() } else { format!("{known}:{name}") },
                );
            let known = self.providers().map(str::to_owned).collect();
            return Err(UnknownModel::Provider { provider: provider.into(), suggestion, known });
        };
        factory(name).map_err(|reason| UnknownModel::Model { text: text.into(), reason })
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

/// Why a text names no model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnknownModel {
    /// There is no such provider.
    #[error("there is no model provider `{provider}`")]
    Provider {
        /// What was asked for.
        provider: String,
        /// What was probably meant.
        suggestion: Option<String>,
        /// The providers that there are.
        known: Vec<String>,
    },
    /// The provider has no such model.
    #[error("`{text}` names no model: {reason}")]
    Model {
        /// What was asked for.
        text: String,
        /// What the provider says.
        reason: String,
    },
}

impl UnknownModel {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Provider { suggestion, known, .. } => {
                let meant = suggestion.as_ref().map(|s| format!("did you mean `{s}`? "));
                Some(format!(
                    "{}a model is named `provider:model`, and the providers are {}; add others \
                     with `stepwright_models::register`",
                    meant.unwrap_or_default(),
                    known.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", "),
                ))
            }
            Self::Model { .. } => None,
        }
    }
}

impl From<UnknownModel> for Error {
    fn from(unknown: UnknownModel) -> Self {
        let error = Self::new(ErrorKind::Definition, unknown.to_string());
        match unknown.hint() {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
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
