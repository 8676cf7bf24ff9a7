//! The keys of MCP servers, with their forms.

use crate::format::ON_INTERRUPTED;
use crate::format::form::{Form, Mapping, Member, key, words};

const NAMES: Form = Form::List(&Form::Text, 0, usize::MAX);

const TOOLS: Member = key("tools", &NAMES, "The tools to have. By default all of them.");
const EXCLUDE: Member = key("exclude", &NAMES, "The tools to leave out.");
const CONFIRM: Member = key("confirm", &NAMES, "The tools whose calls a person confirms.");
const PREFIX: Member = key(
    "prefix",
    &Form::Text,
    "The beginning of the names that models see. By default the name of the server.",
);

/// The servers that a file declares.
pub(crate) const SERVERS: Form = Form::NamesBut(&[FILE], &SERVER);

const FILE: Member = key(
    "file",
    &Form::Either(&[Form::Text, SERVER]),
    "The path of a file with servers, as other programs have it.",
);

const SERVER: Form = Form::Mapping(&Mapping {
    name: "mcp_server",
    what: "an MCP server",
    required: &[&["command"], &["url"]],
    members: &[
        key("command", &Form::Text, "The program that is the server."),
        key("args", &Form::List(&Form::Text, 0, usize::MAX), "The arguments of the program."),
        key("env", &Form::Names(&Form::Text), "Environment variables of the program."),
        key("url", &Form::Text, "The address of a server that runs already."),
        key("headers", &Form::Names(&Form::Text), "Headers of each request to it."),
        key(
            "oauth",
            &Form::Either(&[Form::Bool, OAUTH]),
            "Whether it is used with a login, and with which one.",
        ),
        TOOLS,
        EXCLUDE,
        CONFIRM,
        PREFIX,
        key("timeout", &Form::Duration, "The maximum time of one call."),
        key(
            "on_interrupted",
            &Form::Words(|| words(&ON_INTERRUPTED)),
            "What to do with calls whose outcome is unknown after a crash.",
        ),
        key("resources", &Form::Bool, "Whether the model can read its resources and prompts."),
        key(
            "questions",
            &Form::Words(|| words(&QUESTIONS)),
            "Whether its questions are put to a person, or declined.",
        ),
    ],
});

const OAUTH: Form = Form::Mapping(&Mapping {
    name: "mcp_oauth",
    what: "`oauth`",
    required: &[],
    members: &[
        key(
            "client_id",
            &Form::Text,
            "A client that the authorization server knows, in place of one that registers itself.",
        ),
        key("client_secret", &Form::Text, "The secret of the client."),
        key("scopes", &NAMES, "The scopes to ask for. By default those that the server names."),
        key(
            "grant",
            &Form::Words(|| words(&GRANTS)),
            "Whether a person logs in, or the client has credentials of its own.",
        ),
    ],
});

/// The ways to get a token: `true` if a person logs in.
pub(super) const GRANTS: [(&str, bool); 2] = [("login", true), ("client_credentials", false)];

/// The answers to questions of a server.
pub(super) const QUESTIONS: [(&str, bool); 2] = [("ask", true), ("decline", false)];

/// The settings of the tools of a server among those of an agent, beside those of all tools.
pub(crate) const SERVER_TOOLS: &[Member] = &[TOOLS, EXCLUDE, CONFIRM, PREFIX];

/// The name of these settings in messages.
pub(crate) const SERVER_TOOLS_SHOWN: &str = "the tools of an MCP server";
