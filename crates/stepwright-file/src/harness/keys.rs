//! The keys of steps of coding agents, with their forms.

use super::{NAMES, QUESTIONS};
use crate::format::form::{Form, Mapping, key, words};
use crate::format::texts::TEXT_OR_FILE;
use serde_json::json;

/// The value of `agent` for a coding agent.
pub(crate) static HARNESS: Mapping = Mapping {
    name: "harness",
    what: "a coding agent",
    required: &[&["harness"]],
    members: &[
        key(
            "harness",
            &Form::Either(&[Form::Words(|| NAMES.to_vec()), Form::Mapping(&ACP)]),
            "The coding agent: one by its name, or any that speaks ACP by its command.",
        ),
        key("dir", &Form::Text, "The folder that it works in. Default: the base directory."),
        key("worktree", &Form::Bool, "Whether it gets a git worktree of the folder."),
        key("session", &Form::Text, "The earlier step whose conversation it continues."),
        key("model", &Form::Text, "Its model, in its own words."),
        key("instructions", &TEXT_OR_FILE, "Instructions besides those that it has."),
        key("read_only", &Form::Bool, "Whether it may read, and change nothing."),
        key(
            "questions",
            &Form::Words(|| words(&QUESTIONS)),
            "The answers to what it asks about, where no rule of the permissions answers it.",
        ),
        key("env", &Form::Names(&Form::Text), "The environment variables."),
        key(
            "output",
            &Form::Schema(|| json!({"type": "object"})),
            "The JSON Schema of its answer.",
        ),
    ],
};

static ACP: Mapping = Mapping {
    name: "acp",
    what: "an ACP agent",
    required: &[&["acp"]],
    members: &[key(
        "acp",
        &Form::List(&Form::Text, 1, usize::MAX),
        "The program and its arguments, without a shell.",
    )],
};
