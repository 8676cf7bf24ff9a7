//! Regular expressions.

use crate::OnFound;
use crate::found::{changed, reacts, ruled};
use regex::Regex;
use stepwright_core::guardrail::{Checked, GuardVerdict, Guardrail, Ruling};
use stepwright_core::{BoxFuture, Error, ErrorKind, Fingerprint, StepContext, StepError};

/// A regular expression that a content must match, or must not match. The expressions take time
/// that is linear in the length of the text.
///
/// ```
/// use stepwright_core::guardrail::Guard;
/// use stepwright_guardrails::Pattern;
/// let guard = Guard::after(Pattern::deny("(?i)confidential")?);
/// assert!(Pattern::deny("(").unwrap_err().to_string().contains("`(`"));
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a guardrail has no effect until an agent or a step has it"]
pub struct Pattern {
    regex: Regex,
    required: bool,
    reason: Option<String>,
    on_found: OnFound,
}

impl Pattern {
    fn of(pattern: &str, required: bool) -> Result<Self, Error> {
        let regex = Regex::new(pattern).map_err(|error| {
            let message = format!("the regular expression `{pattern}` is not valid: {error}");
            Error::new(ErrorKind::Definition, message)
        })?;
        Ok(Self { regex, required, reason: None, on_found: OnFound::default() })
    }

    /// Finds texts that match.
    ///
    /// # Errors
    /// Fails if `pattern` is no regular expression.
    pub fn deny(pattern: &str) -> Result<Self, Error> {
        Self::of(pattern, false)
    }

    /// Finds contents that do not match.
    ///
    /// # Errors
    /// Fails if `pattern` is no regular expression.
    pub fn require(pattern: &str) -> Result<Self, Error> {
        Self::of(pattern, true)
    }

    /// Sets the reason in events and errors, and for the model that is asked again.
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Returns `true` if it finds contents that do not match.
    pub fn is_required(&self) -> bool {
        self.required
    }

    /// Replaces each match with `[removed]`, in place of a refusal. Only for
    /// [`Pattern::deny`].
    pub fn rewriting(mut self) -> Self {
        self.on_found = OnFound::Rewrite;
        self
    }

    reacts!();
}

impl Guardrail for Pattern {
    fn name(&self) -> &'static str {
        "pattern"
    }

    fn check(&self, checked: Checked, _: StepContext) -> BoxFuture<'_, Result<Ruling, StepError>> {
        let content = &checked.content;
        let clean = || {
            changed(content, &|text| {
                self.regex
                    .is_match(text)
                    .then(|| self.regex.replace_all(text, "[removed]").into_owned())
            })
        };
        let told = |otherwise: &str| self.reason.clone().unwrap_or_else(|| otherwise.to_owned());
        ruled!(if self.required {
            if self.regex.is_match(&content.text()) {
                GuardVerdict::Allow
            } else {
                let reason = told(&format!("it does not match `{}`", self.regex));
                self.on_found.verdict(reason, || content.clone())
            }
        } else {
            match clean() {
                None => GuardVerdict::Allow,
                Some(clean) => {
                    let reason = told(&format!("it matches `{}`", self.regex));
                    self.on_found.verdict(reason, || clean)
                }
            }
        })
    }

    fn fingerprint(&self) -> Fingerprint {
        let on = self.on_found.as_str();
        let does = if self.required { "require" } else { "deny" };
        Fingerprint::default().with("settings", format!("{does} {}, {on}", self.regex))
    }

    fn mistake(&self) -> Option<String> {
        (self.required && self.on_found == OnFound::Rewrite)
            .then(|| "what is missing cannot be replaced; use `refuse` or `retry`".to_owned())
    }
}
