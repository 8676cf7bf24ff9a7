//! From `provider:model` to a model.

use crate::auto;
use crate::environment::Environment;
use crate::offline::Offline;
#[cfg(feature = "providers")]
use crate::provider::Provider;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use stepwright_core::model::{AnyModel, Model};
use stepwright_core::{Error, ErrorKind};

/// The similarity of two names from which one is suggested for the other, from 0 to 1: `ofline` and
/// `offline` are similar enough, `openai` and `offline` are not.
const ALIKE: f64 = 0.8;

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

/// The error for a provider that is not among `known`.
pub(crate) fn unknown_provider<'a>(
    provider: &str,
    name: &str,
    known: impl Iterator<Item = &'a str>,
) -> UnknownModel {
    let known: Vec<&str> = known.collect();
    let alike = |known: &str| strsim::jaro_winkler(known, &provider.to_lowercase());
    let suggestion = known
        .iter()
        .filter(|known| alike(known) >= ALIKE)
        .max_by(|a, b| alike(a).total_cmp(&alike(b)))
        .map(|known| if name.is_empty() { (*known).into() } else { format!("{known}:{name}") });
    let known = known.into_iter().map(str::to_owned).collect();
    UnknownModel::Provider { provider: provider.into(), suggestion, known }
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

/// The reason why a text names no model.
///
/// ```
/// use stepwright_models::{UnknownModel, model};
/// let error = model("ofline").unwrap_err();
/// assert_eq!(error.to_string(), "there is no model provider `ofline`");
/// assert_eq!(error.hint().as_deref(), Some("did you mean `offline`?"));
/// // A program that lets people choose can offer what there is.
/// let UnknownModel::Provider { known, .. } = error else { panic!("{error}") };
/// assert!(known.contains(&"auto".to_owned()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnknownModel {
    /// There is no such provider.
    #[error("there is no model provider `{provider}`")]
    Provider {
        /// The name that was asked for.
        provider: String,
        /// A similar name that exists.
        suggestion: Option<String>,
        /// The providers that there are.
        known: Vec<String>,
    },
    /// The provider has no such model.
    #[error("`{text}` names no model: {reason}")]
    Model {
        /// The name that was asked for.
        text: String,
        /// The error of the provider.
        reason: String,
    },
    /// The name of the model is missing.
    #[error("provider `{provider}` has more than one model, and none is named")]
    NoName {
        /// The provider.
        provider: &'static str,
        /// One of its models.
        example: &'static str,
    },
    /// There is no key for the provider.
    #[error("there is no key for provider `{provider}`")]
    NoKey {
        /// The provider.
        provider: &'static str,
        /// The variables of the environment in which it may stand.
        variables: &'static [&'static str],
    },
}

impl UnknownModel {
    /// Advice for the caller.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Provider { suggestion: Some(meant), .. } => {
                Some(format!("did you mean `{meant}`?"))
            }
            Self::Provider { known, .. } => {
                let known: Vec<_> = known.iter().map(|known| format!("`{known}`")).collect();
                Some(format!(
                    "a model is named `provider:model`, and the providers are {}; add others with \
                     `stepwright_models::register`",
                    known.join(", "),
                ))
            }
            Self::Model { .. } => None,
            Self::NoName { provider, example } => Some(format!("write `{provider}:{example}`")),
            Self::NoKey { provider, variables } => {
                let variables: Vec<String> =
                    variables.iter().map(|name| format!("`{name}`")).collect();
                Some(format!(
                    "set {}, or give it in code: `Provider::named(\"{provider}\")?.api_key(…)`",
                    variables.join(" or "),
                ))
            }
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
