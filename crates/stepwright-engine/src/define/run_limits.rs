//! Limits of the runs of a workflow: how many go on at once, and which are the same.

use serde_json::Number;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::sent::SendMode;
use stepwright_core::{BoxFuture, Content, Error, ErrorId, StepError, StepInput};

/// The maximum length of a key of runs, in bytes. Each entry of the queue has it.
pub(crate) const KEY_BYTES_MAX: usize = 512;

type KeyOf = Arc<dyn Fn(StepInput) -> BoxFuture<'static, Result<Content, StepError>> + Send + Sync>;

/// The number of runs of a workflow that go on at once, over all processes that share its store.
///
/// Runs with the same key share the limit; without a key, all runs of the workflow do. A run holds
/// its slot until it ends, also while it is paused. If its process dies, the slot is free when the
/// lease of the process ends, and the run waits for one again when it is resumed.
///
/// ```
/// use stepwright_core::StepInput;
/// use stepwright_engine::{Concurrency, WhenFull, Workflow};
/// # async fn reply(mail: String) -> String { mail }
/// let one_for_each_customer = Concurrency::at_most(1)
///     .key(|input: &StepInput| input.run.content.to_value()["customer"].clone())
///     .then(WhenFull::Queue);
/// let workflow = Workflow::builder("Reply").concurrency(one_for_each_customer).step(reply);
/// let run = workflow.build()?.run(serde_json::json!({"customer": "acme"})).blocking()?;
/// assert!(run.queued.is_none());
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Concurrency {
    pub(crate) max: u32,
    pub(crate) key: Option<KeyOf>,
    pub(crate) then: WhenFull,
}

/// The behaviour of a run for which there is no slot.
///
/// ```
/// use stepwright_engine::WhenFull;
/// assert_eq!(WhenFull::default(), WhenFull::Queue);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// The run waits until a slot is free, in the order in which runs began.
    #[default]
    Queue,
    /// The run does not begin: it fails with an error of the kind
    /// [`ErrorKind::Skipped`](stepwright_core::ErrorKind::Skipped), and nothing of it is stored.
    Skip,
    /// The oldest runs of the key are cancelled, and the run goes on when they have ended.
    CancelRunning,
}

/// The behaviour of a run that begins while another run of its session is under way, over all
/// processes that share the store of the workflow.
///
/// A run that waits for an answer is under way, too.
///
/// ```
/// use stepwright_core::{ErrorId, HumanReview};
/// use stepwright_engine::{OnBusy, Step, Workflow};
/// # async fn pay(bill: String) -> String { bill }
/// let asks = HumanReview::new().requires_confirmation("Pay?");
/// let pay = Step::new("Pay", pay).human_review(asks);
/// # let store = stepwright_core::Memory::default();
/// let workflow = Workflow::builder("Bills").store(store).on_busy(OnBusy::Reject).step(pay);
/// let workflow = workflow.build()?;
/// assert!(workflow.run("5 EUR").session_id("s-1").blocking()?.is_paused());
/// let busy = workflow.run("7 EUR").session_id("s-1").blocking().unwrap_err();
/// assert_eq!(busy.id(), ErrorId::SESSION_BUSY);
/// assert!(workflow.run("7 EUR").session_id("s-2").blocking().is_ok());
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnBusy {
    /// The run waits until the other runs of the session have ended.
    Queue,
    /// The input becomes a message to the run that is under way: see
    /// [`SendMode::Steer`]. No second run begins, and the caller gets the events and the output of
    /// that run. If that run ends without having read the message, the run begins after all.
    Steer,
    /// As [`OnBusy::Steer`], with a message that cuts off the answer of the model: see
    /// [`SendMode::Interrupt`].
    Interrupt,
    /// The run does not begin: it fails with an error of the kind
    /// [`ErrorKind::Skipped`](stepwright_core::ErrorKind::Skipped), and nothing of it is stored.
    Reject,
}

impl OnBusy {
    /// Returns the mode of the message that the input becomes, if it becomes one.
    pub(crate) fn sends(self) -> Option<SendMode> {
        match self {
            Self::Steer => Some(SendMode::Steer),
            Self::Interrupt => Some(SendMode::Interrupt),
            Self::Queue | Self::Reject => None,
        }
    }
}

/// Recognises runs that are the same, over all processes that share the store of a workflow.
///
/// A run whose key another run has had within the time does not begin: it fails with an error of
/// the kind [`ErrorKind::Skipped`](stepwright_core::ErrorKind::Skipped) that names the earlier run.
/// The earlier run counts whatever its end; to have its work done, retry it.
///
/// ```
/// use std::time::Duration;
/// use stepwright_core::{ErrorId, StepInput};
/// use stepwright_engine::{Dedupe, Workflow};
/// # async fn charge(order: String) -> String { order }
/// let day = Duration::from_secs(86_400);
/// let once_a_day = Dedupe::within(day).key(|input: &StepInput| input.run.content.clone());
/// let workflow = Workflow::builder("Charge").dedupe(once_a_day).step(charge).build()?;
/// workflow.run("order 7").blocking()?;
/// let again = workflow.run("order 7").blocking().unwrap_err();
/// assert_eq!(again.id(), ErrorId::RUN_DUPLICATE);
/// assert!(workflow.run("order 8").blocking().is_ok());
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Dedupe {
    pub(crate) within: Duration,
    pub(crate) key: Option<KeyOf>,
}

fn at_once<R: Into<Content>>(key: impl Fn(&StepInput) -> R + Send + Sync + 'static) -> KeyOf {
    Arc::new(move |input| Box::pin(std::future::ready(Ok(key(&input).into()))))
}

fn later<F>(key: impl Fn(StepInput) -> F + Send + Sync + 'static) -> KeyOf
where
    F: Future<Output = Result<Content, StepError>> + Send + 'static,
{
    Arc::new(move |input| Box::pin(key(input)))
}

impl Concurrency {
    /// Lets so many runs go on at once.
    pub fn at_most(max: u32) -> Self {
        Self { max, key: None, then: WhenFull::default() }
    }

    /// Sets the key by the input of a run: a text, a number, or true or false. It must give the
    /// same key each time, because a run that is resumed computes it again.
    #[must_use]
    pub fn key<R: Into<Content>>(
        self,
        key: impl Fn(&StepInput) -> R + Send + Sync + 'static,
    ) -> Self {
        Self { key: Some(at_once(key)), ..self }
    }

    /// Sets an async function for the key. See [`Concurrency::key`].
    #[must_use]
    pub fn key_async<F>(self, key: impl Fn(StepInput) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Content, StepError>> + Send + 'static,
    {
        Self { key: Some(later(key)), ..self }
    }

    /// Sets the behaviour of a run for which there is no slot. By default it waits.
    #[must_use]
    pub fn then(self, then: WhenFull) -> Self {
        Self { then, ..self }
    }
}

impl Dedupe {
    /// Recognises runs that begin within this time after the first one.
    pub fn within(within: Duration) -> Self {
        Self { within, key: None }
    }

    /// Sets the key by the input of a run: a text, a number, or true or false. Without a key, the
    /// whole input is the key.
    #[must_use]
    pub fn key<R: Into<Content>>(
        self,
        key: impl Fn(&StepInput) -> R + Send + Sync + 'static,
    ) -> Self {
        Self { key: Some(at_once(key)), ..self }
    }

    /// Sets an async function for the key. See [`Dedupe::key`].
    #[must_use]
    pub fn key_async<F>(self, key: impl Fn(StepInput) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Content, StepError>> + Send + 'static,
    {
        Self { key: Some(later(key)), ..self }
    }
}

/// The limits of the runs of a workflow.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunLimits {
    pub(crate) concurrency: Option<Concurrency>,
    pub(crate) dedupe: Option<Dedupe>,
    pub(crate) on_busy: Option<OnBusy>,
}

impl RunLimits {
    pub(crate) fn is_empty(&self) -> bool {
        self.concurrency.is_none() && self.dedupe.is_none() && self.on_busy.is_none()
    }

    /// Describes a limit that no run can keep.
    pub(crate) fn mistake(&self) -> Option<&'static str> {
        if self.concurrency.as_ref().is_some_and(|limit| limit.max == 0) {
            return Some("the number of runs at once must be at least 1");
        }
        let is_empty = self.dedupe.as_ref().is_some_and(|dedupe| dedupe.within.is_zero());
        is_empty.then_some("the time of `dedupe` must be greater than zero")
    }
}

/// Computes the key of a run. Without a function, `otherwise` is the key.
pub(crate) async fn key_of(
    what: &str,
    key: Option<&KeyOf>,
    input: &StepInput,
    otherwise: impl FnOnce() -> String,
) -> Result<Arc<str>, Error> {
    let wrong = |why: String| {
        Error::usage(format!("the key of `{what}` {why}")).with_id(ErrorId::RUN_KEY_INVALID)
    };
    let Some(key) = key else { return Ok(otherwise().into()) };
    let found = key(input.clone()).await.map_err(|error| {
        let failed = wrong(format!("cannot be computed: {}", error.data.message));
        match error.data.hint {
            Some(hint) => failed.with_hint(hint),
            None => failed,
        }
    })?;
    let is_one = match &found {
        Content::Text(_) => true,
        Content::Json(value) => value.is_string() || value.is_number() || value.is_boolean(),
    };
    let number = match &found {
        Content::Json(value) => value.as_number(),
        Content::Text(_) => None,
    };
    // `1.0` is the same number as `1`.
    let text = number.map_or_else(|| found.text(), |number| whole(number).into());
    let help = "give it a text or a number of the input, such as the id of a customer";
    if !is_one {
        let kind = if found.is_empty() { "nothing" } else { "a list or an object" };
        return Err(wrong(format!("is {kind}")).with_hint(help));
    }
    if text.trim().is_empty() {
        return Err(wrong("is empty".to_owned()).with_hint(help));
    }
    if text.len() > KEY_BYTES_MAX {
        let why = format!("has {} bytes; the limit is {KEY_BYTES_MAX}", text.len());
        return Err(wrong(why).with_hint(help));
    }
    Ok(text.trim().into())
}

/// Writes a number, without a fraction of zero.
fn whole(number: &Number) -> String {
    let text = number.to_string();
    match text.strip_suffix(".0") {
        Some(whole) if number.is_f64() => whole.to_owned(),
        _ => text,
    }
}

impl fmt::Debug for Concurrency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { max, then, key } = self;
        let mut all = f.debug_struct("Concurrency");
        all.field("max", max).field("then", then).field("has_key", &key.is_some()).finish()
    }
}

impl fmt::Debug for Dedupe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = f.debug_struct("Dedupe");
        all.field("within", &self.within).field("has_key", &self.key.is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_is_the_same_key() {
        let text = |number: f64| whole(&Number::from_f64(number).unwrap());
        assert_eq!((&*text(1.0), &*text(-2.0), &*text(1.5)), ("1", "-2", "1.5"));
        assert_eq!(whole(&Number::from(10)), "10");
    }
}
