"""What agents keep of long conversations and of sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .models import ModelLike, lowered

if TYPE_CHECKING:
    from typing import Literal

__all__ = ["Compaction", "SessionSummary"]


class Compaction:
    """Keeps a long conversation within the window of its model.

    Args:
        above: The number of tokens of a request above which earlier turns are replaced.
        by: `summary`: a model summarises them; `drop`: they are left out; `clear_tool_results`: the
            results of their tool calls are left out.
        keep: The number of last turns that stay as they are.
        model: The model that summarises. By default that of the agent.
        instructions: The instructions for the summary.

    Example:
        >>> from stepwright import Agent, Compaction
        >>> Agent("Researcher", "offline", compaction=Compaction(100_000, keep=6))
        Agent('Researcher')
    """

    def __init__(
        self,
        above: int,
        *,
        by: Literal["summary", "drop", "clear_tool_results"] = "summary",
        keep: int | None = None,
        model: ModelLike = None,
        instructions: str | None = None,
    ) -> None:
        self.above, self.by, self.keep = above, by, keep
        self.model, self.instructions = model, instructions

    def _lower(self) -> dict[str, Any]:
        model = None if self.model is None else lowered(self.model)
        told = {"above": self.above, "by": self.by, "keep": self.keep}
        return {**told, "model": model, "instructions": self.instructions}


class SessionSummary:
    """Keeps a summary of the session, which the agent reads in each run.

    Args:
        every: The number of runs after which it is made anew.
        key: The key of the session state that holds it.
        model: The model that summarises. By default that of the agent.
        instructions: The instructions for the summary.

    Example:
        >>> from stepwright import Agent, SessionSummary
        >>> Agent("Friend", "offline", session_summary=SessionSummary(every=3))
        Agent('Friend')
    """

    def __init__(
        self,
        *,
        every: int | None = None,
        key: str | None = None,
        model: ModelLike = None,
        instructions: str | None = None,
    ) -> None:
        self.every, self.key, self.model, self.instructions = every, key, model, instructions

    def _lower(self) -> dict[str, Any]:
        model = None if self.model is None else lowered(self.model)
        told = {"every": self.every, "key": self.key}
        return {**told, "model": model, "instructions": self.instructions}
