//! A specification and a table of functions become a workflow.

use crate::agents::{agent, team};
use crate::functions::{Asked, Functions, HostFunction, Place, function};
use crate::guards::guard;
use crate::spec::{NodeSpec, Policies, Work, WorkflowSpec};
use crate::times::seconds;
use serde_json::Value;
use std::sync::Arc;
use stepwright::budgets::Prices;
use stepwright::plan::Retry;
use stepwright::{
    AnyStep, AnyStore, Condition, Content, Error, Executor, IntoStep as _, Loop, Map, Parallel,
    Router, Step, StepContext, StepError, StepInput, StepOutput, Steps, Workflow, WorkflowBuilder,
};

/// Makes a workflow of its specification.
///
/// ```
/// use std::sync::Arc;
/// use stepwright::{BoxFuture, StepContext, StepError, StepOutput};
/// use stepwright_host::{Asked, HostFunction, Place, workflow};
/// struct Greet;
/// impl HostFunction for Greet {
///     fn name(&self) -> &str {
///         "greet"
///     }
///     fn call(
///         &self,
///         asked: Asked,
///         _: Option<StepContext>,
///         _: Place,
///     ) -> BoxFuture<'static, Result<StepOutput, StepError>> {
///         let Asked::Step(input) = asked else { unreachable!("it is the work of a step") };
///         Box::pin(async move { Ok(format!("Hello {}", input.text()).into()) })
///     }
/// }
/// let spec = serde_json::from_value(serde_json::json!({
///     "name": "Greeting",
///     "steps": [{"step": {"name": "greet", "work": {"function": 0}}}],
/// }))?;
/// let functions: [Arc<dyn HostFunction>; 1] = [Arc::new(Greet)];
/// let greeting = workflow(&spec, &functions, None)?;
/// assert_eq!(greeting.run("Ada").blocking()?.content.text(), "Hello Ada");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the specification is invalid: a name is missing or occurs twice, a model is unknown, a
/// function is not in the table.
pub fn workflow(
    spec: &WorkflowSpec,
    functions: &Functions,
    store: Option<AnyStore>,
) -> Result<Workflow, Error> {
    let timed = Place { beside: spec.timeout.is_some() };
    let mut builder = Workflow::builder(&spec.name);
    for step in all(&spec.steps, functions, timed)? {
        builder = builder.step(step);
    }
    for step in all(&spec.finally, functions, timed)? {
        builder = builder.finally(step);
    }
    for step in all(&spec.on_failure, functions, timed)? {
        builder = builder.on_failure(step);
    }
    if let Some(id) = &spec.id {
        builder = builder.id(id);
    }
    if let Some(description) = &spec.description {
        builder = builder.description(description);
    }
    if let Some(store) = store {
        builder = builder.store(store);
    }
    if let Some(check) = spec.input {
        let check = function(functions, check)?;
        builder = builder.prepare_input_async(move |content: Content| {
            let asked = Asked::Check(Arc::new(content.to_value()));
            let checking = check.call(asked, None, Place::default());
            async move {
                match checking.await {
                    Ok(output) => Ok(Some(output.content)),
                    Err(error) => Err(error.to_string()),
                }
            }
        });
    }
    let reducers = spec.reducers().map_err(|e| Error::usage(format!("`reducers`: {e}")))?;
    for (key, reducer) in reducers {
        builder = builder.reducer(key, reducer);
    }
    if let Some(timeout) = spec.timeout {
        builder = builder.timeout(seconds("timeout", timeout)?);
    }
    if let Some(budget) = &spec.budget {
        builder = builder.budget(budget.clone());
    }
    if let Some(budget) = &spec.session_budget {
        builder = builder.session_budget(budget.clone());
    }
    if let Some(version) = &spec.version {
        builder = builder.version(version);
    }
    if let Some(policy) = spec.on_interrupted {
        builder = builder.on_interrupted(policy);
    }
    with_settings(builder, spec).build()
}

/// Sets what says nothing about the steps.
fn with_settings(mut builder: WorkflowBuilder, spec: &WorkflowSpec) -> WorkflowBuilder {
    if !spec.prices.is_empty() {
        let mut prices = Prices::default();
        for (model, price) in &spec.prices {
            prices.set(model, *price);
        }
        builder = builder.prices(prices);
    }
    if let Some(permissions) = &spec.permissions {
        builder = builder.permissions(permissions.clone());
    }
    if let Some(runs) = spec.history_runs {
        builder = builder.num_history_runs(runs);
    }
    if spec.add_history {
        builder = builder.add_workflow_history_to_steps(true);
    }
    if !spec.session_state.is_empty() {
        builder = builder.session_state(spec.session_state.clone());
    }
    if !spec.events_to_skip.is_empty() {
        builder = builder.events_to_skip(spec.events_to_skip.iter().map(String::as_str));
    }
    builder
        .unattended(spec.unattended)
        .history_completed_only(spec.history_completed_only)
        .store_events(spec.store_events)
        .debug_mode(spec.debug)
}

fn all(nodes: &[NodeSpec], functions: &Functions, place: Place) -> Result<Vec<AnyStep>, Error> {
    nodes.iter().map(|node| one(node, functions, place)).collect()
}

/// Puts steps into a container, one by one.
macro_rules! filled {
    ($container:expr, $method:ident, $steps:expr) => {{
        let mut container = $container;
        for step in $steps {
            container = container.$method(step);
        }
        container
    }};
}

/// Sets the policies that steps and containers share.
macro_rules! with_policies {
    ($node:expr, $policies:expr) => {{
        let mut node = $node;
        let policies: &Policies = $policies;
        if let Some(timeout) = policies.timeout {
            node = node.timeout(seconds("timeout", timeout)?);
        }
        if let Some(on_error) = policies.on_error {
            node = node.on_error(on_error);
        }
        if let Some(policy) = policies.on_interrupted {
            node = node.on_interrupted(policy);
        }
        if let Some(budget) = &policies.budget {
            node = node.budget(budget.clone());
        }
        if let Some(review) = &policies.human_review {
            node = node.human_review(review.clone());
        }
        if let Some(version) = &policies.version {
            node = node.version(version);
        }
        node
    }};
}

fn one(node: &NodeSpec, functions: &Functions, around: Place) -> Result<AnyStep, Error> {
    let (NodeSpec::Step { policies, .. }
    | NodeSpec::Steps { policies, .. }
    | NodeSpec::Parallel { policies, .. }
    | NodeSpec::Loop { policies, .. }
    | NodeSpec::Condition { policies, .. }
    | NodeSpec::Router { policies, .. }
    | NodeSpec::Map { policies, .. }) = node;
    let watched = policies.timeout.is_some() || policies.idle_timeout.is_some();
    let place = Place { beside: around.beside || watched };
    if !matches!(node, NodeSpec::Step { .. }) {
        only_of_steps(policies)?;
    }
    Ok(match node {
        NodeSpec::Step { name, work, policies } => step(name, work, policies, functions, place)?,
        NodeSpec::Steps { name, steps, .. } => {
            let made = filled!(Steps::new(name), step, all(steps, functions, place)?);
            with_policies!(made, policies).into_step()
        }
        NodeSpec::Parallel { name, steps, join, concurrency, .. } => {
            let beside = Place { beside: place.beside || steps.len() > 1 };
            let branches = all(steps, functions, beside)?;
            let mut made = filled!(Parallel::new(name).join(*join), branch, branches);
            if let Some(at_a_time) = concurrency {
                made = made.concurrency(*at_a_time);
            }
            with_policies!(made, policies).into_step()
        }
        NodeSpec::Loop { name, steps, at_most, forward, until, on_exhausted, .. } => {
            let body = all(steps, functions, place)?;
            let mut made = filled!(Loop::new(name).at_most(*at_most), step, body);
            if *forward {
                made = made.forward();
            }
            if let Some(then) = on_exhausted {
                made = made.on_exhausted(*then);
            }
            if let Some(until) = until {
                let until = function(functions, *until)?;
                made = made.until_async(move |input: StepInput, cx: StepContext| {
                    truth(decided(&until, input, cx, place))
                });
            }
            with_policies!(made, policies).into_step()
        }
        NodeSpec::Condition { name, holds, constant, steps, otherwise, .. } => {
            let mut made = match (constant, holds) {
                (Some(constant), _) => Condition::constant(name, *constant),
                (None, Some(holds)) => {
                    let holds = function(functions, *holds)?;
                    Condition::new_async(name, move |input: StepInput, cx: StepContext| {
                        truth(decided(&holds, input, cx, place))
                    })
                }
                (None, None) => {
                    return Err(Error::usage(format!("condition `{name}` has no evaluator")));
                }
            };
            made = filled!(made, then, all(steps, functions, place)?);
            made = filled!(made, otherwise, all(otherwise, functions, place)?);
            with_policies!(made, policies).into_step()
        }
        NodeSpec::Router { name, choose, choices, .. } => {
            let made = match choose {
                Some(choose) => {
                    let choose = function(functions, *choose)?;
                    Router::new_async(name, move |input: StepInput, cx: StepContext| {
                        names(decided(&choose, input, cx, place))
                    })
                }
                None => Router::constant(name, Vec::<String>::new()),
            };
            let made = filled!(made, choice, all(choices, functions, place)?);
            with_policies!(made, policies).into_step()
        }
        NodeSpec::Map { name, over, steps, concurrency, join, .. } => {
            let beside = Place { beside: place.beside || *concurrency != Some(1) };
            let mut made = Map::new(name);
            if let Some(over) = over {
                let over = function(functions, *over)?;
                made = made.over_async(move |input: StepInput, cx: StepContext| {
                    items(decided(&over, input, cx, place))
                });
            }
            if let Some(at_a_time) = concurrency {
                made = made.concurrency(*at_a_time);
            }
            if let Some(join) = join {
                made = made.join(*join);
            }
            let made = filled!(made, step, all(steps, functions, beside)?);
            with_policies!(made, policies).into_step()
        }
    })
}

/// Refuses policies that only a step can have.
fn only_of_steps(policies: &Policies) -> Result<(), Error> {
    let named = [
        ("retries", policies.retries.is_some()),
        ("backoff", policies.backoff.is_some()),
        ("idle_timeout", policies.idle_timeout.is_some()),
        ("add_workflow_history", policies.add_history.is_some()),
        ("num_history_runs", policies.history_runs.is_some()),
        ("guardrails", !policies.guardrails.is_empty()),
    ];
    match named.into_iter().find(|(_, is_set)| *is_set) {
        Some((name, _)) => Err(Error::usage(format!("a container has no `{name}`"))
            .with_hint("set it on the steps inside")),
        None => Ok(()),
    }
}

fn step(
    name: &str,
    work: &Work,
    policies: &Policies,
    functions: &Functions,
    place: Place,
) -> Result<AnyStep, Error> {
    let made = match work {
        Work::Function(at) => {
            Step::new(name, FunctionStep { function: function(functions, *at)?, place })
        }
        Work::Agent(spec) => Step::new(name, agent(spec, functions)?),
        Work::Team(spec) => Step::new(name, team(spec, functions)?),
        Work::Workflow(spec) => Step::workflow(name, workflow(spec, functions, None)?),
    };
    let mut made = with_policies!(made, policies);
    if let Some(retries) = policies.retries {
        let mut retry = Retry { retries, ..Retry::default() };
        if let Some(backoff) = policies.backoff {
            let backoff = seconds("backoff", backoff)?;
            retry.backoff_ms = u64::try_from(backoff.as_millis()).unwrap_or(u64::MAX);
        }
        made = made.retry(retry);
    }
    if let Some(timeout) = policies.idle_timeout {
        made = made.idle_timeout(seconds("idle_timeout", timeout)?);
    }
    if let Some(add) = policies.add_history {
        made = made.add_workflow_history(add);
    }
    if let Some(runs) = policies.history_runs {
        made = made.num_history_runs(runs);
    }
    for one in &policies.guardrails {
        made = made.guardrail(guard(one, functions)?);
    }
    Ok(made.into_step())
}

/// A function of the host as an executor.
struct FunctionStep {
    function: Arc<dyn HostFunction>,
    place: Place,
}

impl Executor for FunctionStep {
    fn name(&self) -> &str {
        self.function.name()
    }

    async fn execute(&self, input: StepInput, cx: StepContext) -> Result<StepOutput, StepError> {
        self.function.call(Asked::Step(input), Some(cx), self.place).await
    }
}

type Decided = stepwright::BoxFuture<'static, Result<StepOutput, StepError>>;

fn decided(
    function: &Arc<dyn HostFunction>,
    input: StepInput,
    cx: StepContext,
    place: Place,
) -> Decided {
    function.call(Asked::Decision(input), Some(cx), place)
}

async fn truth(decided: Decided) -> Result<bool, StepError> {
    Ok(match decided.await?.content.to_value() {
        Value::Bool(holds) => holds,
        Value::Null => false,
        other => {
            let wrong = format!("the decision must be true or false, and is {other}");
            return Err(StepError::terminal(wrong));
        }
    })
}

async fn names(decided: Decided) -> Result<Vec<String>, StepError> {
    let value = decided.await?.content.to_value();
    serde_json::from_value(value.clone()).map_err(|_| {
        StepError::terminal(format!("the route must be a list of names of choices, not {value}"))
    })
}

async fn items(decided: Decided) -> Result<Vec<Value>, StepError> {
    match decided.await?.content.to_value() {
        Value::Array(items) => Ok(items),
        other => Err(StepError::terminal(format!("the items must be a list, and are {other}"))),
    }
}
