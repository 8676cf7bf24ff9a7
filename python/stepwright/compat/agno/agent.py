"""`agno.agent`."""

from __future__ import annotations

from typing import Any, Sequence

from stepwright import agent as _agent
from stepwright.memory import AgentMemory

from ._options import check

__all__ = ["Agent"]


class Agent(_agent.Agent):
    """An agent with Agno's options.

    `enable_agentic_memory` gives it tools to keep memories of the user, and `update_memory_on_run`
    asks a model for them after each answer.

    `role` and `expected_output` become parts of the instructions, `response_model` is
    `output_schema`, and `tool_call_limit` is a budget of tool calls.
    """

    def __init__(
        self,
        *,
        name: str | None = None,
        model: Any = None,
        instructions: str | Sequence[str] | None = None,
        tools: Sequence[Any] | None = None,
        role: str | None = None,
        description: str | None = None,
        expected_output: str | None = None,
        output_schema: type[Any] | None = None,
        response_model: type[Any] | None = None,
        tool_call_limit: int | None = None,
        enable_agentic_memory: bool = False,
        update_memory_on_run: bool = False,
        **options: Any,
    ) -> None:
        check("Agent", options)
        memory = None
        if enable_agentic_memory or update_memory_on_run:
            memory = AgentMemory(by="tools" if enable_agentic_memory else "after_run")
        if callable(instructions):
            raise TypeError("`instructions` must be a text or several, and not a function")
        texts = [instructions] if isinstance(instructions, str) else list(instructions or ())
        if role:
            texts.insert(0, f"Your role: {role}")
        if expected_output:
            texts.append(f"Expected output: {expected_output}")
        self.role = role
        super().__init__(
            name,
            model,
            texts or None,
            tools,
            description=description,
            output_schema=output_schema or response_model,
            budget=None if tool_call_limit is None else {"tool_calls": tool_call_limit},
            memory=memory,
        )
