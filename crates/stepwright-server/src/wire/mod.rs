//! The protocols of others: a folder each, which alone knows its JSON.

pub(crate) mod agentos;
pub(crate) mod openai;
