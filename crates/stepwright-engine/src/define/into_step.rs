//! Conversion into steps.

use super::AnyStep;

/// A marker for values that are steps themselves. You need not name it.
#[derive(Debug)]
pub struct Whole;
/// A marker for values that steps are made of. You need not name it.
#[derive(Debug)]
pub struct Made<M>(std::marker::PhantomData<M>);

/// A value that can be a step: an `Agent`, an `async fn`, a `Workflow`, a `Step` or a container.
///
/// `M` is a marker that the compiler infers; you need not name it.
///
/// ```
/// use stepwright_engine::{IntoStep, Loop, Steps, Workflow};
/// fn twice<M>(name: &str, step: impl IntoStep<M>) -> Loop {
///     Loop::new(name).step(step).forward().at_most(2)
/// }
/// # async fn double(text: String) -> String { text.repeat(2) }
/// # async fn end(text: String) -> String { text + "." }
/// let line = twice("line", Steps::new("both").step(twice("again", double)).step(end));
/// let output = Workflow::builder("Echo").step(line).build()?.run("a").blocking()?;
/// assert_eq!(output.content.text(), "aaaa.aaaa.aaaa.aaaa..");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a step",
    label = "a step is an `Agent`, an `async fn`, a `Workflow`, a `Step` or a container",
    note = "the containers are `Steps`, `Parallel`, `Loop`, `Condition`, `Router` and `Map`",
    note = "an `async fn` takes up to three of \
            `String`, `Json<T>`, `Content`, `StepInput`, `StepContext` and `State<T>`",
    note = "it returns `String`, `Json<T>`, `Content`, `StepOutput` or `()`, \
            or a `Result` of one of them",
    note = "a number, say, is `Json<u64>`: `async fn double(Json(n): Json<u64>) -> Json<u64>`",
    note = "its future is `Send`: it keeps no `Rc`, `RefCell` or guard of a lock over an `.await`",
    note = "it is called again for each run and retry: a closure clones what it uses, \
            and moves the clone into its `async move` block",
    note = "pass the function and not its future: `.step(outline)`, not `.step(outline(…))`",
    note = "an `AgentBuilder` becomes an `Agent` with `.build()?`, a `WorkflowBuilder` a `Workflow`"
)]
pub trait IntoStep<M> {
    /// Converts the value into a part of a definition.
    fn into_step(self) -> AnyStep;
}

impl IntoStep<Whole> for AnyStep {
    fn into_step(self) -> AnyStep {
        self
    }
}
