"""`agno.models.google`."""

from __future__ import annotations

from ._model import named

__all__ = ["Gemini"]

Gemini = named("Gemini", "google", "gemini-2.5-flash")
