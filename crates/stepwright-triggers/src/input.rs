//! Inputs of runs that are made of what began them.

use serde_json::Value;
use std::sync::Arc;
use stepwright_core::{BoxFuture, Content, Error};

/// Makes the input of a run.
pub(crate) type MakeInput =
    Arc<dyn Fn(Value) -> BoxFuture<'static, Result<Content, Error>> + Send + Sync>;
