//! The agents of a file.

use super::{Builder, compiled};
use crate::checked::fits;
use crate::format::{Agent as AgentOf, Chosen, ModelName, WrittenPlace};
use std::sync::Arc;
use stepwright_agent::{Agent, AgentBuilder};
use stepwright_core::model::Model as _;
use stepwright_core::{Error, ErrorKind};
use stepwright_models::{Fallback, limit, silent};

impl<'a> Builder<'a> {
    /// Builds an agent or a team.
    pub(super) fn agent(&self, name: &str) -> Result<Agent, Error> {
        let (agent, builder) = self.settings(name)?;
        let agent = match &agent.team {
            Some(team) => self.team(agent, team, builder)?,
            None => builder.build()?,
        };
        self.limit_models(&agent);
        Ok(agent)
    }

    /// Holds the models of an agent to the limits of the file.
    pub(super) fn limit_models(&self, agent: &Agent) {
        if let Some(limits) = self.file.limits {
            for model in agent.model().ids() {
                limit(model, limits);
            }
        }
    }

    /// Returns an agent as it is written, and its builder without the members of a team.
    pub(super) fn settings(&self, name: &str) -> Result<(&'a AgentOf, AgentBuilder), Error> {
        let missing = || Error::new(ErrorKind::Definition, format!("there is no agent `{name}`"));
        let agent = self.file.agents.iter().find(|agent| agent.name.text == name);
        let agent: &'a AgentOf = agent.ok_or_else(missing)?;
        let own = [&agent.model, &self.file.model];
        let own = own.into_iter().flatten().next().map(Vec::as_slice);
        // The agent knows its models by their names alone.
        let places = own.into_iter().flatten().filter_map(|model| model.place.as_ref());
        let content = places.fold(agent.content.clone(), WrittenPlace::written_to);
        let content = match &agent.limits.fallback_on {
            Some(reasons) => content.with("fallback_on", format!("{reasons:?}")),
            None => content,
        };
        let content = if agent.limits.fallback_restarts {
            content.with("fallback_restarts", "true")
        } else {
            content
        };
        let mut builder = Agent::builder(name)
            .fingerprint(content)
            .options(agent.settings.options.clone())
            .tool_choice(agent.settings.tool_choice.clone());
        builder = match (self.forced, own.or(self.inherited)) {
            (Some(model), _) if self.is_played => builder.model(silent([model]))?,
            (None, Some(models)) if self.is_played => {
                builder.model(silent(models.iter().map(|model| model.text.as_str())))?
            }
            (Some(model), _) => builder.model(model)?,
            (None, Some([ModelName { text, place: None, .. }])) => builder.model(text)?,
            (None, Some(models)) => {
                // Those of other files too: the models may be those of the file around.
                let secrets = &self.granted.named_secrets;
                let models = models.iter().map(|model| crate::models::make(model, secrets));
                let mut models = models.collect::<Result<Vec<_>, _>>()?.into_iter();
                match models.next() {
                    Some(first) if models.len() == 0 => builder.model(first)?,
                    Some(first) => {
                        let mut chain = Fallback::new(first, models);
                        chain = chain.restarts(agent.limits.fallback_restarts);
                        if let Some(reasons) = &agent.limits.fallback_on {
                            chain = chain.on(reasons.iter().copied());
                        }
                        builder.model(chain)?
                    }
                    None => builder,
                }
            }
            (None, None) => builder,
        };
        if let Some(instructions) = &agent.instructions {
            builder = builder.instructions(instructions);
        }
        builder = self.context(agent, builder)?;
        if let Some(budget) = agent.budget.clone() {
            builder = builder.budget(budget);
        }
        if let Some(timeout) = agent.limits.tool_timeout {
            builder = builder.tool_timeout(timeout);
        }
        if let Some(tools) = agent.limits.defer_above {
            builder = builder.defer_tools_above(tools);
        }
        if let Some(calls) = agent.limits.tool_concurrency {
            builder = builder.tool_concurrency(calls);
        }
        if let Some(timeout) = agent.limits.idle_timeout {
            builder = builder.idle_timeout(timeout);
        }
        if let Some(policy) = agent.limits.model_retry.clone() {
            builder = builder.model_retry(policy);
        }
        for guard in self.guards(&agent.guardrails, false, agent.model.as_deref())? {
            builder = builder.guardrail(guard);
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
        let with = |builder, chosen: &Chosen| {
            let builder = chosen.tool.give_to(builder, &self.granted);
            let Some(options) = &chosen.options else { return builder };
            let names = chosen.tool.names().into_iter();
            names.fold(builder, |builder, name| builder.tool_options(name, options.clone()))
        };
        for called in agent.tools.iter().filter_map(|chosen| chosen.tool.called()) {
            let workflow = self.inner(called.known_as(), &called.file)?.workflow()?.build()?;
            let tool = workflow.as_tool(called.known_as(), called.description())?;
            builder = builder.tool(match called.parameters() {
                Some(schema) => tool.parameters(schema),
                None => tool,
            });
        }
        let builder = self.other_agents(agent, builder)?;
        let builder = self.searches(agent, builder)?;
        let builder = agent.tools.iter().fold(builder, with);
        let builder = match &agent.team {
            // The names of its members are those of tools, which the team adds.
            Some(_) => builder,
            None => agent.confirmed.iter().fold(builder, AgentBuilder::requires_confirmation),
        };
        Ok((agent, builder))
    }
}
