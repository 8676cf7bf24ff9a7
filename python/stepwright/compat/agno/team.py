"""`agno.team`."""

from __future__ import annotations

from enum import Enum
from typing import Any, Sequence

from stepwright import team as _team

from ._options import check

__all__ = ["Team", "TeamMode"]


class TeamMode(str, Enum):
    """The modes of teams."""

    coordinate = "coordinate"
    route = "route"
    broadcast = "broadcast"
    tasks = "tasks"


class Team(_team.Team):
    """A team with Agno's options. `broadcast` is the mode `collaborate`."""

    def __init__(
        self,
        members: Sequence[Any],
        *,
        name: str | None = None,
        mode: Any = None,
        model: Any = None,
        instructions: str | Sequence[str] | None = None,
        role: str | None = None,
        description: str | None = None,
        expected_output: str | None = None,
        tools: Sequence[Any] | None = None,
        output_schema: type[Any] | None = None,
        respond_directly: bool = False,
        delegate_to_all_members: bool = False,
        determine_input_for_members: bool = True,
        max_iterations: int | None = None,
        share_member_interactions: bool = False,
        add_team_history_to_members: bool = False,
        tool_call_limit: int | None = None,
        **options: Any,
    ) -> None:
        check("Team", options)
        texts = [instructions] if isinstance(instructions, str) else list(instructions or ())
        if role:
            texts.insert(0, f"Your role: {role}")
        if expected_output:
            texts.append(f"Expected output: {expected_output}")
        named = str(getattr(mode, "value", mode) or "")
        if not named:
            named = "route" if respond_directly else "coordinate"
            named = "broadcast" if delegate_to_all_members else named
        super().__init__(
            name,
            members,
            "collaborate" if named == "broadcast" else named,  # type: ignore[arg-type]
            model=model,
            instructions=texts or None,
            tools=tools,
            description=description,
            output_schema=output_schema,
            max_rounds=max_iterations,
            share_interactions=share_member_interactions,
            share_history=add_team_history_to_members,
            pass_input=not determine_input_for_members,
            budget=None if tool_call_limit is None else {"tool_calls": tool_call_limit},
        )
