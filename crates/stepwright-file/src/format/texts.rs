//! Texts that are used as they stand, and the form of one that may stand in a file of its own.

use super::form::{Form, Mapping, key};
use super::reader::Reader;
use super::used::USE;
use super::{Word, literals};
use crate::tree::Node;

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

impl Reader<'_> {
    /// Parses a text that is used as it stands, and reports a template or an expression in it.
    pub(crate) fn constant(&mut self, node: &Node, name: &str) -> Option<Word> {
        let word = self.word(node, name)?;
        let is_template = word.text.contains("{{") || word.text.contains("{%");
        // A description may speak of templates.
        if name != "description" && (is_template || literals::expression_in(&word.text).is_some()) {
            let message = format!("`{name}` is a text, and no template or expression");
            let mistake = self.mistake(word.span, message).label("used as it stands");
            self.push(mistake.help("it is the same for every run: write the text itself"));
        }
        Some(word)
    }
}
