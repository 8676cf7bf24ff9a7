//! The models that files name.

use crate::options::Options;
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

/// Checks that a model exists. Returns the mistake and a hint if it does not. A file that is only
/// checked needs no keys.
pub(crate) fn check(name: &str, options: &Options) -> Result<(), (String, Option<String>)> {
    match stepwright_models::model(name) {
        Ok(_) => Ok(()),
        Err(UnknownModel::NoKey { .. }) if options.only_checks || options.playback => Ok(()),
        Err(unknown) => Err((unknown.to_string(), hint(name, &unknown))),
    }
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
