"""`agno.models.ollama`."""

from __future__ import annotations

from ._model import named

__all__ = ["Ollama"]

Ollama = named("Ollama", "ollama", "llama3.2")
