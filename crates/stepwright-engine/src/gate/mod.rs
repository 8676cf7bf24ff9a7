//! The gate of a run: its permissions, and the ledger of its budgets. Every effect of a step passes
//! it, through the context of the step.

mod guards;
mod ledger;
mod session_rules;
mod spent;

pub(crate) use guards::{Guard, Guards, Judged};
pub(crate) use ledger::{Exhausted, Ledger, LimitKey, Reserved};
pub(crate) use session_rules::{SessionRules, refuse_rules, reserved, rule_of};

use std::sync::Arc;
use stepwright_core::budget::Budget;
use stepwright_core::cost::Prices;
use stepwright_core::redact::Secrets;

/// The settings of the gate that a definition has.
#[derive(Clone, Default)]
pub(crate) struct GateSettings {
    pub(crate) guards: Arc<[Guard]>,
    /// `true` if no person can be asked for a permission.
    pub(crate) is_unattended: bool,
    /// `None` for the built-in prices.
    pub(crate) prices: Option<Arc<Prices>>,
    /// The budget of the session.
    pub(crate) session: Option<Arc<Budget>>,
    /// The secrets that are removed from what people give a run.
    pub(crate) secrets: Secrets,
}
