//! What can be a step.

use super::function::IntoExecutor;
use super::{AnyStep, Step};
use crate::workflow::Workflow;

/// Marks what is a step by itself. You need not name it.
#[derive(Debug)]
pub struct Whole;
/// Marks what a step is made of. You need not name it.
#[derive(Debug)]
pub struct Made<M>(std::marker::PhantomData<M>);

/// What can be a step: an `Agent`, an `async fn`, a `Workflow`, a `Step` or a container.
///
/// `M` is a marker that the compiler finds; you need not name it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a step",
    label = "not a step",
    note = "pass an `Agent`, an `async fn`, a `Workflow`, or one of `Step`, `Steps`, `Parallel`, `Loop`, `Condition`, `Router`, `Map`",
    note = "an `async fn` takes up to three arguments that implement `FromStep` and returns something that implements `IntoOutput`"
)]
pub trait IntoStep<M> {
    /// Makes it a part of a definition.
    fn into_step(self) -> AnyStep;
}

impl IntoStep<Whole> for AnyStep {
    fn into_step(self) -> AnyStep {
        self
    }
}

impl IntoStep<Whole> for Workflow {
    fn into_step(self) -> AnyStep {
        Step::workflow(self.name().to_owned(), self).into_step()
    }
}

#[diagnostic::do_not_recommend]
impl<M, X: IntoExecutor<M>> IntoStep<Made<M>> for X {
    fn into_step(self) -> AnyStep {
        let executor = self.into_executor();
        Step::of(executor.name().to_owned(), executor).into_step()
    }
}
