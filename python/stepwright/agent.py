"""Agents: a model with instructions and tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Sequence

from . import models, tools as _tools
from ._functions import Table, converter
from ._kinds import Worker
from ._schema import schema_of
from .exceptions import WorkflowDefinitionError
from .guardrails import lowered_guards
from .models import ModelLike

if TYPE_CHECKING:
    from .guardrails import Guard
    from .knowledge import Knowledge
    from .memory import AgentMemory, Compaction, SessionSummary

__all__ = ["Agent"]


class Agent(Worker):
    """A model with instructions and tools, as a step.

    Args:
        name: The name.
        model: The model: a name such as `openai:gpt-5-mini`, a `Model`, or several names, of which a
            further one answers where those before it are down. By default the environment's
            `STEPWRIGHT_MODEL`, or the one for which there is a key.
        instructions: What the model is told: a text, several, or a function of the `StepInput` that
            returns a text.
        tools: Functions with type hints and docstrings, toolkits, MCP servers, agents and teams.
        description: What the agent is for. It stands before the instructions, and is the purpose
            of the agent where it is a tool or a member of a team.
        output_schema: A Pydantic model or a dataclass. The output is an object of that form then.
        guardrails: Checks of its message, its answers and its tool calls.
        knowledge: Documents that it can search.
        compaction: How a long conversation is kept within the window of the model.
        session_summary: A summary of the session, which it reads in each run.
        memory: The memories of the user of a run, which all sessions of the user share.
        examples: Messages, each with the answer that it should give.
        handoffs: Agents that it may hand the conversation to.
        max_turns: The largest number of requests to the model for one message.
        tool_timeout: The seconds for a tool call.
        tool_concurrency: The number of tool calls at a time.
        defer_tools_above: The number of tools above which the model looks tools up.
        temperature: The temperature.
        budget: The largest use of tokens, money and calls.
        version: The version of its functions.

    Example:
        >>> from stepwright import Agent, Workflow
        >>> writer = Agent("Writer", "offline", "Write one sentence.")
        >>> Workflow("Letter", [writer]).run("Ants are strong. They are small.").status
        RunStatus.completed
    """

    def __init__(
        self,
        name: str | None = None,
        model: ModelLike = None,
        instructions: str | Sequence[str] | Callable[..., Any] | None = None,
        tools: Sequence[Any] | None = None,
        *,
        description: str | None = None,
        output_schema: type[Any] | None = None,
        guardrails: Sequence[Guard | Callable[..., Any]] | None = None,
        knowledge: Knowledge | None = None,
        compaction: Compaction | None = None,
        session_summary: SessionSummary | None = None,
        memory: AgentMemory | None = None,
        examples: Sequence[tuple[str, str]] | None = None,
        handoffs: Sequence[Agent] | None = None,
        max_turns: int | None = None,
        tool_timeout: float | None = None,
        tool_concurrency: int | None = None,
        defer_tools_above: int | None = None,
        temperature: float | None = None,
        budget: dict[str, Any] | None = None,
        version: str | None = None,
    ) -> None:
        self.name, self.model = name or "Agent", model
        self.instructions, self.tools = instructions, list(tools or ())
        self.description, self.output_schema = description, output_schema
        self.guardrails, self.knowledge = list(guardrails or ()), knowledge
        self.compaction, self.session_summary = compaction, session_summary
        self.memory = memory
        self.examples, self.handoffs = list(examples or ()), list(handoffs or ())
        self.temperature, self.budget = temperature, budget
        self._limits = {
            "max_turns": max_turns,
            "tool_timeout": tool_timeout,
            "tool_concurrency": tool_concurrency,
            "defer_tools_above": defer_tools_above,
            "version": version,
        }

    def _lower(self, table: Table) -> dict[str, Any]:
        model = models.lowered(self.model)
        if self.temperature is not None:
            model = {**model, "temperature": self.temperature}
        text, make = self.instructions, None
        if callable(text):
            text, make = None, table.step(text)
        elif text is not None and not isinstance(text, str):
            text = "\n".join(text)
        parts = [part for part in (self.description, text) if part]
        return {
            "name": self.name,
            "model": model,
            "instructions": "\n\n".join(parts) or None,
            "instructions_from": make,
            "examples": [list(example) for example in self.examples],
            "tools": [one for given in self.tools for one in _tools.lowered(given, table)],
            "handoffs": [
                {"agent": agent._lower(table), "description": agent.description or agent.name}
                for agent in self.handoffs
            ],
            "output": None if self.output_schema is None else _output(self.output_schema, table),
            "guardrails": lowered_guards(self.guardrails, table),
            "knowledge": None if self.knowledge is None else self.knowledge._lower(),
            "compaction": None if self.compaction is None else self.compaction._lower(),
            "session_summary": (
                None if self.session_summary is None else self.session_summary._lower()
            ),
            "memory": None if self.memory is None else self.memory._lower(),
            "budget": self.budget,
            **self._limits,
        }

    def _work(self, table: Table) -> dict[str, Any]:
        return {"agent": self._lower(table)}


def _output(of: Any, table: Table) -> dict[str, Any]:
    convert = converter(of)
    if convert is None:
        raise WorkflowDefinitionError(
            f"`output_schema` must be a Pydantic model or a dataclass, and is {of!r}"
        )

    def check(value: Any) -> None:
        convert(value)

    return {"schema": schema_of(of), "check": table.add(check, takes="content")}
