"""`agno.models.mistral`."""

from __future__ import annotations

from ._model import named

__all__ = ["MistralChat"]

MistralChat = named("MistralChat", "mistral", "mistral-medium-latest")
