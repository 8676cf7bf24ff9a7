//! Loops: steps that repeat.

use super::condition::IntoHolds;
use super::{
    AnyStep, Body, Common, Decider, DeciderFn, FromStep, IntoStep, asynchronous, container,
};
use std::sync::Arc;
use stepwright_core::plan::OnExhausted;
use stepwright_core::{Content, StepContext, StepError, StepInput};

/// A container that repeats its steps until a condition holds, and at most
/// [`at_most`](Loop::at_most) times.
///
/// A loop that makes all its turns without meeting its condition fails, unless
/// [`Loop::on_exhausted`] sets another policy.
///
/// Each turn begins with the input of the loop, as in Agno. With [`Loop::forward`] it begins with
/// the output of the turn before.
///
/// ```
/// # use stepwright_engine::{Loop, Workflow};
/// # async fn improve(draft: String) -> String { draft + "!" }
/// let revise = Loop::new("Revise")
///     .step(improve)
///     .forward()
///     .at_most(5)
///     .until(|turn| turn.text().len() > 6);
/// let output = Workflow::builder("Letter").step(revise).build()?.run("Hello").blocking()?;
/// assert_eq!(output.content.text(), "Hello!!");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[must_use = "a container does nothing until it is part of a workflow"]
pub struct Loop {
    common: Common,
    body: Vec<AnyStep>,
    at_most: Option<u32>,
    forward: bool,
    until: Option<Decider<bool>>,
    on_exhausted: Option<OnExhausted>,
}

impl Loop {
    /// Creates a loop without steps. It needs a bound: see [`Loop::at_most`].
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            common: Common::named(name),
            body: Vec::new(),
            at_most: None,
            forward: false,
            until: None,
            on_exhausted: None,
        }
    }

    /// Adds a step at the end of a turn.
    pub fn step<M>(mut self, step: impl IntoStep<M>) -> Self {
        self.body.push(step.into_step());
        self
    }

    /// Sets the bound: the largest number of turns.
    #[doc(alias = "max_iterations")]
    pub fn at_most(mut self, turns: u32) -> Self {
        self.at_most = Some(turns);
        self
    }

    /// Sets the policy for a loop that makes all its turns without meeting [`until`](Loop::until),
    /// or without a person accepting a turn. By default the loop fails. A loop that has neither
    /// condition cannot have this policy.
    ///
    /// ```
    /// use stepwright_engine::{Loop, Step, Workflow};
    /// use stepwright_core::{StepInput, plan::OnExhausted};
    /// # async fn improve(draft: String) -> String { draft + "!" }
    /// let revise = Loop::new("Revise")
    ///     .step(improve)
    ///     .forward()
    ///     .at_most(2)
    ///     .until(|turn| turn.text().len() > 20)
    ///     .on_exhausted(OnExhausted::Continue);
    /// let label = Step::new("Label", |input: StepInput| async move {
    ///     let ended = input.loop_outcome("Revise").unwrap_or_default();
    ///     format!("{} ({} turns, exhausted: {})", input.text(), ended.iterations, ended.exhausted)
    /// });
    /// let output = Workflow::builder("Letter").step(revise).step(label).build()?;
    /// let output = output.run("Hello").blocking()?;
    /// assert_eq!(output.content.text(), "Hello!! (2 turns, exhausted: true)");
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn on_exhausted(mut self, on_exhausted: OnExhausted) -> Self {
        self.on_exhausted = Some(on_exhausted);
        self
    }

    /// Makes each turn after the first begin with the output of the turn before.
    #[doc(alias = "forward_iteration_output")]
    pub fn forward(mut self) -> Self {
        self.forward = true;
        self
    }

    /// Ends the loop after a turn for which `holds` returns `true`. An error fails the loop.
    #[doc(alias = "end_condition")]
    pub fn until<R: IntoHolds>(
        mut self,
        holds: impl Fn(&LoopView) -> R + Send + Sync + 'static,
    ) -> Self {
        let decide = move |input: &StepInput| holds(&LoopView(input.clone())).into_holds();
        self.until = Some(Decider::Sync(Arc::new(decide)));
        self
    }

    /// Ends the loop after a turn for which an async function returns `true`. It takes what a
    /// step's function takes (see [`Condition::new_async`](crate::Condition::new_async)), and the
    /// [`LoopView`].
    pub fn until_async<A, F>(mut self, holds: F) -> Self
    where
        F: DeciderFn<A, Decision: IntoHolds>,
    {
        self.until = Some(asynchronous(holds, F::Decision::into_holds));
        self
    }
}

container!(Loop, self => Body::Loop {
    body: self.body,
    at_most: self.at_most,
    forward: self.forward,
    until: self.until,
    on_exhausted: self.on_exhausted,
});

/// The view of a loop that its condition gets after a turn.
///
/// ```
/// use stepwright_engine::{Loop, LoopView, Workflow};
/// # async fn write(draft: String) -> String { draft + " more" }
/// # async fn review(draft: String) -> String { draft }
/// fn is_good(turn: &LoopView) -> bool {
///     let draft = turn.step("write").map(|draft| draft.text().len());
///     turn.iteration() >= 2 && draft >= Some(12)
/// }
/// let revise = Loop::new("Revise").step(write).step(review).forward().at_most(9).until(is_good);
/// let output = Workflow::builder("Letter").step(revise).build()?.run("Once").blocking()?;
/// assert_eq!(output.content.text(), "Once more more");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LoopView(StepInput);

impl FromStep for LoopView {
    fn from_step(input: &StepInput, _: &StepContext) -> Result<Self, StepError> {
        Ok(Self(input.clone()))
    }
}

impl LoopView {
    /// Returns the output of the turn.
    pub fn content(&self) -> &Content {
        self.0.content()
    }

    /// Returns the output of the turn, as text.
    pub fn text(&self) -> String {
        self.0.text()
    }

    /// Returns the number of the turn, from 1.
    pub fn iteration(&self) -> u32 {
        self.0.nth
    }

    /// Returns the output of a step of this turn, or of one before the loop.
    pub fn step(&self, name: &str) -> Option<&Content> {
        self.0.step(name)
    }

    /// Returns the whole input that a step at the end of the turn would get.
    pub fn input(&self) -> &StepInput {
        &self.0
    }
}
