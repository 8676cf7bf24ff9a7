//! The reaction of a guardrail to what it finds.

use serde_json::Value;
use stepwright_core::Content;
use stepwright_core::guardrail::GuardVerdict;

/// The reaction of a guardrail to what it finds.
///
/// ```
/// use stepwright_guardrails::OnFound;
/// assert_eq!(OnFound::default(), OnFound::Refuse);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFound {
    /// Refuses the content.
    #[default]
    Refuse,
    /// Has the work done again.
    Retry,
    /// Replaces what it found.
    Rewrite,
}

impl OnFound {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Retry => "retry",
            Self::Rewrite => "rewrite",
        }
    }

    /// Returns the verdict about a content in which `reason` was found. `clean` makes the content
    /// without it.
    pub(crate) fn verdict(
        self,
        reason: impl Into<String>,
        clean: impl FnOnce() -> Content,
    ) -> GuardVerdict {
        match self {
            Self::Refuse => GuardVerdict::refuse(reason.into()),
            Self::Retry => GuardVerdict::retry(reason.into()),
            Self::Rewrite => GuardVerdict::rewrite(clean()),
        }
    }
}

/// Replaces the texts in a content, also those in lists and objects. `change` returns `None` for a
/// text that stays. Returns `None` if all stay.
pub(crate) fn changed(
    content: &Content,
    change: &dyn Fn(&str) -> Option<String>,
) -> Option<Content> {
    let mut is_changed = false;
    let value = within(content.to_value(), change, &mut is_changed);
    is_changed.then(|| value.into())
}

fn within(value: Value, change: &dyn Fn(&str) -> Option<String>, is_changed: &mut bool) -> Value {
    match value {
        Value::String(text) => match change(&text) {
            Some(other) => {
                *is_changed = true;
                other.into()
            }
            None => Value::String(text),
        },
        Value::Array(list) => list.into_iter().map(|one| within(one, change, is_changed)).collect(),
        Value::Object(members) => {
            let members = members.into_iter().map(|(name, value)| {
                let name = match change(&name) {
                    Some(other) => {
                        *is_changed = true;
                        other
                    }
                    None => name,
                };
                (name, within(value, change, is_changed))
            });
            members.collect()
        }
        // Digits in a row may be a number.
        Value::Number(number) => match change(&number.to_string()) {
            Some(other) => {
                *is_changed = true;
                other.into()
            }
            None => Value::Number(number),
        },
        other => other,
    }
}

/// Writes the methods with which a guardrail reacts.
macro_rules! reacts {
    () => {
        /// Has the work done again in place of a refusal: see
        /// [`GuardVerdict::Retry`](stepwright_core::guardrail::GuardVerdict::Retry).
        pub fn retrying(mut self) -> Self {
            self.on_found = $crate::OnFound::Retry;
            self
        }

        /// Sets the reaction.
        pub fn on_found(mut self, on_found: $crate::OnFound) -> Self {
            self.on_found = on_found;
            self
        }
    };
}
pub(crate) use reacts;

/// Returns a future with the verdict.
macro_rules! ruled {
    ($verdict:expr) => {{
        let verdict: stepwright_core::guardrail::GuardVerdict = $verdict;
        Box::pin(std::future::ready(Ok(verdict.into())))
    }};
}
pub(crate) use ruled;
