//! The effects of built-in functions and tools, as permissions judge them.

pub(crate) use stepwright_tools::__private::effects::{
    APPEND, FILES, HTTP, Names, PAGE, PYTHON, READ, REQUEST, SCRIPT, SEARCH, SQL, WIKIPEDIA, WRITE,
    request,
};

/// The effects of functions and tools that have none: they compute, or change the session state.
pub(crate) const NONE: Names = &[];

/// Commands.
pub(crate) const SHELL: Names = &["shell"];

/// Searches of knowledge. The effect names the tool too, with the query.
pub(crate) const KNOWLEDGE: Names = &["knowledge"];
