"""`agno.models.groq`."""

from __future__ import annotations

from ._model import named

__all__ = ["Groq"]

Groq = named("Groq", "groq", "openai/gpt-oss-120b")
