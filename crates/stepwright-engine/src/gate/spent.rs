//! Amounts that are used or reserved.

use std::ops::AddAssign;
use stepwright_core::budget::Limit;
use stepwright_core::event::SessionUsed;
use stepwright_core::message::Usage;

/// Amounts of everything but time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    pub(crate) tokens: u64,
    pub(crate) nano_usd: u64,
    pub(crate) model_calls: u64,
    pub(crate) tool_calls: u64,
}

impl Spent {
    /// Returns the amount of a limit. Time is not counted here.
    pub(crate) fn of(&self, limit: Limit) -> u64 {
        match limit {
            Limit::Tokens => self.tokens,
            Limit::Usd => self.nano_usd,
            Limit::ModelCalls => self.model_calls,
            Limit::ToolCalls => self.tool_calls,
            _ => 0,
        }
    }
}

impl From<SessionUsed> for Spent {
    fn from(used: SessionUsed) -> Self {
        let SessionUsed { tokens, cost, model_calls, tool_calls, .. } = used;
        Self { tokens, nano_usd: cost.nano_usd(), model_calls, tool_calls }
    }
}

impl AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.nano_usd = self.nano_usd.saturating_add(other.nano_usd);
        self.model_calls = self.model_calls.saturating_add(other.model_calls);
        self.tool_calls = self.tool_calls.saturating_add(other.tool_calls);
    }
}

/// The tokens of one request: input and output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tokens(pub(super) u64, pub(super) u64);

impl Tokens {
    pub(super) fn sum(self) -> u64 {
        self.0.saturating_add(self.1)
    }

    /// Returns the usage with these tokens.
    pub(super) fn usage(self) -> Usage {
        Usage { input_tokens: Some(self.0), output_tokens: Some(self.1), ..Usage::default() }
    }
}
