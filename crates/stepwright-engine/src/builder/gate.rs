//! The permissions and budgets of a workflow, and the prices of models.

use super::WorkflowBuilder;
use crate::gate::Guard;
use std::sync::Arc;
use stepwright_core::budget::Budget;
use stepwright_core::cost::Prices;
use stepwright_core::permission::Permissions;

impl WorkflowBuilder {
    /// Sets the permissions of the workflow's effects: commands, files, addresses, tools and
    /// models. If it is called several times, the strictest permissions decide. Without it,
    /// everything is allowed.
    ///
    /// A person is asked about an effect that no rule names, and the run waits for the answer.
    ///
    /// ```
    /// use stepwright_core::permission::{Effect, Permissions};
    /// use stepwright_core::{ErrorId, StepContext, StepError};
    /// use stepwright_engine::Workflow;
    /// async fn charge(card: String, cx: StepContext) -> Result<String, StepError> {
    ///     let _running = cx.begin_effect(&Effect::tool("charge")).await?;
    ///     Ok(format!("charged {card}"))
    /// }
    /// let permissions = Permissions::default().deny("charge")?;
    /// let workflow = Workflow::builder("Shop").permissions(permissions).step(charge).build()?;
    /// let error = workflow.run("4000").blocking().unwrap_err();
    /// assert_eq!(error.id(), ErrorId::EFFECT_REFUSED);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn permissions(self, permissions: Permissions) -> Self {
        self.permissions_of("the workflow", permissions)
    }

    /// Sets permissions as [`WorkflowBuilder::permissions`] does. Messages and events name their
    /// owner, such as `the user`.
    pub fn permissions_of(mut self, by: impl Into<Arc<str>>, permissions: Permissions) -> Self {
        let (by, permissions) = (by.into(), Arc::new(permissions));
        self.guards.push(Guard { node: None, by, permissions });
        self
    }

    /// Sets whether effects that need a person's permission are refused in place of a question. For
    /// programs that run where no person looks.
    pub fn unattended(mut self, unattended: bool) -> Self {
        self.is_unattended = unattended;
        self
    }

    /// Sets the budget of a run: what all its agents may consume together. On a workflow that is a
    /// step, it holds for that step.
    ///
    /// ```
    /// use stepwright_core::budget::{AtLimit, Budget};
    /// use stepwright_engine::Workflow;
    /// # async fn research(topic: String) -> String { topic }
    /// let budget = Budget::default().tokens(200_000).model_calls(50).at_limit(AtLimit::Pause);
    /// let workflow = Workflow::builder("Research").budget(budget).step(research).build()?;
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Sets the budget of a session: what all its runs may consume together. Runs that have ended
    /// count. Of runs at the same time, each counts those that had ended when it began.
    pub fn session_budget(mut self, budget: Budget) -> Self {
        self.session_budget = Some(budget);
        self
    }

    /// Sets prices of models. They override the built-in ones.
    ///
    /// ```
    /// use stepwright_core::cost::{Price, Prices};
    /// use stepwright_engine::Workflow;
    /// # async fn research(topic: String) -> String { topic }
    /// let mut prices = Prices::default();
    /// prices.set("openai-chat:in-house", Price::new(0.1, 0.2));
    /// let workflow = Workflow::builder("Research").prices(prices).step(research).build()?;
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn prices(mut self, prices: Prices) -> Self {
        self.prices.get_or_insert_with(Prices::built_in).extend(prices);
        self
    }
}
