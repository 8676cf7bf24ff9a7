//! Routers: steps chosen by name.

use super::{AnyStep, Body, Common, Decider, DeciderFn, IntoStep, asynchronous, container};
use std::sync::Arc;
use stepwright_core::{BoxError, StepError, StepInput};

/// A container that executes chosen steps, by name: one, several in an order, or none.
///
/// Chosen steps are executed one after the other. If none is chosen, the output of the previous
/// step flows on. An unknown name fails the router.
///
/// ```
/// use stepwright_core::StepInput;
/// use stepwright_engine::{Router, Workflow};
/// # async fn blog(text: String) -> String { format!("# {text}") }
/// # async fn tweet(text: String) -> String { text }
/// let by_length = |input: &StepInput| if input.text().len() > 20 { "blog" } else { "tweet" };
/// let channel = Router::new("Channel", by_length).choice(blog).choice(tweet);
/// let workflow = Workflow::builder("Publish").step(channel).build()?;
/// assert_eq!(workflow.run("Short news").blocking()?.content.text(), "Short news");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[must_use = "a container does nothing until it is part of a workflow"]
pub struct Router {
    common: Common,
    choose: Decider<Vec<Arc<str>>>,
    choices: Vec<AnyStep>,
}

impl Router {
    /// Creates a router whose choices a function makes.
    pub fn new<R: IntoRoute>(
        name: impl Into<String>,
        choose: impl Fn(&StepInput) -> R + Send + Sync + 'static,
    ) -> Self {
        Self::made(name, Decider::Sync(Arc::new(move |input| choose(input).into_route())))
    }

    /// Creates a router whose choices an async function makes. It takes what a step's function
    /// takes: see [`Condition::new_async`](crate::Condition::new_async).
    pub fn new_async<A, F>(name: impl Into<String>, choose: F) -> Self
    where
        F: DeciderFn<A, Decision: IntoRoute>,
    {
        Self::made(name, asynchronous(choose, F::Decision::into_route))
    }

    /// Creates a router with fixed choices, such as the value of a setting.
    pub fn constant<N: Into<Arc<str>>>(
        name: impl Into<String>,
        chosen: impl IntoIterator<Item = N>,
    ) -> Self {
        Self::made(name, Decider::Constant(chosen.into_iter().map(Into::into).collect()))
    }

    fn made(name: impl Into<String>, choose: Decider<Vec<Arc<str>>>) -> Self {
        Self { common: Common::named(name), choose, choices: Vec::new() }
    }

    /// Adds a step that can be chosen.
    pub fn choice<M>(mut self, step: impl IntoStep<M>) -> Self {
        self.choices.push(step.into_step());
        self
    }
}

container!(Router, self => Body::Router { choose: self.choose, choices: self.choices });

/// A choice of a router: a name, a list of names, or an `Option` or `Result` of these. See
/// [`Router::new`].
///
/// ```
/// use stepwright_core::StepInput;
/// use stepwright_engine::{IntoRoute, Router};
/// fn by<R: IntoRoute + 'static>(choose: fn(&StepInput) -> R) -> Router {
///     Router::new("By", choose)
/// }
/// let _ = by(|input| if input.text().is_empty() { None } else { Some("answer") });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name the choices of a router",
    note = "return a `&'static str` or `String`, a `Vec` or an `Option` of it, \
            or a `Result` of these"
)]
pub trait IntoRoute {
    /// Returns the names of the chosen steps, in the order in which they run.
    fn into_route(self) -> Result<Vec<Arc<str>>, StepError>;
}

impl IntoRoute for &'static str {
    fn into_route(self) -> Result<Vec<Arc<str>>, StepError> {
        Ok(vec![self.into()])
    }
}

impl IntoRoute for String {
    fn into_route(self) -> Result<Vec<Arc<str>>, StepError> {
        Ok(vec![self.into()])
    }
}

impl<R: IntoRoute> IntoRoute for Option<R> {
    fn into_route(self) -> Result<Vec<Arc<str>>, StepError> {
        self.map_or_else(|| Ok(Vec::new()), R::into_route)
    }
}

impl<R: IntoRoute> IntoRoute for Vec<R> {
    fn into_route(self) -> Result<Vec<Arc<str>>, StepError> {
        let mut names = Vec::with_capacity(self.len());
        for route in self {
            names.extend(route.into_route()?);
        }
        Ok(names)
    }
}

impl<R: IntoRoute, E: Into<BoxError>> IntoRoute for Result<R, E> {
    fn into_route(self) -> Result<Vec<Arc<str>>, StepError> {
        self.map_err(StepError::from_error).and_then(R::into_route)
    }
}
