//! Members that no reader here knows.
//!
//! The library that reads the wires takes the members that it knows and leaves the rest, so content
//! in another one would be lost without a word. Providers add harmless members every week, so the
//! rest is told apart by name and place: a member whose name says that it is content is an error,
//! another one beside the text gets a warning, and numbers and notes around it are passed over.

use super::{Notes, Object, Wrong};
use crate::faults::is_blank;
use serde_json::Value;

/// Names of members that hold what a model says.
const CONTENT: [&str; 40] = [
    "answer",
    "answers",
    "call",
    "calls",
    "choices",
    "completion",
    "content",
    "contents",
    "data",
    "delta",
    "function_call",
    "functioncall",
    "function_calls",
    "generated_text",
    "generation",
    "generations",
    "item",
    "items",
    "message",
    "messages",
    "output",
    "output_text",
    "outputs",
    "part",
    "parts",
    "refusal",
    "reply",
    "response",
    "result",
    "results",
    "text",
    "texts",
    "tool_call",
    "toolcall",
    "tool_calls",
    "toolcalls",
    "tool_use",
    "transcript",
    "completion_text",
    "assistant",
];

/// Names of members that hold a medium. Outside of a message they may be what a search has found.
const MEDIA: [&str; 16] = [
    "audio",
    "audios",
    "document",
    "documents",
    "file",
    "filedata",
    "file_data",
    "files",
    "image",
    "image_url",
    "images",
    "inlinedata",
    "inline_data",
    "media",
    "video",
    "videos",
];

/// Names of members that hold the arguments of a call.
const ARGUMENTS: [&str; 9] = [
    "args",
    "arguments",
    "input",
    "inputs",
    "kwargs",
    "parameters",
    "params",
    "partial_args",
    "partialargs",
];

/// A place of a wire at which content can stand.
pub(super) struct Place {
    /// The words for it in an error.
    pub(super) name: &'static str,
    /// The members that are read there, or known to hold no content.
    pub(super) known: &'static [&'static str],
    /// `true` if content stands right here: then every unknown member is told.
    pub(super) is_inner: bool,
}

pub(super) const CHAT_EVENT: Place =
    Place { name: "an event", known: &["choices"], is_inner: false };

pub(super) const CHAT_CHOICE: Place =
    Place { name: "a choice", known: &["delta", "message", "text"], is_inner: false };

pub(super) const CHAT_DELTA: Place = Place {
    name: "a message",
    known: &[
        "annotations",
        "audio",
        "channel",
        "citations",
        "content",
        "context",
        "end_turn",
        "executed_tools",
        "extra_content",
        "function_call",
        "id",
        "images",
        "logprobs",
        "name",
        "object",
        "obfuscation",
        "padding",
        "parsed",
        "partial",
        "phase",
        "prefix",
        "provider_specific_fields",
        "reasoning",
        "reasoning_content",
        "reasoning_details",
        "reasoning_opaque",
        "reasoning_signature",
        "reasoning_text",
        "recipient",
        "references",
        "refusal",
        "role",
        "search_results",
        "signature",
        "thinking",
        "thinking_blocks",
        "token_ids",
        "tool_call_id",
        "tool_calls",
        "type",
    ],
    is_inner: true,
};

pub(super) const CHAT_PART: Place = Place {
    name: "a part of `content`",
    known: &[
        "annotations",
        "cache_control",
        "citations",
        "id",
        "image_url",
        "logprobs",
        "reference_ids",
        "refusal",
        "signature",
        "text",
        "thinking",
        "type",
    ],
    is_inner: true,
};

pub(super) const CHAT_CALL: Place = Place {
    name: "a call",
    known: &["custom", "extra_content", "function", "id", "provider_specific_fields", "type"],
    is_inner: true,
};

pub(super) const CHAT_FUNCTION: Place = Place {
    name: "the function of a call",
    known: &["arguments", "id", "name", "parsed_arguments"],
    is_inner: true,
};

pub(super) const CHAT_CUSTOM: Place =
    Place { name: "a call", known: &["input", "name"], is_inner: true };

pub(super) const MESSAGES_DELTA: Place = Place {
    name: "a delta",
    known: &[
        "citation",
        "content",
        "encrypted_content",
        "partial_json",
        "signature",
        "text",
        "thinking",
        "type",
    ],
    is_inner: true,
};

pub(super) const MESSAGES_BLOCK: Place = Place {
    name: "a block",
    known: &[
        "cache_control",
        "caller",
        "citations",
        "id",
        "input",
        "name",
        "signature",
        "text",
        "thinking",
        "type",
    ],
    is_inner: true,
};

pub(super) const MESSAGES_END: Place = Place { name: "a delta", known: &[], is_inner: false };

pub(super) const RESPONSES_RESPONSE: Place = Place {
    name: "the response",
    // The last two repeat the output or the settings of the request.
    known: &["output", "output_text", "text"],
    is_inner: false,
};

pub(super) const RESPONSES_MESSAGE: Place = Place {
    name: "a message",
    known: &["content", "id", "phase", "role", "status", "type"],
    is_inner: true,
};

pub(super) const RESPONSES_CALL: Place = Place {
    name: "a call",
    known: &[
        "arguments",
        "call_id",
        "caller",
        "created_by",
        "id",
        "name",
        "namespace",
        "status",
        "type",
    ],
    is_inner: true,
};

pub(super) const RESPONSES_PART: Place = Place {
    name: "a part of a message",
    known: &["annotations", "logprobs", "refusal", "text", "type"],
    is_inner: true,
};

pub(super) const GEMINI_EVENT: Place = Place { name: "an event", known: &[], is_inner: false };

pub(super) const GEMINI_CANDIDATE: Place =
    Place { name: "a candidate", known: &["content"], is_inner: false };

pub(super) const GEMINI_CONTENT: Place =
    Place { name: "`content`", known: &["parts", "role"], is_inner: true };

pub(super) const GEMINI_PART: Place = Place {
    name: "a part",
    known: &[
        "codeExecutionResult",
        "executableCode",
        "fileData",
        "functionCall",
        "functionResponse",
        "inlineData",
        "mediaResolution",
        "partMetadata",
        "text",
        "thought",
        "thoughtSignature",
        "toolCall",
        "toolResponse",
        "videoMetadata",
    ],
    is_inner: true,
};

pub(super) const GEMINI_CALL: Place =
    Place { name: "a call", known: &["args", "id", "name"], is_inner: true };

pub(super) const OLLAMA_CALL: Place =
    Place { name: "a call", known: &["function", "id", "type"], is_inner: true };

pub(super) const OLLAMA_FUNCTION: Place =
    Place { name: "the function of a call", known: &["arguments", "name"], is_inner: true };

pub(super) const OLLAMA_LINE: Place =
    Place { name: "a line", known: &["message"], is_inner: false };

pub(super) const OLLAMA_MESSAGE: Place = Place {
    name: "a message",
    known: &["content", "role", "thinking", "tool_calls", "tool_name"],
    is_inner: true,
};

/// Events of a typed wire: beside its own members, an event holds no content.
pub(super) fn typed(known: &'static [&'static str]) -> Place {
    Place { name: "an event", known, is_inner: false }
}

/// Names the first member of `object` that would be lost. Content is an error, and what may be
/// content gets a warning.
pub(super) fn check(place: &Place, object: &Object, notes: &mut Notes) -> Result<(), Wrong> {
    for (name, value) in unknown(place, object) {
        let at = place.name;
        if is_content(name, place.is_inner) {
            return Err(
                format!("{at} has content in `{name}`, which its wire does not have").into()
            );
        }
        if place.is_inner || (MEDIA.contains(&&*name.to_ascii_lowercase()) && value.is_array()) {
            notes.warn(format!("{at} has a member `{name}`, which is not read"));
        }
    }
    Ok(())
}

/// Warns of the content in an event of an unknown kind, which providers ask to skip.
pub(super) fn skip(kind: &str, event: &Object, notes: &mut Notes) {
    let place = typed(&[]);
    if let Some((name, _)) = unknown(&place, event).find(|(name, _)| is_content(name, true)) {
        notes
            .warn(format!("an event of the unknown type `{kind}` has `{name}`, which is not read"));
    }
}

fn unknown<'a>(place: &'a Place, object: &'a Object) -> impl Iterator<Item = (&'a str, &'a Value)> {
    object.iter().map(|(name, value)| (name.as_str(), value)).filter(|(name, value)| {
        // Numbers and flags are no content.
        let may_say = matches!(value, Value::String(_) | Value::Array(_) | Value::Object(_));
        may_say && !is_blank(value) && !place.known.contains(name)
    })
}

fn is_content(name: &str, is_inner: bool) -> bool {
    let name = name.to_ascii_lowercase();
    let is_inner_content = || MEDIA.contains(&&*name) || ARGUMENTS.contains(&&*name);
    CONTENT.contains(&&*name) || (is_inner && is_inner_content())
}
