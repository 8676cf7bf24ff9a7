//! The length of a content.

use crate::OnFound;
use crate::found::{reacts, ruled};
use stepwright_core::guardrail::{Checked, GuardVerdict, Guardrail, Ruling};
use stepwright_core::{BoxFuture, Fingerprint, StepContext, StepError};

/// A limit of the number of characters.
///
/// ```
/// use stepwright_core::guardrail::Guard;
/// use stepwright_guardrails::Length;
/// let guard = Guard::after(Length::at_most(280).retrying()).retries(2);
/// # assert!(guard.mistake(false).is_none());
/// ```
#[derive(Clone, Debug)]
#[must_use = "a guardrail has no effect until an agent or a step has it"]
pub struct Length {
    min: usize,
    max: usize,
    on_found: OnFound,
}

impl Length {
    /// Lets contents with at most this many characters pass. Objects and lists are counted as JSON.
    pub fn at_most(max: usize) -> Self {
        Self { min: 0, max, on_found: OnFound::default() }
    }

    /// Lets contents with at least this many characters pass.
    pub fn at_least(min: usize) -> Self {
        Self { min, max: usize::MAX, on_found: OnFound::default() }
    }

    /// Sets the smallest number of characters.
    pub fn and_at_least(mut self, min: usize) -> Self {
        self.min = min;
        self
    }

    /// Cuts a text that is too long, in place of a refusal. An object or a list that is too long,
    /// and a text that is too short, are refused.
    pub fn rewriting(mut self) -> Self {
        self.on_found = OnFound::Rewrite;
        self
    }

    reacts!();
}

impl Guardrail for Length {
    fn name(&self) -> &'static str {
        "length"
    }

    fn check(&self, checked: Checked, _: StepContext) -> BoxFuture<'_, Result<Ruling, StepError>> {
        let text = checked.content.text();
        let chars = text.chars().count();
        let (min, max) = (self.min, self.max);
        ruled!(if chars > max {
            let reason = format!("it has {chars} characters; at most {max} are allowed");
            match self.on_found {
                OnFound::Rewrite if checked.content.type_name() != "str" => {
                    GuardVerdict::refuse(reason)
                }
                on_found => {
                    on_found.verdict(reason, || text.chars().take(max).collect::<String>().into())
                }
            }
        } else if chars < min {
            let reason = format!("it has {chars} characters; at least {min} are needed");
            match self.on_found {
                OnFound::Retry => GuardVerdict::retry(reason),
                _ => GuardVerdict::refuse(reason),
            }
        } else {
            GuardVerdict::Allow
        })
    }

    fn fingerprint(&self) -> Fingerprint {
        let (min, max, on) = (self.min, self.max, self.on_found.as_str());
        Fingerprint::default().with("settings", format!("{min} to {max}, {on}"))
    }

    fn mistake(&self) -> Option<String> {
        let (min, max) = (self.min, self.max);
        if max == 0 {
            return Some("`max` is 0, which lets nothing pass; set at least 1".to_owned());
        }
        (min > max).then(|| format!("`min` is {min} and `max` is {max}; swap them"))
    }
}
