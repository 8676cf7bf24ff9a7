//! The terminal: output, progress, and signals.

pub(crate) mod cancel;
pub(crate) mod debug;
pub(crate) mod driving;
pub(crate) mod followed;
pub(crate) mod print;
pub(crate) mod progress;
pub(crate) mod resume_command;
pub(crate) mod summary;
pub(crate) mod table;
pub(crate) mod terminal;
pub(crate) mod usage;
