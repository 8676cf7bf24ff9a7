//! The models that files name.

use crate::format::{ModelName, Word};
use crate::options::Options;
use std::collections::BTreeMap;
use stepwright_core::model::AnyModel;
#[cfg(feature = "knowledge")]
use stepwright_knowledge::{AnyEmbedder, HashEmbedder, OpenAiEmbedder};
#[cfg(feature = "knowledge")]
use stepwright_models::embeddings_at;
use stepwright_models::{ApiKey, ModelPlace, UnknownModel, model_at};

/// The beginnings of the names of models, with their providers.
const FAMILIES: [(&str, &str); 13] = [
    ("gpt-", "openai"),
    ("chatgpt-", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("claude-", "anthropic"),
    ("gemini-", "gemini"),
    ("gemma", "ollama"),
    ("llama", "ollama"),
    ("mistral", "ollama"),
    ("qwen", "ollama"),
    ("phi", "ollama"),
    ("deepseek", "ollama"),
];

/// Checks that a model exists. Returns the mistake and a hint if it does not. A file that is only
/// checked needs no keys.
pub(crate) fn check(name: &str, options: &Options) -> Result<(), (String, Option<String>)> {
    judged(name, stepwright_models::model(name), options.only_checks || options.playback)
}

/// Does the same for a model of a file. One that [`Options::model`] replaces needs no key.
pub(crate) fn check_place(
    model: &ModelName,
    options: &Options,
) -> Result<(), (String, Option<String>)> {
    let is_asked = !options.only_checks && !options.playback && options.model.is_none();
    judged(&model.text, to_check(model), !is_asked)
}

/// Makes a model that is checked and asked nothing. Its secret may be missing here, and is reported
/// elsewhere.
pub(crate) fn to_check(model: &ModelName) -> Result<AnyModel, UnknownModel> {
    make(model, &stand_in(model))
}

/// Returns a value for the secret of a model that is checked.
fn stand_in(model: &ModelName) -> BTreeMap<String, String> {
    let key = model.place.as_ref().and_then(|place| place.key.as_ref());
    let stand_in = key.map(|key| (key.text.clone(), "a-stand-in-for-a-key".to_owned()));
    stand_in.into_iter().collect()
}

fn judged(
    name: &str,
    made: Result<AnyModel, UnknownModel>,
    without_key: bool,
) -> Result<(), (String, Option<String>)> {
    match made {
        Ok(_) => Ok(()),
        Err(UnknownModel::NoKey { .. } | UnknownModel::Key { .. }) if without_key => Ok(()),
        Err(unknown) => Err((unknown.to_string(), hint(name, &unknown))),
    }
}

/// Makes the model that a file names. An address in a file gets no key from the environment, unless
/// it is the provider's own.
pub(crate) fn make(
    model: &ModelName,
    secrets: &BTreeMap<String, String>,
) -> Result<AnyModel, UnknownModel> {
    match model.place {
        None => stepwright_models::model(&model.text),
        Some(_) => model_at(&model.text, place(model, secrets)),
    }
}

fn place(model: &ModelName, secrets: &BTreeMap<String, String>) -> ModelPlace {
    let Some(place) = &model.place else { return ModelPlace::default() };
    let text = |word: &Option<Word>| word.as_ref().map(|word| word.text.clone());
    let key = place.key.as_ref().and_then(|key| secrets.get(&key.text));
    ModelPlace {
        base_url: text(&place.base_url),
        proxy: text(&place.proxy),
        api_key: key.map(ApiKey::new),
    }
}

/// The name of the embedder that needs no model.
#[cfg(feature = "knowledge")]
const OFFLINE: &str = "offline";

/// Makes the embedder that a file names. An address in a file gets no key from the environment,
/// unless it is the provider's own.
#[cfg(feature = "knowledge")]
pub(crate) fn embedder(
    model: &ModelName,
    secrets: &BTreeMap<String, String>,
) -> Result<AnyEmbedder, UnknownModel> {
    if model.text == OFFLINE && model.place.is_none() {
        return Ok(AnyEmbedder::new(HashEmbedder::default()));
    }
    let endpoint = embeddings_at(&model.text, place(model, secrets))?;
    let unusable = |error: stepwright_core::Error| UnknownModel::Model {
        text: model.text.clone(),
        reason: error.to_string(),
    };
    let mut made = OpenAiEmbedder::new(&endpoint.base_url, &endpoint.model).map_err(unusable)?;
    if let Some(proxy) = &endpoint.proxy {
        made = made.proxy(proxy).map_err(unusable)?;
    }
    Ok(AnyEmbedder::new(match endpoint.key() {
        Some(key) => made.key(key),
        None => made,
    }))
}

/// Checks that an embedding model exists, as [`check`] does. A file that is only checked needs no
/// key.
#[cfg(feature = "knowledge")]
pub(crate) fn check_embedder(
    model: &ModelName,
    options: &Options,
) -> Result<(), (String, Option<String>)> {
    match embedder(model, &stand_in(model)) {
        Ok(_) => Ok(()),
        // The key is needed when texts are embedded.
        Err(UnknownModel::NoKey { .. } | UnknownModel::Key { .. })
            if options.only_checks || options.playback =>
        {
            Ok(())
        }
        Err(unknown) => Err((unknown.to_string(), hint(&model.text, &unknown))),
    }
}

fn hint(name: &str, unknown: &UnknownModel) -> Option<String> {
    match unknown {
        UnknownModel::NoKey { variables, .. } => {
            let variables: Vec<String> = variables.iter().map(|name| format!("`{name}`")).collect();
            Some(format!(
                "set the environment variable {}, or read it from a file with `--env-file FILE`; \
                 `--model offline` runs the file without a key",
                variables.join(" or "),
            ))
        }
        UnknownModel::Provider { suggestion, known, .. } => {
            if let Some((provider, model)) = name.split_once('/')
                && (known.iter().any(|known| known == provider)
                    || FAMILIES.iter().any(|(_, known)| *known == provider))
            {
                return Some(format!("write `{provider}:{model}`"));
            }
            let of = FAMILIES.iter().find(|(begin, _)| name.to_lowercase().starts_with(begin));
            match (of, suggestion) {
                (Some((_, provider)), _) if !name.contains(['/', ':']) => {
                    Some(format!("did you mean `{provider}:{name}`?"))
                }
                (_, Some(meant)) => Some(format!("did you mean `{meant}`?")),
                _ => {
                    let known: Vec<_> = known.iter().map(|known| format!("`{known}`")).collect();
                    Some(format!(
                        "a model is named `provider:model`, and the providers are {}",
                        known.join(", ")
                    ))
                }
            }
        }
        other => other.hint(),
    }
}
