//! The behaviour of the engine, through its public API.

mod composition;
mod cut;
mod definition;
mod failure;
mod flow;
mod purity;
mod running;
mod sessions;
mod support;
