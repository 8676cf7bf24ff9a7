//! Conditions: one of two branches.

use super::{AnyStep, Body, Common, Decider, DeciderFn, IntoStep, asynchronous, container};
use std::sync::Arc;
use stepwright_core::{BoxError, StepError, StepInput};

/// A container that executes one sequence of steps if a condition holds, and another if it does
/// not.
///
/// If the chosen branch has no steps, the output of the previous step flows on.
///
/// ```
/// # use stepwright_engine::{Condition, Workflow};
/// # async fn shorten(t: String) -> String { t[..9].into() }
/// let fit = Condition::new("Long?", |input| input.text().len() > 9).then(shorten);
/// let workflow = Workflow::builder("Title").step(fit).build()?;
/// assert_eq!(workflow.run("An extraordinary day").blocking()?.content.text(), "An extrao");
/// assert_eq!(workflow.run("A day").blocking()?.content.text(), "A day");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[must_use = "a container does nothing until it is part of a workflow"]
pub struct Condition {
    common: Common,
    holds: Decider<bool>,
    then: Vec<AnyStep>,
    otherwise: Vec<AnyStep>,
}

impl Condition {
    /// Creates a condition that a function decides. An error of the function fails the condition.
    pub fn new<R: IntoHolds>(
        name: impl Into<String>,
        holds: impl Fn(&StepInput) -> R + Send + Sync + 'static,
    ) -> Self {
        Self::made(name, Decider::Sync(Arc::new(move |input| holds(input).into_holds())))
    }

    /// Creates a condition that an async function decides. It takes what a step's function takes,
    /// such as the context, or a value of the host program.
    ///
    /// ```
    /// use stepwright_core::State;
    /// use stepwright_engine::{Condition, Workflow};
    /// # async fn escalate(t: String) -> String { format!("to a person: {t}") }
    /// #[derive(Clone)]
    /// struct Accounts(Vec<&'static str>);
    /// async fn is_known(name: String, State(accounts): State<Accounts>) -> bool {
    ///     accounts.0.contains(&&*name)
    /// }
    /// let known = Condition::new_async("Known?", is_known).otherwise(escalate);
    /// let accounts = Accounts(vec!["ada"]);
    /// let workflow = Workflow::builder("Triage").state(accounts).step(known).build()?;
    /// assert_eq!(workflow.run("ada").blocking()?.content.text(), "ada");
    /// assert_eq!(workflow.run("ben").blocking()?.content.text(), "to a person: ben");
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn new_async<A, F>(name: impl Into<String>, holds: F) -> Self
    where
        F: DeciderFn<A, Decision: IntoHolds>,
    {
        Self::made(name, asynchronous(holds, F::Decision::into_holds))
    }

    /// Creates a condition with a fixed result, such as the value of a setting.
    pub fn constant(name: impl Into<String>, holds: bool) -> Self {
        Self::made(name, Decider::Constant(holds))
    }

    fn made(name: impl Into<String>, holds: Decider<bool>) -> Self {
        Self { common: Common::named(name), holds, then: Vec::new(), otherwise: Vec::new() }
    }

    /// Adds a step to the branch for a condition that holds.
    pub fn then<M>(mut self, step: impl IntoStep<M>) -> Self {
        self.then.push(step.into_step());
        self
    }

    /// Adds a step to the branch for a condition that does not hold.
    #[doc(alias = "else_steps")]
    pub fn otherwise<M>(mut self, step: impl IntoStep<M>) -> Self {
        self.otherwise.push(step.into_step());
        self
    }
}

container!(Condition, self => Body::Condition {
    holds: self.holds,
    then: self.then,
    otherwise: self.otherwise,
});

/// A result of a condition: `bool`, or a `Result` of it. See [`Condition::new`] and
/// [`Loop::until`](crate::Loop::until).
///
/// ```
/// use stepwright_core::StepInput;
/// use stepwright_engine::{Condition, IntoHolds};
/// fn asked<R: IntoHolds + 'static>(holds: fn(&StepInput) -> R) -> Condition {
///     Condition::new("Asked?", holds)
/// }
/// let _ = asked(|input| input.text().ends_with('?'));
/// let _ = asked(|input| input.text().parse::<bool>());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say whether a condition holds",
    note = "return `bool`, or `Result<bool, E>`"
)]
pub trait IntoHolds {
    /// Returns `true` if the condition holds.
    fn into_holds(self) -> Result<bool, StepError>;
}

impl IntoHolds for bool {
    fn into_holds(self) -> Result<bool, StepError> {
        Ok(self)
    }
}

impl<E: Into<BoxError>> IntoHolds for Result<bool, E> {
    fn into_holds(self) -> Result<bool, StepError> {
        self.map_err(StepError::from_error)
    }
}
