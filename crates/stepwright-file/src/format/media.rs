//! The media that the runs of a file take.

use super::form::{Form, Mapping, key, words};
use super::reader::{Fields, Reader};
use crate::tree::{Node, Yaml};
use serde_json::Value;
use stepwright_core::{ErrorId, MediaKind};
use stepwright_engine::MediaInput;

pub(super) const KINDS: [(&str, MediaKind); 4] = [
    ("image", MediaKind::Image),
    ("video", MediaKind::Video),
    ("audio", MediaKind::Audio),
    ("file", MediaKind::File),
];

/// The media of a file, by name.
pub(super) const MEDIA: Form =
    Form::Names(&Form::Either(&[Form::Words(|| words(&KINDS)), Form::Mapping(&ITEM)]));

static ITEM: Mapping = Mapping {
    name: "media_item",
    what: "a media item",
    required: &[&["type"]],
    members: &[
        key("type", &Form::Words(|| words(&KINDS)), "The kind."),
        key("optional", &Form::Bool, "Whether a run can do without it."),
        key("many", &Form::Bool, "Whether a run takes any number of them."),
        key("description", &Form::Text, "The content that is wanted, for people."),
    ],
};

impl Reader<'_> {
    /// Parses `media: {photo: image, notes: {type: file, optional: true}}`. `input` is the schema
    /// of the input, whose members have other names.
    pub(super) fn media(
        &mut self,
        fields: &mut Fields<'_>,
        input: Option<&Value>,
    ) -> Vec<MediaInput> {
        let Some((_, node)) = fields.take("media") else { return Vec::new() };
        let Yaml::Map(items) = &node.value else {
            self.wrong_type(node, "`media` is a mapping of names to kinds");
            return Vec::new();
        };
        let members = input.and_then(|schema| schema.get("properties"));
        let mut media: Vec<MediaInput> = Vec::new();
        for (key, item) in items {
            let is_member = members.is_some_and(|members| members.get(&key.name).is_some());
            if is_member || media.iter().any(|known| known.name == key.name) {
                let what = if is_member { "a member of the input" } else { "there already" };
                let message = format!("`{}` is {what}", key.name);
                let mistake = self.mistake(key.span, message).coded(ErrorId::KEY_INVALID);
                self.push(mistake.help("give the media item another name"));
                continue;
            }
            media.extend(self.media_item(&key.name, item));
        }
        media
    }

    fn media_item(&mut self, name: &str, node: &Node) -> Option<MediaInput> {
        let Yaml::Map(_) = &node.value else {
            let kind = self.one_of(node, "a media item", &KINDS)?;
            return Some(MediaInput::new(name, kind));
        };
        let mut fields = Fields::of(self, node, "a media item")?;
        let has_type = fields.has("type");
        let kind = fields.choice(self, "type", &KINDS);
        let optional = fields.bool(self, "optional").unwrap_or(false);
        let many = fields.bool(self, "many").unwrap_or(false);
        let description = fields.word(self, "description").map(|word| word.text);
        fields.finish(self);
        if !has_type {
            let mistake = self.mistake(node.span, "a media item needs `type`");
            self.push(mistake.help("write `type: image`, `video`, `audio` or `file`"));
        }
        Some(MediaInput { optional, many, description, ..MediaInput::new(name, kind?) })
    }
}
