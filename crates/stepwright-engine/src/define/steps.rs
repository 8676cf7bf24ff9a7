//! Sequences.

use super::{AnyStep, Body, Common, IntoStep, container};

/// A container that executes its steps one after the other.
///
/// ```
/// # use stepwright_engine::{Steps, Workflow};
/// # async fn outline(t: String) -> String { t } async fn write(t: String) -> String { t }
/// let article = Steps::new("Article").step(outline).step(write);
/// Workflow::builder("Paper").step(article).build()?;
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[must_use = "a container does nothing until it is part of a workflow"]
pub struct Steps {
    common: Common,
    body: Vec<AnyStep>,
}

impl Steps {
    /// Creates a sequence without steps.
    pub fn new(name: impl Into<String>) -> Self {
        Self { common: Common::named(name), body: Vec::new() }
    }

    /// Adds a step at the end.
    pub fn step<M>(mut self, step: impl IntoStep<M>) -> Self {
        self.body.push(step.into_step());
        self
    }
}

container!(Steps, self => Body::Steps(self.body));
