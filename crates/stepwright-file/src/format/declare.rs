//! The values that a file declares: `vars`, `env` and `secrets`.

use super::Word;
use super::reader::{Fields, Reader};
use crate::declared::Declared;
use crate::source::Span;
use crate::system::is_variable;
use crate::tree::{Key, Node, Yaml};
use serde_json::{Map, Value};
use stepwright_core::ErrorId;
use stepwright_core::permission::ALLOWED_KEY;
use stepwright_core::state::{Reducer, State};

/// The maximum number of names in `env`, and in `secrets`.
const NAMES_MAX: usize = 1000;

/// The ways to combine changes of a key by parallel branches.
pub(super) const REDUCERS: [(&str, Reducer); 7] = [
    ("first", Reducer::First),
    ("last", Reducer::Last),
    ("sum", Reducer::Sum),
    ("min", Reducer::Min),
    ("max", Reducer::Max),
    ("concat", Reducer::Concat),
    ("merge", Reducer::Merge),
];

impl Reader<'_> {
    /// Takes the declarations.
    pub(super) fn declare(&mut self, fields: &mut Fields<'_>) {
        let vars = fields.take("vars").map(|(_, node)| self.vars(node)).unwrap_or_default();
        let env = fields.take("env").map(|(_, node)| self.names(node, "env")).unwrap_or_default();
        let secrets = fields.take("secrets");
        let secrets = secrets.map(|(_, node)| self.names(node, "secrets")).unwrap_or_default();
        for word in &secrets {
            if let Some(first) = env.iter().find(|other| other.text == word.text) {
                let message = format!("`{}` is under `env` too", word.text);
                let mistake = self.mistake(word.span, message).also(first.span, "here");
                self.push(mistake.help("a secret is listed under `secrets` alone"));
            }
        }
        let texts = |words: Vec<Word>| words.into_iter().map(|word| word.text).collect();
        self.declared = Declared::find(vars, texts(env), texts(secrets), self.options);
    }

    /// Takes the id of the workflow.
    pub(super) fn id(&mut self, fields: &mut Fields<'_>) -> Option<Word> {
        let id = fields.word(self, "id")?;
        if id.text.trim().is_empty() {
            let mistake = self.mistake(id.span, "the id is empty");
            self.push(mistake.help("leave `id` out: it is made of the name then"));
        }
        Some(id)
    }

    /// Takes the state that a session begins with.
    pub(super) fn session_state(&mut self, fields: &mut Fields<'_>) -> Option<(State, Span)> {
        let (key, node) = fields.take("session_state")?;
        let Yaml::Map(map) = &node.value else {
            self.wrong_type(node, "`session_state` maps keys to values");
            return None;
        };
        for (key, _) in map {
            self.check_state_key(key);
        }
        Some((self.constants(map), key.span))
    }

    /// Refuses the key that only answers of people change.
    pub(crate) fn check_state_key(&mut self, key: &Key) {
        if key.name == ALLOWED_KEY {
            let what =
                format!("state key `{ALLOWED_KEY}` is reserved for the permissions of the session");
            let mistake =
                self.mistake(key.span, what).label("reserved").coded(ErrorId::KEY_INVALID);
            self.push(mistake.help("use another key"));
        }
    }

    /// Takes the ways to combine changes of keys.
    pub(super) fn reducers(&mut self, fields: &mut Fields<'_>) -> Vec<(String, Reducer)> {
        let Some((_, node)) = fields.take("reducers") else { return Vec::new() };
        let Yaml::Map(map) = &node.value else {
            self.wrong_type(node, "`reducers` maps keys to words");
            return Vec::new();
        };
        let read = map.iter().filter_map(|(key, node)| {
            self.one_of(node, &key.name, &REDUCERS).map(|reducer| (key.name.clone(), reducer))
        });
        read.collect()
    }

    fn vars(&mut self, node: &Node) -> Map<String, Value> {
        let Yaml::Map(map) = &node.value else {
            self.wrong_type(node, "`vars` maps names to values");
            return Map::new();
        };
        self.constants(map)
    }

    fn constants(&mut self, map: &[(Key, Node)]) -> Map<String, Value> {
        let mut vars = Map::new();
        for (key, value) in map {
            self.check_constant(value, &key.name);
            if vars.insert(key.name.clone(), value.value.to_json()).is_some() {
                let mistake = self.mistake(key.span, format!("`{}` is there twice", key.name));
                self.push(mistake.label("again here"));
            }
        }
        vars
    }

    /// Refuses expressions and templates, which would stay as they are written.
    fn check_constant(&mut self, node: &Node, name: &str) {
        match &node.value {
            Yaml::Text(text) if text.trim_start().starts_with('=') => {
                let mistake = self.mistake(node.span, format!("the variable `{name}` is constant"));
                let mistake = mistake.label("an expression").coded(ErrorId::KEY_INVALID);
                self.push(mistake.help("compute it in a `value` step"));
            }
            Yaml::Text(text) if text.contains("{{") => {
                let mistake = self.mistake(node.span, format!("the variable `{name}` is constant"));
                let mistake = mistake.label("a template").coded(ErrorId::KEY_INVALID);
                self.push(mistake.help("render it in a `template` step"));
            }
            Yaml::List(list) => list.iter().for_each(|one| self.check_constant(one, name)),
            Yaml::Map(map) => map.iter().for_each(|(_, one)| self.check_constant(one, name)),
            _ => {}
        }
    }

    /// Parses a list of names of environment variables.
    fn names(&mut self, node: &Node, key: &'static str) -> Vec<Word> {
        let Yaml::List(list) = &node.value else {
            self.wrong_type(node, &format!("`{key}` is a list of names"));
            return Vec::new();
        };
        if list.len() > NAMES_MAX {
            let mistake = self.mistake(node.span, format!("`{key}` has at most {NAMES_MAX} names"));
            self.push(mistake);
        }
        let mut names: Vec<Word> = Vec::new();
        for node in list.iter().take(NAMES_MAX) {
            if let Yaml::Map(_) = node.value {
                let mistake = self.mistake(node.span, format!("`{key}` lists names, not values"));
                let help = "the values come from the environment: write `[NAME]`, and keep \
                            constants under `vars`";
                self.push(mistake.label("a value").help(help));
                continue;
            }
            let Some(word) = self.word(node, "a name") else { continue };
            if !is_variable(&word.text) {
                let message = format!("`{}` is not the name of an environment variable", word.text);
                let mistake = self.mistake(word.span, message);
                self.push(mistake.help("names are made of letters, digits and `_`"));
            } else if let Some(first) = names.iter().find(|other| other.text == word.text) {
                let mistake = self.mistake(word.span, format!("`{}` is there twice", word.text));
                self.push(mistake.label("again here").also(first.span, "first here"));
            } else {
                names.push(word);
            }
        }
        names
    }
}
