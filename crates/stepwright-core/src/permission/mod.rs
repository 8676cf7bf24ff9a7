//! Permissions: the effects that a run may have, must ask about, or may not have.

mod addresses;
mod effect;
mod globs;
mod paths;
mod rule;
mod words;

pub use effect::{Address, CommandLine, Effect, EffectWord, PathForm, PathForms, Subject};
pub use rule::{Rule, RuleError};

use serde::{Deserialize, Serialize};
use std::fmt;

/// The largest number of rules in one list.
pub const RULES_MAX: usize = 1000;

/// The key of the session state under which rules are kept that a person wants to hold for the
/// whole session. Only the answer of a person adds one; setting the key to `null` removes all.
pub const ALLOWED_KEY: &str = "stepwright:allowed";

/// The permissions of a workflow, a project or a user.
///
/// A denied effect is refused, whatever else is allowed. An effect in no list is asked about.
/// Several permissions can hold at once, such as those of a user and those of a file: the strictest
/// decides, so that a file cannot widen what its user allows.
///
/// ```
/// use stepwright_core::permission::{Effect, Permissions, Verdict};
/// let permissions: Permissions = serde_json::from_str(
///     r#"{"allow": ["write_file: out/**", "web_search"], "deny": ["write_file: out/keys/**"]}"#,
/// )?;
/// let write = |path: &str| permissions.judge(&Effect::path("write_file", path)).verdict;
/// assert_eq!(write("out/report.md"), Verdict::Allow);
/// assert_eq!(write("out/keys/report.md"), Verdict::Deny);
/// assert_eq!(write("notes.md"), Verdict::Ask);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Permissions {
    /// The effects that are refused.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "rule::at_most_max")]
    pub deny: Vec<Rule>,
    /// The effects that a person is asked about each time, even if they are allowed too.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "rule::at_most_max")]
    pub ask: Vec<Rule>,
    /// The effects that need no question.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "rule::at_most_max")]
    pub allow: Vec<Rule>,
}

/// The verdict about an effect, from the mildest to the strictest.
///
/// ```
/// use stepwright_core::permission::Verdict;
/// assert!(Verdict::Deny > Verdict::Ask && Verdict::Ask > Verdict::Allow);
/// assert_eq!(Verdict::Ask.to_string(), "ask");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// The effect may happen.
    Allow,
    /// A person is asked.
    Ask,
    /// The effect is refused.
    Deny,
}

impl Verdict {
    /// Returns the verdict as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Deny => "deny",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A verdict, and the rule that led to it.
///
/// ```
/// use stepwright_core::permission::{Effect, Permissions};
/// let permissions = Permissions::default().deny("web_search")?;
/// let judged = permissions.judge(&Effect::tool("web_search"));
/// assert_eq!(judged.rule.unwrap().to_string(), "web_search");
/// // No rule names this one, so a person is asked.
/// assert_eq!(permissions.judge(&Effect::tool("charge")).rule, None);
/// # Ok::<(), stepwright_core::permission::RuleError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// The rule that decided. `None` if no rule names the effect.
    pub rule: Option<Rule>,
}

impl Permissions {
    /// Adds a rule to the denied effects.
    ///
    /// # Errors
    /// Fails if the text is not a rule.
    pub fn deny(mut self, rule: &str) -> Result<Self, RuleError> {
        self.deny.push(rule.parse()?);
        Ok(self)
    }

    /// Adds a rule to the effects that a person is asked about.
    ///
    /// # Errors
    /// Fails if the text is not a rule.
    pub fn ask(mut self, rule: &str) -> Result<Self, RuleError> {
        self.ask.push(rule.parse()?);
        Ok(self)
    }

    /// Adds a rule to the allowed effects.
    ///
    /// # Errors
    /// Fails if the text is not a rule.
    ///
    /// ```
    /// use stepwright_core::permission::Permissions;
    /// let permissions = Permissions::default().allow("http: GET https://api.example.com/*")?;
    /// let error = permissions.allow("http: api.example.com").unwrap_err();
    /// assert!(error.to_string().contains("`api.example.com` is not an address"));
    /// # Ok::<(), stepwright_core::permission::RuleError>(())
    /// ```
    pub fn allow(mut self, rule: &str) -> Result<Self, RuleError> {
        self.allow.push(rule.parse()?);
        Ok(self)
    }

    /// Returns `true` if there are no rules: every effect is asked about.
    pub fn is_empty(&self) -> bool {
        self.deny.is_empty() && self.ask.is_empty() && self.allow.is_empty()
    }

    /// Judges an effect.
    ///
    /// A command line with several commands is allowed if each of them is.
    pub fn judge(&self, effect: &Effect) -> Judgement {
        if let Some(rule) = self.deny.iter().find(|rule| rule.touches(effect)) {
            return Judgement { verdict: Verdict::Deny, rule: Some(rule.clone()) };
        }
        if let Some(rule) = self.ask.iter().find(|rule| rule.touches(effect)) {
            return Judgement { verdict: Verdict::Ask, rule: Some(rule.clone()) };
        }
        // A denied command may hide where its words are not known.
        let may_hide = || {
            let strict = self.deny.iter().chain(&self.ask);
            effect.hides_words() && strict.into_iter().any(|rule| rule.has_pattern_for(effect))
        };
        let rules: Vec<&Rule> = self.allow.iter().filter(|rule| rule.names(effect)).collect();
        match Rule::cover(&rules, effect) {
            Some(rule) if !may_hide() => {
                Judgement { verdict: Verdict::Allow, rule: Some(rule.clone()) }
            }
            _ if effect.is_allowed_by_default() => {
                Judgement { verdict: Verdict::Allow, rule: None }
            }
            _ => Judgement { verdict: Verdict::Ask, rule: None },
        }
    }

    /// Returns all rules, with the names of their lists.
    ///
    /// ```
    /// use stepwright_core::permission::Permissions;
    /// let permissions = Permissions::default().allow("web_search")?.deny("shell")?;
    /// let all = permissions.rules().map(|(list, rule)| format!("{list} {rule}"));
    /// let all: Vec<String> = all.collect();
    /// assert_eq!(all, ["deny shell", "allow web_search"]);
    /// # Ok::<(), stepwright_core::permission::RuleError>(())
    /// ```
    pub fn rules(&self) -> impl Iterator<Item = (&'static str, &Rule)> {
        let deny = self.deny.iter().map(|rule| ("deny", rule));
        let ask = self.ask.iter().map(|rule| ("ask", rule));
        deny.chain(ask).chain(self.allow.iter().map(|rule| ("allow", rule)))
    }
}

#[cfg(test)]
mod tests;
