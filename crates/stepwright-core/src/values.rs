//! Values of the host program, which the steps and tools of a run share.

use crate::codes::ErrorId;
use crate::context::StepContext;
use crate::failure::{ErrorCode, StepError};
use std::any::{Any, TypeId, type_name};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// Values of the host program, at most one of each type. Cheap to clone.
///
/// They are not recorded: a process that resumes a run brings its own.
///
/// ```
/// use stepwright_core::values::HostValues;
/// let mut values = HostValues::default();
/// values.set(7_u64);
/// values.set("seven");
/// assert_eq!((values.get::<u64>(), values.get::<u8>()), (Some(&7), None));
/// ```
#[derive(Clone, Default)]
pub struct HostValues(Option<Arc<BTreeMap<TypeId, HostValue>>>);

#[derive(Clone)]
struct HostValue {
    of: &'static str,
    value: Arc<dyn Any + Send + Sync>,
}

impl HostValues {
    /// Sets the value of type `T`. Replaces the one that is there.
    pub fn set<T: Send + Sync + 'static>(&mut self, value: T) {
        let value = HostValue { of: type_name::<T>(), value: Arc::new(value) };
        Arc::make_mut(self.0.get_or_insert_default()).insert(TypeId::of::<T>(), value);
    }

    /// Returns the value of type `T`, if there is one.
    pub fn get<T: 'static>(&self) -> Option<&T> {
        self.0.as_ref()?.get(&TypeId::of::<T>())?.value.downcast_ref()
    }

    /// Returns `true` if there is no value.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns `true` if there is a value of the type with this name.
    pub fn has(&self, of: &str) -> bool {
        self.0.iter().flat_map(|values| values.values()).any(|value| value.of == of)
    }

    /// Adds the values of `other` for types that have none here. Returns the names of the types for
    /// which both have a value, unless it is the same one.
    pub fn add_missing(&mut self, other: &Self) -> Vec<&'static str> {
        let Some(others) = &other.0 else { return Vec::new() };
        let Some(own) = &mut self.0 else {
            self.0 = Some(others.clone());
            return Vec::new();
        };
        let mut both = Vec::new();
        let own = Arc::make_mut(own);
        for (of, other) in &**others {
            match own.get(of) {
                Some(same) if Arc::ptr_eq(&same.value, &other.value) => {}
                Some(_) => both.push(other.of),
                None => {
                    own.insert(*of, other.clone());
                }
            }
        }
        both
    }
}

impl fmt::Debug for HostValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types = self.0.iter().flat_map(|values| values.values().map(|value| value.of));
        f.debug_set().entries(types).finish()
    }
}

/// An argument of a step's function or a tool that the context provides: a [`State`], or the
/// [`StepContext`] itself.
///
/// ```
/// use stepwright_core::values::FromContext;
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
/// use stepwright_core::values::{FromContext as _, HostValues, State};
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
