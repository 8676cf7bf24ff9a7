//! Agents and teams of their specifications.

use crate::agent_spec::{
    AgentSpec, CompactionBy, CompactionSpec, MemoryBy, MemorySpec, SummarySpec, TeamSpec, ToolData,
    Worker,
};
use crate::functions::{Asked, Functions, Place, function};
use crate::guards::guard;
use crate::knowledge::knowledge;
use crate::models::{model, with_model};
use crate::times::seconds;
use crate::toolbox::with_tool;
use serde_json::Value;
use std::sync::Arc;
use stepwright::knowledge::{KnowledgeContext, KnowledgeTool};
use stepwright::{
    Agent, AgentBuilder, AgentMemory, Compaction, Error, Member, SessionSummary, StepContext,
    StepInput, Team,
};

pub(crate) fn agent(spec: &AgentSpec, functions: &Functions) -> Result<Agent, Error> {
    configured(Agent::builder(&spec.name), spec, functions)?.build()
}

/// Gives an agent what its specification says.
fn configured(
    builder: AgentBuilder,
    spec: &AgentSpec,
    functions: &Functions,
) -> Result<AgentBuilder, Error> {
    let mut builder = with_model(builder, &spec.model)?;
    if let Some(text) = &spec.instructions {
        builder = builder.instructions(text);
    }
    if let Some(make) = spec.instructions_from {
        let make = function(functions, make)?;
        builder = builder.instructions_from(move |input: StepInput, cx: StepContext| {
            let made = make.call(Asked::Decision(input), Some(cx), Place { beside: true });
            async move { made.await.map(|output| output.content.text().into_owned()) }
        });
    }
    for (message, answer) in &spec.examples {
        builder = builder.example(message, answer);
    }
    for tool in &spec.tools {
        builder = match tool {
            ToolData::Worker { name, description, work } => builder.tool(match work {
                Worker::Agent(spec) => agent(spec, functions)?.as_tool(name, description),
                Worker::Team(spec) => team(spec, functions)?.as_tool(name, description),
            }),
            other => with_tool(builder, other, functions)?,
        };
    }
    for handoff in &spec.handoffs {
        builder = builder.handoff(&agent(&handoff.agent, functions)?, &handoff.description);
    }
    for one in &spec.guardrails {
        builder = builder.guardrail(guard(one, functions)?);
    }
    if let Some(output) = &spec.output {
        let check = function(functions, output.check)?;
        builder = builder.output_schema_async(output.schema.clone(), move |value: Arc<Value>| {
            let checking = check.call(Asked::Check(value), None, Place { beside: true });
            async move { checking.await.map(drop).map_err(|error| error.to_string()) }
        });
    }
    with_limits(with_context(builder, spec)?, spec)
}

/// Sets what the agent knows and remembers.
fn with_context(mut builder: AgentBuilder, spec: &AgentSpec) -> Result<AgentBuilder, Error> {
    if let Some(documents) = &spec.knowledge {
        let found = knowledge(documents)?;
        builder = match (documents.as_context, documents.passages) {
            (true, None) => builder.context(KnowledgeContext::new(found)),
            (true, Some(passages)) => {
                builder.context(KnowledgeContext::new(found).passages(passages))
            }
            (false, None) => builder.tool(KnowledgeTool::new(found)),
            (false, Some(passages)) => builder.tool(KnowledgeTool::new(found).passages(passages)),
        };
    }
    if let Some(written) = &spec.compaction {
        builder = builder.compaction(compaction(written)?);
    }
    if let Some(written) = &spec.session_summary {
        builder = builder.session_summary(summary(written)?);
    }
    if let Some(written) = &spec.memory {
        builder = builder.memory(memory(written)?);
    }
    Ok(builder)
}

fn with_limits(mut builder: AgentBuilder, spec: &AgentSpec) -> Result<AgentBuilder, Error> {
    if let Some(turns) = spec.max_turns {
        builder = builder.max_turns(turns);
    }
    if let Some(timeout) = spec.tool_timeout {
        builder = builder.tool_timeout(seconds("tool_timeout", timeout)?);
    }
    if let Some(calls) = spec.tool_concurrency {
        builder = builder.tool_concurrency(calls);
    }
    if let Some(tools) = spec.defer_tools_above {
        builder = builder.defer_tools_above(tools);
    }
    if let Some(budget) = &spec.budget {
        builder = builder.budget(budget.clone());
    }
    if let Some(version) = &spec.version {
        builder = builder.version(version);
    }
    Ok(builder)
}

fn compaction(spec: &CompactionSpec) -> Result<Compaction, Error> {
    let mut made = match spec.by {
        CompactionBy::Summary => Compaction::summary(spec.above),
        CompactionBy::Drop => Compaction::drop_turns(spec.above),
        CompactionBy::ClearToolResults => Compaction::clear_tool_results(spec.above),
    };
    if let Some(turns) = spec.keep {
        made = made.keep(turns);
    }
    if let Some(named) = &spec.model {
        made = made.model(model(named)?);
    }
    if let Some(text) = &spec.instructions {
        made = made.instructions(text);
    }
    Ok(made)
}

fn summary(spec: &SummarySpec) -> Result<SessionSummary, Error> {
    let mut made = SessionSummary::default();
    if let Some(runs) = spec.every {
        made = made.every(runs);
    }
    if let Some(key) = &spec.key {
        made = made.key(key);
    }
    if let Some(named) = &spec.model {
        made = made.model(model(named)?);
    }
    if let Some(text) = &spec.instructions {
        made = made.instructions(text);
    }
    Ok(made)
}

fn memory(spec: &MemorySpec) -> Result<AgentMemory, Error> {
    let mut made = match spec.by {
        MemoryBy::Tools => AgentMemory::by_tools(),
        MemoryBy::AfterRun => AgentMemory::after_run(),
    };
    if let Some(memories) = spec.known {
        made = made.known(memories);
    }
    if let Some(named) = &spec.model {
        made = made.model(model(named)?);
    }
    if let Some(text) = &spec.instructions {
        made = made.instructions(text);
    }
    Ok(made)
}

pub(crate) fn team(spec: &TeamSpec, functions: &Functions) -> Result<Team, Error> {
    let mut builder = Team::builder(&spec.leader.name)
        .share_interactions(spec.share_interactions)
        .share_history(spec.share_history)
        .pass_input(spec.pass_input);
    let mut mistake = None;
    builder = builder.leader(|leader| {
        let kept = leader.clone();
        configured(leader, &spec.leader, functions).unwrap_or_else(|error| {
            mistake = Some(error);
            kept
        })
    });
    if let Some(mistake) = mistake {
        return Err(mistake);
    }
    if let Some(turns) = spec.leader.max_turns {
        builder = builder.max_turns(turns);
    }
    for member in &spec.members {
        let made: Member = match &member.work {
            Worker::Agent(spec) => agent(spec, functions)?.into(),
            Worker::Team(spec) => team(spec, functions)?.into(),
        };
        let made = match &member.name {
            Some(name) => made.named(name),
            None => made,
        };
        builder = builder.member(made, &member.description);
    }
    if let Some(mode) = &spec.mode {
        let mode = mode.parse().map_err(|error| Error::usage(format!("`mode`: {error}")))?;
        builder = builder.mode(mode);
    }
    if let Some(rounds) = spec.max_rounds {
        builder = builder.max_rounds(rounds);
    }
    if let Some(timeout) = spec.member_timeout {
        builder = builder.member_timeout(seconds("member_timeout", timeout)?);
    }
    builder.build()
}
