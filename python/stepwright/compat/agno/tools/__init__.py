"""`agno.tools`."""

from __future__ import annotations

from typing import Any, Callable

from stepwright.tools import tool

__all__ = ["Toolkit", "tool"]


class Toolkit:
    """Several tools under one name.

    Args:
        name: The name.
        tools: The functions.
    """

    def __init__(self, name: str = "toolkit", tools: list[Callable[..., Any]] | None = None) -> None:
        self.name = name
        self.functions: dict[str, Any] = {}
        for function in tools or ():
            self.register(function)

    def register(self, function: Callable[..., Any], name: str | None = None) -> None:
        """Adds a function."""
        self.functions[name or function.__name__] = function
