"""`agno.models.openai`."""

from __future__ import annotations

from ._model import named

__all__ = ["OpenAIChat", "OpenAIResponses"]

OpenAIChat = named("OpenAIChat", "openai-chat", "gpt-5-mini")
OpenAIResponses = named("OpenAIResponses", "openai", "gpt-5-mini")
