//! The protocols of others: a folder each, which alone knows its JSON.

mod actor;
pub(crate) mod agentos;
pub(crate) mod agui;
#[cfg(feature = "mcp")]
pub(crate) mod mcp;
mod media;
pub(crate) mod openai;
