"""`agno.models.anthropic`."""

from __future__ import annotations

from ._model import named

__all__ = ["Claude"]

Claude = named("Claude", "anthropic", "claude-sonnet-5")
