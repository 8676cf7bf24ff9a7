//! The answers of the gate, which every effect of a step passes: permits, and reservations of what
//! an effect takes from budgets.

use crate::failure::StepError;
use crate::message::Usage;
use std::fmt;
use std::sync::Arc;

/// The decision about an effect.
///
/// ```
/// # use futures_util::FutureExt as _;
/// use stepwright_core::gate::Permit;
/// use stepwright_core::permission::Effect;
/// use stepwright_core::{StepContext, StepError};
/// /// Posts a message if that is permitted, and says so otherwise.
/// async fn post(cx: StepContext) -> Result<&'static str, StepError> {
///     match cx.permit(&Effect::tool("post")).await? {
///         Permit::Granted => Ok("posted"),
///         Permit::Refused(_) => Ok("kept as a draft"),
///     }
/// }
/// let posted = post(StepContext::detached("Post")).now_or_never().unwrap()?;
/// assert_eq!(posted, "posted");
/// # Ok::<(), StepError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a refused effect must not happen"]
pub enum Permit {
    /// The effect may happen.
    Granted,
    /// The effect must not happen. The error names the rule and the way to allow it.
    Refused(StepError),
}

/// The amounts that an effect takes from budgets.
///
/// ```
/// use stepwright_core::gate::Demand;
/// use stepwright_core::message::Message;
/// use stepwright_core::model::{ModelOptions, ModelRequest};
/// let request = ModelRequest {
///     messages: vec![Message::user("Hello")],
///     options: ModelOptions { max_output_tokens: Some(200), ..ModelOptions::default() },
///     ..ModelRequest::default()
/// };
/// let Demand::Request { tokens, .. } = Demand::of_request("openai:gpt-5", &request) else {
///     unreachable!()
/// };
/// // No token is shorter than a byte.
/// assert!(tokens.0 >= 5 && tokens.1 == 200);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Demand {
    /// Time alone.
    Nothing,
    /// One tool call.
    ToolCall,
    /// One request to a model.
    Request {
        /// The models that may answer.
        models: Vec<Arc<str>>,
        /// The largest number of input tokens, and of output tokens.
        tokens: (u64, u64),
        /// The usage of the request before, with which a policy can tell that the next one is the
        /// last.
        before: Option<Usage>,
    },
}

impl Demand {
    /// Sets the usage of the request before.
    #[must_use]
    pub fn after(self, usage: Option<Usage>) -> Self {
        match self {
            Self::Request { models, tokens, .. } => Self::Request { models, tokens, before: usage },
            other => other,
        }
    }

    /// Sets the models that may answer. The reservation holds the most expensive of them.
    #[must_use]
    pub fn among<'m>(self, all: impl IntoIterator<Item = &'m str>) -> Self {
        match self {
            Self::Request { tokens, before, .. } => {
                Self::Request { models: all.into_iter().map(Into::into).collect(), tokens, before }
            }
            other => other,
        }
    }
}

/// The answer of budgets to a demand.
///
/// ```
/// # use futures_util::FutureExt as _;
/// use stepwright_core::gate::{Admission, Demand};
/// use stepwright_core::{StepContext, StepError};
/// async fn call(cx: StepContext) -> Result<(), StepError> {
///     match cx.reserve(&Demand::ToolCall).await? {
///         // Keep the reservation until the call has begun.
///         Admission::Granted(_held) | Admission::Last(_held) => Ok(()),
///         Admission::Spent(error) => Err(error),
///     }
/// }
/// call(StepContext::detached("Call")).now_or_never().unwrap()?;
/// # Ok::<(), StepError>(())
/// ```
#[derive(Debug)]
#[must_use = "an effect must not happen if a budget is spent"]
pub enum Admission {
    /// The effect may happen.
    Granted(Reservation),
    /// The effect may happen, and is the last: the agent should finish with it.
    Last(Reservation),
    /// A budget is spent, and its policy is to wrap up. The error is for a step that has nothing to
    /// end with.
    Spent(StepError),
}

/// The owner of reservations, which takes them back. [`Reservation`] has an example.
pub trait Release: Send + Sync {
    /// Takes back the reservation with this number.
    fn release(&self, number: u64);
}

/// An amount that is reserved until this is dropped. The facts of the effect settle it.
///
/// ```
/// use stepwright_core::gate::Reservation;
/// assert_eq!(Reservation::free().tokens(), None);
/// ```
pub struct Reservation {
    held: Option<(Arc<dyn Release>, u64)>,
    amount: Option<[u64; 2]>,
}

impl Reservation {
    /// Creates a reservation of nothing.
    pub fn free() -> Self {
        Self { held: None, amount: None }
    }

    /// Creates a reservation that the host knows by this number, of this many input and output
    /// tokens. For hosts.
    pub fn of(host: Arc<dyn Release>, number: u64, tokens: Option<[u64; 2]>) -> Self {
        Self { held: Some((host, number)), amount: tokens }
    }

    /// Returns the number of reserved input and output tokens, if a budget holds the request.
    pub fn tokens(&self) -> Option<[u64; 2]> {
        self.amount
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some((host, number)) = self.held.take() {
            host.release(number);
        }
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation").field("tokens", &self.amount).finish_non_exhaustive()
    }
}
