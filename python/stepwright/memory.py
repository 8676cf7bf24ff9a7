"""What agents keep of long conversations, of sessions and of users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Sequence

from .models import ModelLike, lowered

if TYPE_CHECKING:
    from typing import Literal

    from . import _native

__all__ = ["AgentMemory", "Compaction", "Memories", "SessionSummary", "UserMemory"]


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


class AgentMemory:
    """Keeps memories of the user of a run, which all sessions of the user share.

    Args:
        by: `tools`: the agent saves, searches, edits and deletes memories with tools; `after_run`: a
            model is asked after each answer what should be remembered.
        known: The largest number of memories in the instructions of the agent.
        model: The model that is asked after an answer. By default that of the agent.
        instructions: What is remembered, in place of the built-in words.

    Example:
        >>> from stepwright import Agent, AgentMemory
        >>> Agent("Friend", "offline", memory=AgentMemory(by="after_run"))
        Agent('Friend')
    """

    def __init__(
        self,
        *,
        by: Literal["tools", "after_run"] = "tools",
        known: int | None = None,
        model: ModelLike = None,
        instructions: str | None = None,
    ) -> None:
        self.by, self.known, self.model, self.instructions = by, known, model, instructions

    def _lower(self) -> dict[str, Any]:
        model = None if self.model is None else lowered(self.model)
        told = {"by": self.by, "known": self.known}
        return {**told, "model": model, "instructions": self.instructions}


@dataclass(frozen=True)
class UserMemory:
    """A statement about a user.

    Attributes:
        memory_id: The id.
        user_id: The user.
        memory: The statement.
        topics: Its topics.
        run_id: The run that changed it last. `None` if a program or a person did.
        created_at: The time at which it was made, in seconds since 1970.
        updated_at: The time of its last change, in seconds since 1970.
    """

    memory_id: str
    user_id: str
    memory: str
    topics: tuple[str, ...]
    run_id: str | None
    created_at: int
    updated_at: int

    @staticmethod
    def _of(row: dict[str, Any]) -> UserMemory:
        return UserMemory(
            memory_id=row["memory_id"],
            user_id=row["user_id"],
            memory=row["memory"],
            topics=tuple(row.get("topics", ())),
            run_id=row.get("run_id"),
            created_at=row["created_at"] // 1000,
            updated_at=row["updated_at"] // 1000,
        )


_List = list[UserMemory]


class Memories:
    """The memories of a user in a store: `db.memories("ada")`.

    Example:
        >>> from stepwright import InMemoryDb
        >>> memories = InMemoryDb().memories("ada")
        >>> memories.add("Likes tea.", topics=["drinks"]).topics
        ('drinks',)
        >>> [memory.memory for memory in memories.search("tea")]
        ['Likes tea.']
    """

    def __init__(self, store: _native.Store, user_id: str) -> None:
        self._store, self.user_id = store, user_id

    def list(self) -> _List:
        """Returns all memories, the last changed first."""
        return _all(self._ask("list"))

    async def alist(self) -> _List:
        """Returns all memories: see `list`."""
        return _all(await self._aask("list"))

    def search(self, query: str, limit: int = 10) -> _List:
        """Returns the memories that fit words best, at most `limit` of them."""
        return _all(self._ask("search", query=query, limit=limit))

    async def asearch(self, query: str, limit: int = 10) -> _List:
        """Returns the memories that fit words best: see `search`."""
        return _all(await self._aask("search", query=query, limit=limit))

    def get(self, memory_id: str) -> UserMemory:
        """Returns a memory. Raises `NotFoundError` if the user has none of this id."""
        return UserMemory._of(self._ask("get", memory_id=memory_id))

    async def aget(self, memory_id: str) -> UserMemory:
        """Returns a memory: see `get`."""
        return UserMemory._of(await self._aask("get", memory_id=memory_id))

    def add(self, memory: str, topics: Sequence[str] = ()) -> UserMemory:
        """Adds a memory."""
        return UserMemory._of(self._ask("add", memory=memory, topics=[*topics]))

    async def aadd(self, memory: str, topics: Sequence[str] = ()) -> UserMemory:
        """Adds a memory: see `add`."""
        return UserMemory._of(await self._aask("add", memory=memory, topics=[*topics]))

    def edit(
        self, memory_id: str, memory: str, topics: Sequence[str] | None = None
    ) -> UserMemory:
        """Changes the text of a memory, and its topics if they are given."""
        return UserMemory._of(self._ask("edit", **_edit(memory_id, memory, topics)))

    async def aedit(
        self, memory_id: str, memory: str, topics: Sequence[str] | None = None
    ) -> UserMemory:
        """Changes a memory: see `edit`."""
        return UserMemory._of(await self._aask("edit", **_edit(memory_id, memory, topics)))

    def remove(self, memory_id: str) -> None:
        """Removes a memory. Raises `NotFoundError` if the user has none of this id."""
        self._ask("remove", memory_id=memory_id)

    async def aremove(self, memory_id: str) -> None:
        """Removes a memory: see `remove`."""
        await self._aask("remove", memory_id=memory_id)

    def _ask(self, question: str, **arguments: Any) -> Any:
        return self._store.memories({"user": self.user_id, "ask": {question: arguments}})

    async def _aask(self, question: str, **arguments: Any) -> Any:
        from ._bridge import drive
        from ._stored import running_loop

        asked = {"user": self.user_id, "ask": {question: arguments}}
        return await drive(self._store.memories(asked, running_loop()))

    def __repr__(self) -> str:
        return f"Memories({self.user_id!r})"


def _edit(memory_id: str, memory: str, topics: Sequence[str] | None) -> dict[str, Any]:
    given = None if topics is None else [*topics]
    return {"memory_id": memory_id, "memory": memory, "topics": given}


def _all(rows: list[dict[str, Any]]) -> list[UserMemory]:
    return [UserMemory._of(row) for row in rows]
