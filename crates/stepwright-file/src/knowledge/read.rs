//! Reads the knowledge bases of a file, and those that an agent searches.

use super::SearchTool;
use super::keys::{BASES_MAX, PASSAGES_MAX, SOURCES_MAX};
use super::place;
use crate::access::Refused;
use crate::format::reader::{Fields, Reader};
use crate::format::{Base, Chosen, Searched, Word};
use crate::source::Span;
use crate::tree::{Node, Yaml};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use stepwright_core::ErrorId;

/// The longest name of a knowledge base, in bytes. The name of its tool begins with [`SEARCH`].
const NAME_BYTES_MAX: usize = 48;

/// The beginning of the names of the tools.
const SEARCH: &str = "search_";

/// The word for the tools of knowledge in messages.
const KNOWLEDGE: &str = "knowledge";

impl Reader<'_> {
    /// Parses `knowledge: {handbook: {database: handbook.db, sources: [docs/*.md]}}`.
    pub(crate) fn knowledge(&mut self, node: &Node) -> Vec<Arc<Base>> {
        let Yaml::Map(map) = &node.value else {
            self.wrong_type(node, "`knowledge` maps names to knowledge bases");
            return Vec::new();
        };
        if cfg!(not(feature = "knowledge")) {
            let mistake = self.mistake(node.span, "knowledge was left out of this program");
            self.push(mistake.help("build it with the feature `knowledge`"));
        }
        if map.len() > BASES_MAX {
            let message = format!("a file has at most {BASES_MAX} knowledge bases");
            self.push(self.mistake(node.span, message));
        }
        let mut bases: Vec<Base> = Vec::new();
        for (key, node) in map.iter().take(BASES_MAX) {
            let name = Word { text: key.name.clone(), span: key.span };
            let is_named = self.knowledge_name(&name);
            let Some(base) = self.base(name, node).filter(|_| is_named) else { continue };
            let same = bases.iter().find(|other| other.database.text == base.database.text);
            if let Some(first) = same {
                let message = format!("two knowledge bases are in `{}`", base.database.text);
                let first = first.database.span;
                let mistake = self.mistake(base.database.span, message).label("again here");
                let mistake = mistake.also(first, "first here");
                self.push(mistake.help("give each a file of its own"));
                continue;
            }
            bases.push(base);
        }
        bases.into_iter().map(Arc::new).collect()
    }

    fn knowledge_name(&mut self, name: &Word) -> bool {
        let letters = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let text = &name.text;
        if !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.chars().all(letters) {
            return true;
        }
        let message = format!("`{text}` cannot name a knowledge base");
        let help = format!("a name has 1 to {NAME_BYTES_MAX} letters, digits, `_` and `-`");
        self.push(self.mistake(name.span, message).help(help));
        false
    }

    fn base(&mut self, name: Word, node: &Node) -> Option<Base> {
        let mut fields = Fields::of(self, node, "a knowledge base")?;
        let help = format!("write the path of its file: `database: {}.db`", name.text);
        let database = fields.need(self, "database", &help);
        let database = database.and_then(|(_, node)| self.word(node, "database"));
        let help = "list files or patterns: `sources: [\"docs/*.md\"]`";
        let sources = fields.need(self, "sources", help);
        let sources = sources.map(|(_, node)| self.knowledge_sources(node));
        let embedder = fields.take("embedder").and_then(|(_, node)| self.model(node));
        #[cfg(feature = "knowledge")]
        if let Some(embedder) = &embedder
            && let Err((message, help)) = crate::models::check_embedder(embedder, self.options)
        {
            let mistake = self.mistake(embedder.span, message).coded(ErrorId::MODEL_UNKNOWN);
            self.push(mistake.maybe_help(help));
        }
        let description = fields.word(self, "description").map(|word| word.text);
        let passages = self.passages(&mut fields);
        fields.finish(self);
        let (database, sources) = (database?, sources?);
        if let Err(refused) = place::of_database(&self.home, &database.text, self.options) {
            self.refuse(database.span, &database.text, refused);
        }
        let (folder, is_used) = (self.dir.clone(), AtomicBool::new(false));
        Some(Base { name, description, database, sources, embedder, passages, folder, is_used })
    }

    fn knowledge_sources(&mut self, node: &Node) -> Vec<Word> {
        let list = self.list(node, "sources").unwrap_or_default();
        if list.is_empty() || list.len() > SOURCES_MAX {
            let message = format!("`sources` lists 1 to {SOURCES_MAX} files and patterns");
            self.push(self.mistake(node.span, message));
        }
        let words = list.iter().take(SOURCES_MAX).filter_map(|node| self.word(node, "a source"));
        let words: Vec<Word> = words.collect();
        for word in &words {
            // A run needs the database alone, so the documents may be elsewhere then.
            match place::matching(&self.home, &word.text, self.options) {
                Ok(found) if found.is_empty() && self.options.only_checks => {
                    let message = format!("no file matches `{}`", word.text);
                    let help = format!("looked in {}", shown_folder(&self.dir));
                    let mistake = self.mistake(word.span, message).coded(ErrorId::INCLUDE_REFUSED);
                    self.push(mistake.help(help));
                }
                Ok(_) => {}
                Err(refused) => self.refuse(word.span, &word.text, refused),
            }
        }
        words
    }

    fn refuse(&mut self, span: Span, path: &str, Refused { why, help }: Refused) {
        let message = format!("cannot use `{path}`: {why}");
        let mistake = self.mistake(span, message).coded(ErrorId::INCLUDE_REFUSED);
        self.push(mistake.maybe_help(help));
    }

    fn passages(&mut self, fields: &mut Fields<'_>) -> Option<usize> {
        let passages = fields.number(self, "passages", (1, PASSAGES_MAX));
        passages.and_then(|passages| usize::try_from(passages).ok())
    }

    /// Takes the knowledge bases that an agent searches, and adds their tools to its own.
    pub(crate) fn searched(&mut self, node: &Node, tools: &mut Vec<Chosen>) {
        let Some(list) = self.list(node, KNOWLEDGE) else { return };
        if list.is_empty() {
            let mistake = self.mistake(node.span, "`knowledge` has no names");
            self.push(mistake.help("name a knowledge base, or leave it out"));
        }
        for node in list.iter().take(BASES_MAX) {
            let (base, passages) = if let Yaml::Map(_) = &node.value {
                let Some(mut fields) = Fields::of(self, node, "the knowledge of an agent") else {
                    continue;
                };
                let name = fields.need(self, "name", "name the knowledge base");
                let name = name.and_then(|(_, node)| self.word(node, "name"));
                let passages = self.passages(&mut fields);
                fields.finish(self);
                (name, passages)
            } else {
                (self.word(node, "the name of a knowledge base"), None)
            };
            let Some(base) = base else { continue };
            let word = base.clone();
            let tool = format!("{SEARCH}{}", base.text);
            let tool = Box::new(SearchTool(Searched { base, tool, passages }));
            let chosen = Chosen { word: KNOWLEDGE, tool, options: None };
            self.told_apart(tools, Some(&chosen), &word);
            tools.push(chosen);
        }
    }
}

fn shown_folder(dir: &std::path::Path) -> String {
    match dir.to_str() {
        Some("") | None => "the current directory".to_owned(),
        Some(dir) => format!("`{dir}`"),
    }
}
