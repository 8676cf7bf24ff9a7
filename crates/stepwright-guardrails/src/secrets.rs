//! Credentials.

use crate::OnFound;
use crate::found::{changed, reacts, ruled};
use std::borrow::Cow;
use stepwright_core::guardrail::{Checked, GuardVerdict, Guardrail, Ruling};
use stepwright_core::redact::redact;
use stepwright_core::{BoxFuture, Fingerprint, StepContext, StepError};

/// Finds credentials: keys of providers by their beginnings, bearer tokens, passwords in addresses,
/// and values after names such as `password` and `api_key`. It is a heuristic: a secret that looks
/// like an ordinary word passes.
///
/// ```
/// use stepwright_core::guardrail::Guard;
/// use stepwright_guardrails::Secrets;
/// let guard = Guard::after_tool(Secrets::new().rewriting());
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a guardrail has no effect until an agent or a step has it"]
pub struct Secrets {
    on_found: OnFound,
}

impl Secrets {
    /// Refuses contents with credentials.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces credentials with `[redacted]`, in place of a refusal.
    pub fn rewriting(mut self) -> Self {
        self.on_found = OnFound::Rewrite;
        self
    }

    reacts!();
}

impl Guardrail for Secrets {
    fn name(&self) -> &'static str {
        "secrets"
    }

    fn check(&self, checked: Checked, _: StepContext) -> BoxFuture<'_, Result<Ruling, StepError>> {
        let clean = changed(&checked.content, &|text| match redact(text) {
            Cow::Borrowed(_) => None,
            Cow::Owned(clean) => (clean != text).then_some(clean),
        });
        ruled!(match clean {
            None => GuardVerdict::Allow,
            Some(clean) => self.on_found.verdict("it contains a credential", || clean),
        })
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::default().with("settings", self.on_found.as_str())
    }
}
