//! Checks of values against schemas, within a budget.

use crate::budget::Budget;
use crate::schema::{Refusal, Schema};
use crate::stack::with_stack;
use crate::work::compute;
use serde_json::Value;
use std::sync::Arc;

/// Checks the answer of an agent.
pub(crate) async fn fits(value: Arc<Value>, schema: Arc<Schema>) -> Result<(), String> {
    checked(move |budget| schema.fits(&value, budget)).await
}

/// Makes a check within a budget. A large one leaves the caller's thread.
pub(crate) async fn checked<T: Send + 'static>(
    check: impl Fn(&Budget<'_>) -> Result<T, Refusal> + Send + Sync + 'static,
) -> Result<T, String> {
    let made = compute(move |budget| {
        let check = || check(budget);
        // Schemas and values may be nested deeper than the stack of a thread for blocking work.
        let made = if budget.is_inline() { check() } else { with_stack(check) };
        made.map_or_else(|refusal| refusal.into_unfinished(budget).map(Err), |made| Ok(Ok(made)))
    });
    made.await.unwrap_or_else(|error| Err(error.data.message))
}
