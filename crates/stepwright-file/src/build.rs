//! Builds a workflow of the engine from a file.

use crate::budget::Budget;
use crate::builtins::BuiltinStep;
use crate::containers::with_common;
use crate::definition::Definition;
use crate::format::{Agent as AgentOf, Chosen, Earlier, File, Item, Kind, Text};
use crate::reference::OwnedValues;
use crate::schema::{self, Refusal, Schema};
use crate::stack::with_stack;
use crate::system::{Folder, Granted};
use crate::work::{compute, evaluate};
use serde_json::Value;
use std::sync::Arc;
use stepwright_agent::{Agent, AgentBuilder};
use stepwright_core::executor::ExecutorType;
use stepwright_core::{
    Content, Error, ErrorCode, ErrorKind, Executor, Fingerprint, StepContext, StepError, StepInput,
    StepOutput,
};
use stepwright_engine::{AnyStep, IntoStep, Step, Workflow, WorkflowBuilder};

impl Definition {
    /// Builds the workflow.
    ///
    /// # Errors
    /// Fails if an agent or the workflow cannot be built although the file is valid. For example, a
    /// provider's API key is missing.
    pub fn build(&self) -> Result<Workflow, Error> {
        self.builder()?.build()
    }

    /// Returns the workflow as a builder, to configure it further before it is built. For example,
    /// to add a store.
    ///
    /// # Errors
    /// Fails for the reasons of [`Definition::build`].
    pub fn builder(&self) -> Result<WorkflowBuilder, Error> {
        let folder = Arc::new(Folder::new(self.options.base_dir.clone()));
        let forced = self.options.model.as_deref();
        let granted = Arc::new(Granted { folder, pass_env: self.options.pass_env.clone() });
        Builder { file: &self.file, granted, forced, inherited: None }.workflow()
    }
}

struct Builder<'a> {
    file: &'a File,
    granted: Arc<Granted>,
    /// The model that overrides those of the file.
    forced: Option<&'a str>,
    /// The model of the file that contains this one.
    inherited: Option<&'a str>,
}

impl<'a> Builder<'a> {
    fn workflow(&self) -> Result<WorkflowBuilder, Error> {
        let mut builder = Workflow::builder(&self.file.name.text);
        if let Some(description) = &self.file.description {
            builder = builder.description(description);
        }
        if let Some(timeout) = self.file.timeout {
            builder = builder.timeout(timeout);
        }
        if let Some(input) = &self.file.input {
            builder = builder.source("input", input.to_string());
            let schema = Arc::new((input.clone(), compiled(input)?));
            builder = builder.prepare_input_async(move |content| {
                let schema = schema.clone();
                async move { prepare(content, schema).await }
            });
        }
        if let Some(earlier) = self.file.history.filter(|earlier| earlier.runs > 0) {
            builder = builder.add_workflow_history_to_steps(true).num_history_runs(earlier.runs);
            if let Some(only) = earlier.completed_only {
                builder = builder.history_completed_only(only);
            }
        }
        if let Some(policy) = self.file.on_interrupted {
            builder = builder.on_interrupted(policy);
        }
        for step in self.items(&self.file.steps)? {
            builder = builder.step(step);
        }
        Ok(builder)
    }

    fn items(&self, items: &[Item]) -> Result<Vec<AnyStep>, Error> {
        items.iter().map(|item| self.item(item)).collect()
    }

    fn item(&self, item: &Item) -> Result<AnyStep, Error> {
        let name = item.name.text.as_str();
        Ok(match &item.kind {
            Kind::Agent { agent, prompt } => {
                let agent = self.agent(&agent.text)?;
                let step = Prompted { agent, prompt: prompt.clone() };
                limited(Step::new(name, step), item).into_step()
            }
            Kind::Builtin { word, work } => {
                let (work, granted) = (work.clone(), self.granted.clone());
                let step = BuiltinStep { word, work, granted };
                limited(Step::new(name, step), item).into_step()
            }
            Kind::Workflow { file, .. } => {
                let inherited = self.file.model.as_ref().map(|model| model.text.as_str());
                let inner = Builder {
                    file,
                    granted: self.granted.clone(),
                    forced: self.forced,
                    inherited: inherited.or(self.inherited),
                };
                let workflow = inner.workflow()?.build()?;
                with_common!(Step::workflow(name, workflow), item).into_step()
            }
            Kind::Unreadable => {
                let message = format!("the step `{name}` has mistakes");
                return Err(Error::new(ErrorKind::Definition, message));
            }
            Kind::Container(container) => {
                let [body, other] = container.bodies();
                container.build(item, [self.items(body)?, self.items(other)?])
            }
        })
    }

    fn agent(&self, name: &str) -> Result<Agent, Error> {
        let missing = || Error::new(ErrorKind::Definition, format!("there is no agent `{name}`"));
        let agent = self.file.agents.iter().find(|agent| agent.name.text == name);
        let agent: &'a AgentOf = agent.ok_or_else(missing)?;
        let own = [&agent.model, &self.file.model];
        let own = own.into_iter().flatten().map(|model| model.text.as_str()).next();
        let mut builder = Agent::builder(name).fingerprint(agent.content.clone());
        if let Some(model) = self.forced.or(own).or(self.inherited) {
            crate::models::usable(model)?;
            builder = builder.model(model)?;
        }
        if let Some(instructions) = &agent.instructions {
            builder = builder.instructions(instructions);
        }
        if let Some(turns) = agent.max_turns {
            builder = builder.max_turns(turns);
        }
        if let Some(output) = &agent.output {
            let schema = Arc::new(compiled(output)?);
            builder = builder.output_schema_async(output.clone(), move |value| {
                let schema = schema.clone();
                async move { fits(value, schema).await }
            });
        }
        let with = |builder, chosen: &Chosen| chosen.tool.give_to(builder, &self.granted);
        let builder = agent.tools.iter().fold(builder, with);
        agent.confirmed.iter().fold(builder, AgentBuilder::requires_confirmation).build()
    }
}

fn compiled(schema: &Value) -> Result<Schema, Error> {
    schema::compile(schema).map_err(|why| Error::new(ErrorKind::Definition, why))
}

/// Completes the input of a workflow and checks it. An empty input is a missing one.
async fn prepare(
    content: Content,
    schema: Arc<(Value, Schema)>,
) -> Result<Option<Content>, String> {
    let given = if content.is_empty() && schema::has_default(&schema.0) {
        Arc::new(Value::Null)
    } else {
        Arc::new(content.to_value())
    };
    let filled = {
        let given = given.clone();
        checked(move |budget| schema::complete(&schema.0, &schema.1, Value::clone(&given), budget))
    };
    let filled = filled.await?;
    Ok((filled != *given).then(|| filled.into()))
}

/// Checks the answer of an agent.
async fn fits(value: Arc<Value>, schema: Arc<Schema>) -> Result<(), String> {
    checked(move |budget| schema.fits(&value, budget)).await
}

/// Makes a check within a budget. A large one leaves the caller's thread.
async fn checked<T: Send + 'static>(
    check: impl Fn(&Budget<'_>) -> Result<T, Refusal> + Send + Sync + 'static,
) -> Result<T, String> {
    let made = compute(move |budget| {
        let check = || check(budget);
        // Schemas and values may be nested deeper than the stack of a thread for blocking work.
        let made = if budget.is_inline() { check() } else { with_stack(check) };
        made.map_or_else(|refusal| refusal.into_unfinished(budget).map(Err), |made| Ok(Ok(made)))
    });
    made.await.unwrap_or_else(|error| Err(error.data.message))
}

fn limited(step: Step, item: &Item) -> Step {
    let mut step = with_common!(step, item);
    if let Some(retry) = item.retry.clone() {
        step = step.retry(retry);
    }
    if let Some(idle) = item.idle {
        step = step.idle_timeout(idle);
    }
    match item.history {
        Some(Earlier { runs: 0, .. }) => step.add_workflow_history(false),
        Some(Earlier { runs, completed_only }) => {
            let step = step.add_workflow_history(true).num_history_runs(runs);
            match completed_only {
                Some(only) => step.history_completed_only(only),
                None => step,
            }
        }
        None => step,
    }
}

/// An agent whose message is a template.
struct Prompted {
    agent: Agent,
    prompt: Option<Text>,
}

impl Executor for Prompted {
    fn name(&self) -> &str {
        self.agent.name()
    }

    fn executor_type(&self) -> ExecutorType {
        ExecutorType::Agent
    }

    fn fingerprint(&self) -> Fingerprint {
        self.agent.fingerprint()
    }

    fn asks(&self) -> bool {
        self.agent.asks()
    }

    async fn execute(
        &self,
        mut input: StepInput,
        cx: StepContext,
    ) -> Result<StepOutput, StepError> {
        if let Some(prompt) = &self.prompt {
            let template = prompt.clone();
            let text = evaluate(OwnedValues::of(input.clone()), move |values, budget| {
                template.render(values, budget)
            });
            let text = text.await?;
            // An agent with an empty message would get the run's input instead.
            if text.trim().is_empty() {
                return Err(StepError::terminal("its prompt is empty")
                    .with_code(ErrorCode::BadInput)
                    .with_hint("give `prompt` a text for the case that a value in it is empty"));
            }
            // Values that the template uses are not added to the prompt again.
            let tells = |word: &str| prompt.template.references().iter().any(|r| r.root == word);
            if tells("user_input") {
                input.user_input = None;
            }
            if tells("feedback") || tells("rejected") {
                input.feedback = None;
            }
            // An agent takes its message from the previous output.
            input.previous = Some(Arc::new(StepOutput::from(text)));
        }
        self.agent.execute(input, cx).await
    }
}
