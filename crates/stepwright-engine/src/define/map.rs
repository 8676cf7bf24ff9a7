//! Maps: steps for each item of a list.

use super::{AnyStep, Body, Common, Decider, DeciderFn, IntoStep, asynchronous, container};
use std::sync::Arc;
use stepwright_core::plan::Join;
use stepwright_core::{BoxError, Content, StepError, StepInput};

/// The number of items that a map works on at the same time by default.
pub(crate) const CONCURRENCY: u32 = 8;

/// A container that executes its steps for each item of a list, several items at the same time.
///
/// The first step of an item gets the item as its input. The output of the map is the list of the
/// items' outputs, in the order of the items. An item that failed under [`Join::BestEffort`] is
/// `null` in it.
///
/// ```
/// # use stepwright_engine::{Map, Workflow};
/// # async fn shout(t: String) -> String { t.to_uppercase() }
/// let each = Map::new("Each word")
///     .over(|input| input.text().split(' ').map(String::from).collect::<Vec<_>>())
///     .step(shout)
///     .concurrency(2);
/// let output = Workflow::builder("Shout").step(each).build()?.run("a b c").blocking()?;
/// assert_eq!(output.content.text(), r#"["A","B","C"]"#);
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[must_use = "a container does nothing until it is part of a workflow"]
pub struct Map {
    common: Common,
    over: Option<Decider<Vec<Content>>>,
    body: Vec<AnyStep>,
    concurrency: u32,
    join: Join,
}

impl Map {
    /// Creates a map without steps, over the output of the previous step, which must be a list.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            common: Common::named(name),
            over: None,
            body: Vec::new(),
            concurrency: CONCURRENCY,
            join: Join::default(),
        }
    }

    /// Sets the items, as a function of the map's input.
    pub fn over<R: IntoItems>(
        mut self,
        items: impl Fn(&StepInput) -> R + Send + Sync + 'static,
    ) -> Self {
        self.over = Some(Decider::Sync(Arc::new(move |input| items(input).into_items())));
        self
    }

    /// Sets the items with an async function. It takes what a step's function takes: see
    /// [`Condition::new_async`](crate::Condition::new_async).
    pub fn over_async<A, F>(mut self, items: F) -> Self
    where
        F: DeciderFn<A, Decision: IntoItems>,
    {
        self.over = Some(asynchronous(items, F::Decision::into_items));
        self
    }

    /// Adds a step at the end of the steps for each item.
    pub fn step<M>(mut self, step: impl IntoStep<M>) -> Self {
        self.body.push(step.into_step());
        self
    }

    /// Sets the number of items that are worked on at the same time. The default is 8.
    pub fn concurrency(mut self, at_a_time: u32) -> Self {
        self.concurrency = at_a_time;
        self
    }

    /// Sets the policy for an item that fails. By default the other items finish, and then the map
    /// fails.
    ///
    /// ```
    /// use stepwright_core::{StepError, plan::Join};
    /// use stepwright_engine::{Map, Workflow};
    /// async fn check(word: String) -> Result<String, StepError> {
    ///     if word == "no" { Err(StepError::terminal("refused")) } else { Ok(word) }
    /// }
    /// let each = Map::new("Each").over(|_| vec!["yes", "no"]).step(check).join(Join::BestEffort);
    /// let output = Workflow::builder("Check").step(each).build()?.run("all").blocking()?;
    /// assert_eq!(output.content.text(), r#"["yes",null]"#);
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn join(mut self, join: Join) -> Self {
        self.join = join;
        self
    }
}

container!(Map, self => Body::Map {
    over: self.over,
    body: self.body,
    concurrency: self.concurrency,
    join: self.join,
});

/// A list of items for a map: a `Vec`, or a `Result` of one. See [`Map::over`].
///
/// ```
/// use stepwright_core::StepInput;
/// use stepwright_engine::{IntoItems, Map};
/// fn each<R: IntoItems + 'static>(items: fn(&StepInput) -> R) -> Map { Map::new("Each").over(items) }
/// let _ = each(|input| input.text().lines().map(String::from).collect::<Vec<_>>());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no list of items",
    note = "return a `Vec` of texts, JSON values or `Content`, or a `Result` of one"
)]
pub trait IntoItems {
    /// Returns the items.
    fn into_items(self) -> Result<Vec<Content>, StepError>;
}

impl<C: Into<Content>> IntoItems for Vec<C> {
    fn into_items(self) -> Result<Vec<Content>, StepError> {
        Ok(self.into_iter().map(Into::into).collect())
    }
}

impl<I: IntoItems, E: Into<BoxError>> IntoItems for Result<I, E> {
    fn into_items(self) -> Result<Vec<Content>, StepError> {
        self.map_err(StepError::from_error).and_then(I::into_items)
    }
}
