//! Budgets: limits of what a run, a container, a step, an agent or a session may consume.

use crate::cost::Cost;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// The part of a limit, in percent, at which an event warns.
pub const WARNING_PERCENT: u64 = 80;

/// The number of output tokens that a request without `max_output_tokens` reserves.
///
/// Such an answer has no bound. This is more than nearly all of them have, so that branches that
/// run at once rarely exceed a budget together.
pub const ASSUMED_OUTPUT_TOKENS: u64 = 32_768;

/// A budget: limits of consumption, and the policy for reaching one.
///
/// A limit is reserved before a call and settled after it. Budgets hold at the same time: an inner
/// one only narrows the outer ones.
///
/// ```
/// use stepwright_core::budget::{AtLimit, Budget};
/// let budget: Budget = serde_json::from_str(r#"{"tokens": 200000, "at_limit": "pause"}"#)?;
/// assert_eq!(budget, Budget::default().tokens(200_000).at_limit(AtLimit::Pause));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Budget {
    /// The tokens of models, input and output together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// The cost of models in US dollars. Every model needs a price then.
    #[serde(skip_serializing_if = "Option::is_none", with = "as_usd")]
    pub usd: Option<Cost>,
    /// The time from the beginning, in milliseconds, without the time in which the run is paused.
    /// Nothing begins afterwards; what is under way is not stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_ms: Option<u64>,
    /// The number of requests to models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_calls: Option<u64>,
    /// The number of tool calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<u64>,
    /// The policy for reaching a limit.
    #[serde(skip_serializing_if = "is_fail")]
    pub at_limit: AtLimit,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over in this way")]
fn is_fail(at_limit: &AtLimit) -> bool {
    *at_limit == AtLimit::Fail
}

mod as_usd {
    use super::Cost;
    use serde::{Deserialize as _, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde hands it over in this way")]
    pub(super) fn serialize<S: Serializer>(cost: &Option<Cost>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(cost.unwrap_or_default().as_usd())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Cost>, D::Error> {
        Ok(Option::<f64>::deserialize(from)?.map(Cost::usd))
    }
}

/// The policy for reaching a limit of a budget.
///
/// ```
/// use stepwright_core::budget::AtLimit;
/// // In a file: `at_limit: wrap_up`.
/// let written: AtLimit = serde_json::from_str(r#""wrap_up""#)?;
/// assert_eq!(written, AtLimit::WrapUp);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AtLimit {
    /// The step fails.
    #[default]
    Fail,
    /// The run asks a person for more.
    Pause,
    /// An agent makes its last request without tools, or ends with what it has said. Other steps
    /// fail.
    WrapUp,
}

/// One of the limits of a budget.
///
/// ```
/// use stepwright_core::budget::Limit;
/// assert_eq!(Limit::ModelCalls.as_str(), "model_calls");
/// assert_eq!(Limit::Tokens.amount(1_500), "1500 tokens");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Limit {
    /// Tokens.
    Tokens,
    /// US dollars. Amounts are billionths.
    Usd,
    /// Time. Amounts are milliseconds.
    Time,
    /// Requests to models.
    ModelCalls,
    /// Tool calls.
    ToolCalls,
}

impl Limit {
    /// All limits.
    pub const ALL: [Self; 5] =
        [Self::Tokens, Self::Usd, Self::Time, Self::ModelCalls, Self::ToolCalls];

    /// Returns its key in a file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::Usd => "usd",
            Self::Time => "time",
            Self::ModelCalls => "model_calls",
            Self::ToolCalls => "tool_calls",
        }
    }

    /// Returns the amount that a person gives as a number of tokens, US dollars, seconds or calls.
    ///
    /// ```
    /// use stepwright_core::budget::Limit;
    /// assert_eq!(Limit::Time.amount_of(&1.5.into()), Some(1_500));
    /// assert_eq!(Limit::Tokens.amount_of(&0.into()), None);
    /// ```
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
    pub fn amount_of(self, value: &serde_json::Value) -> Option<u64> {
        let number = value.as_f64().filter(|number| number.is_finite() && *number > 0.0)?;
        let amount = match self {
            Self::Usd => Cost::usd(number).nano_usd(),
            Self::Time => (number * 1000.0) as u64,
            _ => number as u64,
        };
        Some(amount).filter(|amount| *amount > 0)
    }

    /// Formats an amount with its unit.
    pub fn amount(self, amount: u64) -> String {
        let counted = |what: &str| format!("{amount} {what}{}", if amount == 1 { "" } else { "s" });
        match self {
            Self::Tokens => counted("token"),
            Self::Usd => Cost::of_nano_usd(amount).to_string(),
            Self::Time => format!("{:?}", Duration::from_millis(amount)),
            Self::ModelCalls => counted("model call"),
            Self::ToolCalls => counted("tool call"),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Budget {
    /// Sets the limit of tokens.
    #[must_use]
    pub fn tokens(mut self, tokens: u64) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// Sets the limit of cost in US dollars.
    #[must_use]
    pub fn usd(mut self, usd: f64) -> Self {
        self.usd = Some(Cost::usd(usd));
        self
    }

    /// Sets the limit of time.
    #[must_use]
    pub fn time(mut self, time: Duration) -> Self {
        self.time_ms = Some(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// Sets the limit of requests to models.
    #[must_use]
    pub fn model_calls(mut self, calls: u64) -> Self {
        self.model_calls = Some(calls);
        self
    }

    /// Sets the limit of tool calls.
    #[must_use]
    pub fn tool_calls(mut self, calls: u64) -> Self {
        self.tool_calls = Some(calls);
        self
    }

    /// Sets the policy for reaching a limit. The default is [`AtLimit::Fail`].
    #[must_use]
    pub fn at_limit(mut self, at_limit: AtLimit) -> Self {
        self.at_limit = at_limit;
        self
    }

    /// Returns the amount of a limit, in its unit.
    pub fn limit(&self, limit: Limit) -> Option<u64> {
        match limit {
            Limit::Tokens => self.tokens,
            Limit::Usd => self.usd.map(Cost::nano_usd),
            Limit::Time => self.time_ms,
            Limit::ModelCalls => self.model_calls,
            Limit::ToolCalls => self.tool_calls,
        }
    }

    /// Returns the mistake in it: a budget without a limit, or with a limit of nothing.
    ///
    /// ```
    /// use stepwright_core::budget::Budget;
    /// assert_eq!(Budget::default().mistake().unwrap(), "a budget needs a limit");
    /// assert_eq!(Budget::default().tokens(0).mistake().unwrap(), "`tokens` must be at least 1");
    /// assert_eq!(Budget::default().tokens(1).mistake(), None);
    /// ```
    pub fn mistake(&self) -> Option<String> {
        let mut set = Limit::ALL.into_iter().filter_map(|limit| Some((limit, self.limit(limit)?)));
        let Some(first) = set.next() else { return Some("a budget needs a limit".to_owned()) };
        let (limit, _) = std::iter::once(first).chain(set).find(|(_, amount)| *amount == 0)?;
        Some(match limit {
            Limit::Usd | Limit::Time => format!("`{limit}` must be greater than zero"),
            _ => format!("`{limit}` must be at least 1"),
        })
    }
}

/// The amounts that are left of the budgets around a step: of several budgets, the smallest. `None`
/// where no budget sets a limit.
///
/// ```
/// use stepwright_core::StepInput;
/// /// Chooses a cheaper way when little is left.
/// fn is_short(input: &StepInput) -> bool {
///     input.budget.as_ref().and_then(|left| left.tokens).is_some_and(|tokens| tokens < 10_000)
/// }
/// assert!(!is_short(&StepInput::of("ants")));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BudgetLeft {
    /// The tokens that are left.
    pub tokens: Option<u64>,
    /// The money that is left.
    pub usd: Option<Cost>,
    /// The time that is left, in milliseconds.
    pub time_ms: Option<u64>,
    /// The requests to models that are left.
    pub model_calls: Option<u64>,
    /// The tool calls that are left.
    pub tool_calls: Option<u64>,
}
