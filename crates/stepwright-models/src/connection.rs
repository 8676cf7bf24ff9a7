//! The connection to a provider, as its models use it.

use crate::catalogue::Spec;
use crate::failure::Speaker;
use std::sync::Arc;

/// The address of a provider, and its key.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) spec: &'static Spec,
    /// As a person writes it: `https://api.openai.com/v1`.
    pub(crate) base_url: String,
    pub(crate) api_version: Option<String>,
    /// The proxy of its requests. `None` for those of the environment.
    pub(crate) proxy: Option<Arc<str>>,
    pub(crate) speaker: Speaker,
}
