//! The protocols of others: a folder each, which alone knows its JSON.

pub(crate) mod a2a;
mod actor;
pub(crate) mod agentos;
pub(crate) mod agui;
mod answers;
#[cfg(feature = "mcp")]
pub(crate) mod mcp;
mod media;
pub(crate) mod openai;
