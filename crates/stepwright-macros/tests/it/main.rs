//! `#[tool]`: what it makes of a function, and what it says of one that it can make nothing of.
#![allow(clippy::unused_async, reason = "what a tool does is no matter here")]

mod hygiene;
mod messages;
mod tools;
