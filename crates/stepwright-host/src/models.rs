//! Models of their specifications.

use crate::agent_spec::ModelSpec;
use crate::times::seconds;
use stepwright::models::{AnyModel, ModelOptions, Provider};
use stepwright::{AgentBuilder, Error, IntoModel as _};

/// The provider of a model that is named without one.
const DEFAULT_PROVIDER: &str = "openai";

/// Sets the model of an agent, with its options.
pub(crate) fn with_model(builder: AgentBuilder, spec: &ModelSpec) -> Result<AgentBuilder, Error> {
    let builder = match given(spec)? {
        Some(model) => builder.model(model)?,
        None => builder.model(names(spec))?,
    };
    let options = ModelOptions {
        max_output_tokens: spec.max_output_tokens,
        temperature: spec.temperature,
        top_p: spec.top_p,
        seed: spec.seed,
        stop: spec.stop.clone(),
        reasoning_effort: spec.reasoning_effort,
        timeout: spec.timeout.map(|timeout| seconds("timeout", timeout)).transpose()?,
        ..ModelOptions::default()
    };
    Ok(if options == ModelOptions::default() { builder } else { builder.options(options) })
}

fn names(spec: &ModelSpec) -> Vec<String> {
    if spec.names.is_empty() { vec!["auto".to_owned()] } else { spec.names.clone() }
}

/// Returns a model without its options.
pub(crate) fn model(spec: &ModelSpec) -> Result<AnyModel, Error> {
    match given(spec)? {
        Some(model) => Ok(model),
        None => Ok(names(spec).into_model()?),
    }
}

/// Returns the model if it has an address or a key of its own.
fn given(spec: &ModelSpec) -> Result<Option<AnyModel>, Error> {
    if spec.base_url.is_none() && spec.api_key.is_none() {
        return Ok(None);
    }
    let [name] = spec.names.as_slice() else {
        return Err(Error::usage("a model with `base_url` or `api_key` needs one `id`"));
    };
    let (provider, name) = name.split_once(':').unwrap_or((DEFAULT_PROVIDER, name));
    let mut provider = Provider::named(provider)?;
    if let Some(url) = &spec.base_url {
        provider = provider.base_url(url);
    }
    if let Some(key) = &spec.api_key {
        provider = provider.api_key(key);
    }
    Ok(Some(provider.model(name)?))
}
