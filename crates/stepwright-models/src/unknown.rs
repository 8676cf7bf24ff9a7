//! The reasons why a text names no model.

use stepwright_core::{Error, ErrorId, ErrorKind};

/// The similarity of two names from which one is suggested for the other, from 0 to 1: `ofline` and
/// `offline` are similar enough, `openai` and `offline` are not.
const ALIKE: f64 = 0.8;

/// The names of models and companies that stand for a provider.
const MEANT: [(&str, &str); 4] =
    [("claude", "anthropic"), ("gpt", "openai"), ("chatgpt", "openai"), ("llama", "ollama")];

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
    /// A file or a command that was to give the key of the provider did not.
    #[error("there is no key for provider `{provider}`: {reason}")]
    Key {
        /// The provider.
        provider: &'static str,
        /// The reason.
        reason: String,
    },
}

impl UnknownModel {
    /// Returns the id of the kind of error.
    pub fn id(&self) -> ErrorId {
        match self {
            Self::NoKey { .. } | Self::Key { .. } => ErrorId::MODEL_KEY_MISSING,
            _ => ErrorId::MODEL_UNKNOWN,
        }
    }

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
            Self::Model { .. } | Self::Key { .. } => None,
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
        let error = Self::new(ErrorKind::Definition, unknown.to_string()).with_id(unknown.id());
        match unknown.hint() {
            Some(hint) => error.with_hint(hint),
            None => error,
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
    let meant = MEANT.iter().find(|(word, _)| provider.eq_ignore_ascii_case(word));
    let meant = meant.map(|(_, provider)| *provider).filter(|meant| known.contains(meant));
    let alike = |known: &str| strsim::jaro_winkler(known, &provider.to_lowercase());
    let suggestion = known
        .iter()
        .filter(|known| alike(known) >= ALIKE)
        .max_by(|a, b| alike(a).total_cmp(&alike(b)))
        .copied();
    let suggestion = meant
        .or(suggestion)
        .map(|known| if name.is_empty() { known.into() } else { format!("{known}:{name}") });
    let known = known.into_iter().map(str::to_owned).collect();
    UnknownModel::Provider { provider: provider.into(), suggestion, known }
}
