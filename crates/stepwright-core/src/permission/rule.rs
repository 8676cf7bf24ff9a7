//! Rules: the name of an effect, and a pattern for its subject.

use super::effect::{Effect, Subject};
use super::{RULES_MAX, addresses, globs, paths, words};
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// The names of effects on files, whose patterns are paths.
const FILES: [&str; 4] = ["write_file", "append_file", "read_file", "read_files"];

/// The names of effects on addresses.
const ADDRESSES: [&str; 2] = ["http", "http_get"];

/// A rule such as `web_search`, `shell: git *`, `write_file: out/**`, `mcp:github:*` or
/// `http: GET https://api.example.com/*`.
///
/// The name may contain `*`. Without a pattern, the rule means all effects of that name.
///
/// ```
/// use stepwright_core::permission::Rule;
/// let rule: Rule = "shell: git *".parse()?;
/// assert_eq!((rule.name(), rule.pattern()), ("shell", Some("git *")));
/// // In a file, a rule is a text or a mapping: `- shell: git *`.
/// let same: Rule = serde_json::from_str(r#"{"shell": "git *"}"#).unwrap();
/// assert_eq!(rule, same);
/// # Ok::<(), stepwright_core::permission::RuleError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    name: String,
    pattern: Option<String>,
}

/// A text that is not a rule.
///
/// ```
/// use stepwright_core::permission::Rule;
/// let error = "write_file: ../keys".parse::<Rule>().unwrap_err();
/// assert_eq!(error.to_string(), "rule `write_file: ../keys` is not valid: it contains `..`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rule `{rule}` is not valid: {why}")]
pub struct RuleError {
    /// The text.
    pub rule: String,
    /// The mistake in it.
    pub why: String,
}

impl Rule {
    /// Creates a rule from its name and its pattern.
    ///
    /// # Errors
    /// Fails if the name or the pattern is not valid.
    pub fn new(name: &str, pattern: Option<&str>) -> Result<Self, RuleError> {
        let (name, pattern) = (name.trim(), pattern.map(str::trim));
        let rule = Self { name: name.to_owned(), pattern: pattern.map(ToOwned::to_owned) };
        let fails = |why: String| RuleError { rule: rule.to_string(), why };
        let is_name = |c: char| c.is_alphanumeric() || "_-.:/*".contains(c);
        if name.is_empty() {
            return Err(fails("it has no name".to_owned()));
        }
        if let Some(wrong) = name.chars().find(|c| !is_name(*c)) {
            return Err(fails(format!(
                "a name cannot contain {wrong:?}; a pattern stands after a colon and a blank, as \
                 in `shell: git *`"
            )));
        }
        match pattern {
            Some("") => return Err(fails("its pattern is empty; `*` stands for all".to_owned())),
            None | Some("*") => {}
            Some(pattern) if name == "shell" => {
                words::Pattern::parse(pattern).map_err(fails)?;
            }
            Some(pattern) if FILES.contains(&name) => {
                paths::Pattern::parse(pattern).map_err(fails)?;
            }
            Some(pattern) if ADDRESSES.contains(&name) => {
                addresses::Pattern::parse(pattern).map_err(fails)?;
            }
            Some(_) => {}
        }
        Ok(rule)
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the pattern.
    pub fn pattern(&self) -> Option<&str> {
        self.pattern.as_deref()
    }

    /// Returns `true` if it means effects of this name.
    ///
    /// ```
    /// use stepwright_core::permission::Rule;
    /// let rule: Rule = "mcp:github:*".parse()?;
    /// assert!(rule.is_for("mcp:github:create_issue") && !rule.is_for("mcp:gitlab:create_issue"));
    /// # Ok::<(), stepwright_core::permission::RuleError>(())
    /// ```
    pub fn is_for(&self, name: &str) -> bool {
        globs::text_matches(&self.name, name)
    }

    pub(super) fn names(&self, effect: &Effect) -> bool {
        effect.names().any(|name| self.is_for(name))
    }

    /// Returns the pattern, unless it matches everything.
    fn narrowing(&self) -> Option<&str> {
        self.pattern.as_deref().filter(|pattern| *pattern != "*")
    }

    pub(super) fn has_pattern_for(&self, effect: &Effect) -> bool {
        self.names(effect) && self.narrowing().is_some()
    }

    /// Returns `true` if the effect, or a part of it, may be one that the rule means. For rules
    /// that deny or ask.
    pub(super) fn touches(&self, effect: &Effect) -> bool {
        if !self.names(effect) {
            return false;
        }
        let Some(pattern) = self.narrowing() else { return true };
        match effect.subject() {
            Subject::Text(text) => globs::text_matches(pattern, text),
            Subject::Commands(line) => {
                let Ok(pattern) = words::Pattern::parse(pattern) else { return true };
                line.commands.iter().chain(&line.inside).any(|command| pattern.touches(command))
            }
            Subject::Path(forms) => {
                paths::Pattern::parse(pattern).map_or(true, |pattern| pattern.touches(forms))
            }
            Subject::Address(address) => {
                addresses::Pattern::parse(pattern).map_or(true, |pattern| pattern.touches(address))
            }
        }
    }

    /// Returns the rule that allows an effect together with the others, if they allow all of it.
    pub(super) fn cover<'r>(rules: &[&'r Self], effect: &Effect) -> Option<&'r Self> {
        if let Some(rule) = rules.iter().find(|rule| rule.narrowing().is_none()) {
            return Some(rule);
        }
        let patterns = rules.iter().filter_map(|rule| Some((*rule, rule.narrowing()?)));
        match effect.subject() {
            Subject::Text(text) => {
                let mut fitting = patterns.filter(|(_, it)| globs::text_matches(it, text));
                fitting.next().map(|(rule, _)| rule)
            }
            Subject::Commands(line) if line.is_unclear => None,
            Subject::Commands(line) => {
                let parsed =
                    patterns.filter_map(|(r, it)| Some((r, words::Pattern::parse(it).ok()?)));
                all_covered(&parsed.collect::<Vec<_>>(), &line.commands, |it, one| it.covers(one))
            }
            Subject::Path(path) => {
                let parsed =
                    patterns.filter_map(|(r, it)| Some((r, paths::Pattern::parse(it).ok()?)));
                let covers = |it: &paths::Pattern, one: &_| it.covers(one, path.is_pattern);
                all_covered(&parsed.collect::<Vec<_>>(), &path.forms, covers)
            }
            Subject::Address(address) => {
                let parsed =
                    patterns.filter_map(|(r, it)| Some((r, addresses::Pattern::parse(it).ok()?)));
                let mut fitting = parsed.filter(|(_, it)| it.covers(address));
                fitting.next().map(|(rule, _)| rule)
            }
        }
    }
}

/// Returns the rule of the first part if each part is covered by a pattern, and there is a part.
fn all_covered<'r, P, T>(
    patterns: &[(&'r Rule, P)],
    parts: &[T],
    covers: impl Fn(&P, &T) -> bool,
) -> Option<&'r Rule> {
    let mut first = None;
    for part in parts {
        let (rule, _) = patterns.iter().find(|(_, pattern)| covers(pattern, part))?;
        first.get_or_insert(*rule);
    }
    first
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        match text.split_once(": ") {
            Some((name, pattern)) => Self::new(name, Some(pattern)),
            None => Self::new(text.trim().strip_suffix(':').unwrap_or(text), None),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pattern {
            Some(pattern) => write!(f, "{}: {pattern}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl<'de> Visitor<'de> for Written {
            type Value = Rule;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a rule such as `shell: git *`")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Rule, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Rule, A::Error> {
                let more = || A::Error::custom("a rule has one name and one pattern");
                let (name, pattern): (String, String) = map.next_entry()?.ok_or_else(more)?;
                if map.next_key::<String>()?.is_some() {
                    return Err(more());
                }
                Rule::new(&name, Some(&pattern)).map_err(A::Error::custom)
            }
        }
        deserializer.deserialize_any(Written)
    }
}

/// Reads a list of rules of at most [`RULES_MAX`].
pub(super) fn at_most_max<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Rule>, D::Error> {
    struct List;
    impl<'de> Visitor<'de> for List {
        type Value = Vec<Rule>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of rules")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<Rule>, A::Error> {
            let mut rules = Vec::new();
            while let Some(rule) = seq.next_element()? {
                if rules.len() == RULES_MAX {
                    return Err(A::Error::custom(format!("there are more than {RULES_MAX} rules")));
                }
                rules.push(rule);
            }
            Ok(rules)
        }
    }
    from.deserialize_seq(List)
}
