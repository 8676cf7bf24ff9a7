//! Evaluates expressions and templates: small ones at once, and large ones on a thread for blocking
//! work, so that they do not block the runtime.

use crate::budget::{Budget, Unfinished};
use crate::format::Computed;
use crate::reference::{OwnedValues, Values};
use crate::system::blocking;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stepwright_core::error::ErrorCode;
use stepwright_core::{ErrorId, StepError};
use tokio::sync::Semaphore;

/// The maximum number of concurrent large evaluations in a process. Each may use a whole core, and
/// as much memory as its limits allow.
const LARGE_MAX: usize = 4;

static LARGE: Semaphore = Semaphore::const_new(LARGE_MAX);

/// Evaluates expressions and templates with `work`, which may be called twice. Dropping the future
/// ends the evaluation.
pub(crate) async fn evaluate<T: Send + 'static>(
    values: OwnedValues,
    work: impl Fn(&Values<'_>, &Budget<'_>) -> Result<T, Unfinished> + Send + 'static,
) -> Result<T, StepError> {
    compute(move |budget| work(&values.values(), budget)).await
}

/// Evaluates the expressions in a value.
pub(crate) async fn value_of(value: &Computed, values: OwnedValues) -> Result<Value, StepError> {
    let value = value.clone();
    evaluate(values, move |values, budget| value.value(values, budget)).await
}

/// Does `work` within a budget. It may be called twice. Dropping the future ends it.
pub(crate) async fn compute<T: Send + 'static>(
    work: impl Fn(&Budget<'_>) -> Result<T, Unfinished> + Send + 'static,
) -> Result<T, StepError> {
    match work(&Budget::inline()) {
        Ok(done) => return Ok(done),
        Err(Unfinished::Failed(error)) => return Err(error),
        Err(Unfinished::NotHere) => {}
    }
    let stop = StopOnDrop(Arc::default());
    let turn = LARGE.acquire().await.map_err(|error| internal(&error.to_string()))?;
    let stopped = stop.0.clone();
    blocking(move || {
        // Hold the permit until the evaluation has ended, even if the future was dropped.
        let _turn = turn;
        let budget = Budget::whole(Some(&stopped));
        work(&budget).map_err(|unfinished| match unfinished {
            Unfinished::Failed(error) => error,
            Unfinished::NotHere => internal("the whole budget is not enough, and does not say so"),
        })
    })
    .await
}

fn internal(what: &str) -> StepError {
    StepError::terminal(format!("internal error: {what}"))
        .with_code(ErrorCode::Panicked)
        .with_id(ErrorId::INTERNAL)
}

struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::time::Duration;
    use stepwright_core::StepInput;

    #[tokio::test]
    async fn a_timeout_ends_what_no_limit_would_end() {
        let (ended, has_ended) = tokio::sync::oneshot::channel();
        let ended = Mutex::new(Some(ended));
        let endless = move |_: &Values<'_>, budget: &Budget<'_>| -> Result<(), Unfinished> {
            if budget.is_inline() {
                return Err(Unfinished::NotHere);
            }
            // This takes no operations and no bytes, so only the flag can end it.
            while budget.look().is_ok() {
                std::thread::yield_now();
            }
            let _ = ended.lock().unwrap().take().unwrap().send(());
            Err(Unfinished::NotHere)
        };
        let values = OwnedValues::of(StepInput::of("x"));
        let evaluated = tokio::time::timeout(Duration::from_millis(1), evaluate(values, endless));
        assert!(evaluated.await.is_err());
        has_ended.await.unwrap();
    }
}
