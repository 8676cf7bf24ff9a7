//! Maps: steps for each item of a list.

use super::{AnyStep, Body, Common, Decider, DeciderFn, IntoStep, asynchronous, container};
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::plan::{Join, Rate};
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
    batch: Option<u32>,
    rate: Option<Rate>,
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
            batch: None,
            rate: None,
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

    /// Makes the map work on several items as one: each execution of its steps gets a list of this
    /// many items, and the last one what is left.
    ///
    /// ```
    /// use stepwright_engine::{Json, Map, Workflow};
    /// async fn sum(Json(numbers): Json<Vec<u32>>) -> Json<u32> {
    ///     Json(numbers.iter().sum())
    /// }
    /// let numbers = [1, 2, 3].map(serde_json::Value::from).to_vec();
    /// let each = Map::new("Each").over(move |_| numbers.clone()).step(sum);
    /// let output = Workflow::builder("Sums").step(each.batch(2)).build()?.run("all").blocking()?;
    /// assert_eq!(output.content.text(), "[3,3]");
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn batch(mut self, items: u32) -> Self {
        self.batch = Some(items);
        self
    }

    /// Limits the items, or batches, that begin within a time. They begin at equal distances.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stepwright_engine::{Map, Workflow};
    /// # async fn look_up(name: String) -> String { name }
    /// // At most five requests a second.
    /// let each = Map::new("Each").step(look_up).rate(5, Duration::from_secs(1));
    /// # let each = each.over(|_| Vec::<String>::new());
    /// Workflow::builder("Addresses").step(each).build()?;
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn rate(mut self, items: u32, per: Duration) -> Self {
        let per_ms = u64::try_from(per.as_millis()).unwrap_or(u64::MAX);
        self.rate = Some(Rate { items, per_ms });
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
    batch: self.batch,
    rate: self.rate,
});

/// A list of items for a map: a `Vec`, or a `Result` of one. See [`Map::over`].
///
/// ```
/// use stepwright_core::StepInput;
/// use stepwright_engine::{IntoItems, Map};
/// fn each<R: IntoItems + 'static>(items: fn(&StepInput) -> R) -> Map {
///     Map::new("Each").over(items)
/// }
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
