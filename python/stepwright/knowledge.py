"""Knowledge: documents that agents search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _native

if TYPE_CHECKING:
    from typing import Literal

__all__ = ["Knowledge", "OpenAIEmbedder"]


class OpenAIEmbedder:
    """Embeds texts with the API of OpenAI, which other servers have too.

    Args:
        model: The model.
        base_url: The address.
        api_key: The key. By default the environment's `OPENAI_API_KEY`.
    """

    def __init__(
        self,
        model: str = "text-embedding-3-small",
        *,
        base_url: str = "https://api.openai.com/v1",
        api_key: str | None = None,
    ) -> None:
        import os

        self.model, self.base_url = model, base_url
        self.api_key = api_key or os.environ.get("OPENAI_API_KEY")

    def _lower(self) -> dict[str, Any]:
        return {"model": self.model, "base_url": self.base_url, "api_key": self.api_key}


class Knowledge:
    """Documents in a file of SQLite, found by their words and by their meaning.

    Args:
        file: The file. It is made at the first use.
        embedder: What embeds texts. By default a hash of their words, which needs no model.
        passages: The number of passages of an answer.
        as_context: Whether passages about the message are put into the instructions. By default the
            agent has a tool to search for them.

    Example:
        >>> import tempfile
        >>> from stepwright import Agent, Knowledge
        >>> folder = tempfile.TemporaryDirectory()
        >>> handbook = Knowledge(folder.name + "/handbook.db")
        >>> handbook.add("a.txt", "The office opens at nine.")
        1
        >>> [passage["source"] for passage in handbook.search("When does the office open?")]
        ['a.txt']
        >>> Agent("Clerk", "offline", knowledge=handbook)
        Agent('Clerk')
        >>> folder.cleanup()
    """

    def __init__(
        self,
        file: Any,
        *,
        embedder: OpenAIEmbedder | None = None,
        passages: int | None = None,
        as_context: bool = False,
    ) -> None:
        self.file = str(file)
        self._spec = {
            "file": self.file,
            "embedder": None if embedder is None else embedder._lower(),
            "passages": passages,
            "as_context": as_context,
        }
        self._native = _native.Knowledge(self._spec)

    def _lower(self) -> dict[str, Any]:
        return self._spec

    def add(
        self,
        source: str,
        text: str,
        kind: Literal["text", "markdown", "html", "csv"] | None = None,
    ) -> int:
        """Adds a document, or replaces the one of this source.

        Args:
            source: The name of the source, which answers cite.
            text: The text.
            kind: The form of the text. By default that of the ending of `source`.

        Returns:
            The number of chunks that were written: 0 if the document is there already.
        """
        return int(self._native.ask({"add": {"source": source, "text": text, "kind": kind}}))

    async def aadd(
        self,
        source: str,
        text: str,
        kind: Literal["text", "markdown", "html", "csv"] | None = None,
    ) -> int:
        """Adds a document on the running event loop: see `add`."""
        return int(await self._aask({"add": {"source": source, "text": text, "kind": kind}}))

    def remove(self, source: str) -> bool:
        """Removes a document. Returns `False` if there is none of this source."""
        return bool(self._native.ask({"remove": {"source": source}}))

    def sources(self) -> list[dict[str, Any]]:
        """Returns the sources, each with its kind and the number of its chunks."""
        found: list[dict[str, Any]] = self._native.ask({"sources": {}})
        return found

    def search(self, query: str, limit: int = 5) -> list[dict[str, Any]]:
        """Returns the passages that fit a query best, each with its source."""
        found: list[dict[str, Any]] = self._native.ask({"search": {"query": query, "limit": limit}})
        return found

    async def asearch(self, query: str, limit: int = 5) -> list[dict[str, Any]]:
        """Returns the passages that fit a query best: see `search`."""
        found: list[dict[str, Any]] = await self._aask({"search": {"query": query, "limit": limit}})
        return found

    async def _aask(self, question: dict[str, Any]) -> Any:
        from ._bridge import drive
        from ._stored import running_loop

        return await drive(self._native.ask(question, running_loop()))

    def __repr__(self) -> str:
        return f"Knowledge({self.file!r})"
