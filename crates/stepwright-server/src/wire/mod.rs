//! The protocols of others: a folder each, which alone knows its JSON.

pub(crate) mod agentos;
mod media;
pub(crate) mod openai;
