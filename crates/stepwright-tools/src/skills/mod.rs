//! The `Skills` toolkit: instructions for kinds of tasks, with files, which a model loads on
//! demand.

mod front;
mod kit;
mod read;
mod script;

pub use kit::{Scripts, Skills, SkillsOf};
pub use read::{Budget, SkillMistake, read};
pub use script::SCRIPT_OUTPUT_BYTES_MAX;

use std::collections::BTreeMap;
use std::sync::Arc;

/// The largest number of skills of an agent. The model reads the descriptions of all of them with
/// each request.
pub const SKILLS_MAX: usize = 100;

/// The largest number of files of a skill.
pub const SKILL_FILES_MAX: usize = 256;

/// The largest size of a `SKILL.md`, in bytes. The model reads it as a whole.
pub const SKILL_TEXT_BYTES_MAX: u64 = 100_000;

/// The largest size of another file of a skill, in bytes.
pub const SKILL_FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The largest size of all skills of an agent, in bytes. They are kept in memory.
pub const SKILLS_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A skill, as it was when the definition was made.
#[derive(Debug)]
pub struct Skill {
    /// The name, which is also that of its folder.
    pub name: String,
    /// Tells the model what the skill is for.
    pub description: String,
    /// The other entries of the front matter, for the model when it loads the skill.
    pub notes: Vec<(&'static str, String)>,
    /// The whole text of the `SKILL.md`, for comparisons.
    pub text: String,
    /// The instructions: the text after the front matter.
    pub body: String,
    /// The other files, by their paths in the skill.
    pub files: BTreeMap<String, Content>,
}

/// The content of a file of a skill.
#[derive(Clone, Debug)]
pub enum Content {
    /// A text.
    Text(Arc<str>),
    /// Anything else.
    Binary(Arc<[u8]>),
}

impl Content {
    /// Returns the bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

impl Skill {
    /// Returns the paths of the scripts.
    pub fn scripts(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str).filter(|path| path.starts_with("scripts/"))
    }
}
