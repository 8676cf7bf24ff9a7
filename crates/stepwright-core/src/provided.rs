//! Arguments that the context of a step provides.

use crate::codes::ErrorId;
use crate::context::StepContext;
use crate::failure::{ErrorCode, StepError};
use std::any::type_name;
use std::ops::Deref;

/// An argument of a step's function or a tool that the context provides: a [`State`], or the
/// [`StepContext`] itself.
///
/// ```
/// use stepwright_core::provided::FromContext;
/// use stepwright_core::{StepContext, StepError};
/// /// The name of the user of the run.
/// struct User(String);
/// impl FromContext for User {
///     fn from_context(cx: &StepContext) -> Result<Self, StepError> {
///         match &cx.run().user_id {
///             Some(user) => Ok(Self(user.to_string())),
///             None => Err(StepError::terminal("the run has no user")),
///         }
///     }
/// }
/// assert!(User::from_context(&StepContext::detached("s")).is_err());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be taken from the context of a step",
    note = "take `State<T>` for a value of the host program, or `StepContext`"
)]
pub trait FromContext: Sized {
    /// Takes the argument from the context.
    ///
    /// # Errors
    /// Fails if the context does not have it.
    fn from_context(cx: &StepContext) -> Result<Self, StepError>;
}

impl FromContext for StepContext {
    fn from_context(cx: &StepContext) -> Result<Self, StepError> {
        Ok(cx.clone())
    }
}

/// A value of the host program, as an argument of a step's function, a decider or a tool: a pool of
/// connections, a client, a setting.
///
/// Set it with `.state(…)`, on the workflow for all of its runs, or on one run. There is one value
/// of each type; the function gets a clone of it. Values are not recorded.
///
/// ```
/// # use stepwright_core::{StepContext, StepError};
/// use stepwright_core::values::HostValues;
/// use stepwright_core::provided::{FromContext as _, State};
/// let mut values = HostValues::default();
/// values.set(String::from("postgres://db"));
/// let cx = StepContext::detached("Save").with_state(values);
/// let State(url) = State::<String>::from_context(&cx)?;
/// assert_eq!(url, "postgres://db");
/// assert!(State::<u16>::from_context(&cx).is_err());
/// # Ok::<(), StepError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State<T>(pub T);

impl<T: Clone + Send + Sync + 'static> FromContext for State<T> {
    fn from_context(cx: &StepContext) -> Result<Self, StepError> {
        cx.state::<T>().cloned().map(Self).ok_or_else(|| missing(type_name::<T>()))
    }
}

impl<T> Deref for State<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

fn missing(of: &str) -> StepError {
    StepError::terminal(format!("the run has no state of type `{of}`"))
        .with_code(ErrorCode::BadInput)
        .with_id(ErrorId::HOST_STATE_MISSING)
        .with_hint("add it to the workflow or to the run with `.state(…)`")
}
