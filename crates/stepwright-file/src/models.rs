//! The models that files name.

use stepwright_core::{Error, ErrorKind};
use stepwright_models::UnknownModel;

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

/// Checks that a model exists. Returns the mistake and a hint if it does not. A check needs no key.
pub(crate) fn check(name: &str) -> Result<(), (String, Option<String>)> {
    match stepwright_models::model(name) {
        Ok(_) | Err(UnknownModel::NoKey { .. }) => Ok(()),
        Err(unknown) => Err((unknown.to_string(), hint(name, &unknown))),
    }
}

/// Returns the error for a model that cannot be used, in terms of a file.
pub(crate) fn usable(name: &str) -> Result<(), Error> {
    let Err(unknown) = stepwright_models::model(name) else { return Ok(()) };
    let error = Error::new(ErrorKind::Definition, unknown.to_string()).with_id(unknown.id());
    Err(match hint(name, &unknown) {
        Some(hint) => error.with_hint(hint),
        None => error,
    })
}

fn hint(name: &str, unknown: &UnknownModel) -> Option<String> {
    match unknown {
        UnknownModel::NoKey { variables, .. } => {
            let variables: Vec<String> = variables.iter().map(|name| format!("`{name}`")).collect();
            Some(format!("set the environment variable {}", variables.join(" or ")))
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
