"""Teams: a leader, and the agents that work for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Sequence

from ._functions import Table
from ._kinds import Worker
from .agent import Agent
from .exceptions import WorkflowDefinitionError
from .models import ModelLike

if TYPE_CHECKING:
    from typing import Literal

    from .guardrails import Guard
    from .knowledge import Knowledge
    from .memory import AgentMemory, Compaction, SessionSummary

__all__ = ["Team"]


class Team(Worker):
    """A leader and its members, as a step. `docs/teams.md` describes the modes.

    Args:
        name: The name of the team, and of its leader.
        members: Agents and teams, or pairs of one and its purpose. Without a purpose, the
            `description` of the agent tells the leader what it is for.
        mode: `coordinate`: the leader gives tasks and writes the answer; `route`: one member answers;
            `collaborate`: all members answer the message; `tasks`: the leader keeps a list of tasks.
        model: The model of the leader.
        instructions: The instructions of the leader.
        tools: The tools of the leader, besides its members.
        description: What the team is for, where it is a tool or a member.
        output_schema: A Pydantic model or a dataclass. The output is an object of that form then.
        max_rounds: The largest number of rounds.
        max_turns: The largest number of requests to the model of the leader.
        member_timeout: The seconds for a member.
        share_interactions: Whether members read what the others were asked and answered.
        share_history: Whether members read the earlier runs of the session.
        pass_input: Whether members get the message of the user, and not a task.
        leader: Other options of the leader, as `Agent` has them.

    Example:
        >>> from stepwright import Agent, Team
        >>> Team(
        ...     "Desk",
        ...     [Agent("Researcher", "offline", description="Finds facts."),
        ...      (Agent("Writer", "offline"), "Writes.")],
        ...     model="offline",
        ...     mode="collaborate",
        ... ).run("ants").status
        RunStatus.completed
    """

    def __init__(
        self,
        name: str | None = None,
        members: Sequence[Agent | Team | tuple[Agent | Team, str]] = (),
        mode: Literal["coordinate", "route", "collaborate", "tasks"] = "coordinate",
        *,
        model: ModelLike = None,
        instructions: str | Sequence[str] | Callable[..., Any] | None = None,
        tools: Sequence[Any] | None = None,
        description: str | None = None,
        output_schema: type[Any] | None = None,
        max_rounds: int | None = None,
        max_turns: int | None = None,
        member_timeout: float | None = None,
        share_interactions: bool = False,
        share_history: bool = False,
        pass_input: bool = False,
        guardrails: Sequence[Guard | Callable[..., Any]] | None = None,
        knowledge: Knowledge | None = None,
        compaction: Compaction | None = None,
        session_summary: SessionSummary | None = None,
        memory: AgentMemory | None = None,
        budget: dict[str, Any] | None = None,
        **leader: Any,
    ) -> None:
        self.name, self.mode, self.description = name or "Team", mode, description
        self.members = [_member(member) for member in members]
        self.leader = Agent(
            self.name,
            model,
            instructions,
            tools,
            output_schema=output_schema,
            max_turns=max_turns,
            guardrails=guardrails,
            knowledge=knowledge,
            compaction=compaction,
            session_summary=session_summary,
            memory=memory,
            budget=budget,
            **leader,
        )
        self._options = {
            "mode": mode,
            "max_rounds": max_rounds,
            "member_timeout": member_timeout,
            "share_interactions": share_interactions,
            "share_history": share_history,
            "pass_input": pass_input,
        }

    def _work(self, table: Table) -> dict[str, Any]:
        members = [
            {"work": worker._work(table), "description": purpose}
            for worker, purpose in self.members
        ]
        leader = self.leader._lower(table)
        return {"team": {"leader": leader, "members": members, **self._options}}


def _member(given: Any) -> tuple[Any, str]:
    worker, purpose = given if isinstance(given, (tuple, list)) else (given, None)
    if not isinstance(worker, Worker):
        raise WorkflowDefinitionError(f"{worker!r} is not a member: pass an Agent or a Team")
    said = getattr(worker, "description", None) or getattr(worker, "role", None)
    return worker, purpose or said or f"Asks {worker.name}."
