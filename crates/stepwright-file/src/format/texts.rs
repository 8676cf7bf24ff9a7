//! The form of a text that may stand in a file of its own.

use super::form::{Form, Mapping, key};
use super::used::USE;

/// A text, or the name of a file with the text.
pub(crate) const TEXT_OR_FILE: Form = Form::Either(&[Form::Text, Form::Mapping(&TEXT_FILE)]);

static TEXT_FILE: Mapping = Mapping {
    name: "text_file",
    what: "a text from a file",
    required: &[&["file"], &[USE]],
    members: &[
        key("file", &Form::Text, "The path of the file, relative to this one."),
        key(USE, &Form::Text, "A prompt of another file: `prompts.yaml#NAME`."),
    ],
};
