"""Models of agents."""

from __future__ import annotations

from typing import Any, Sequence

__all__ = ["Model"]

#: What names a model: `provider:model`, a `Model`, or several, of which a further one answers where
#: those before it are down.
ModelLike = Any


class Model:
    """A model, where its name is not all there is to say.

    Args:
        id: The provider and the name, such as `openai:gpt-5-mini`. The provider is OpenAI if there
            is none.
        base_url: The address of the provider.
        api_key: The key. By default that of the environment, such as `OPENAI_API_KEY`.
        temperature: The temperature.
        max_tokens: The largest number of tokens of an answer.
        top_p: The probability mass of nucleus sampling.
        seed: The seed of the sampling.
        stop: The texts that end an answer.
        reasoning_effort: The amount of reasoning: `none`, `minimal`, `low`, `medium`, `high` or
            `max`.
        timeout: The seconds for an answer.
    """

    def __init__(
        self,
        id: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        stop: Sequence[str] | None = None,
        reasoning_effort: str | None = None,
        timeout: float | None = None,
    ) -> None:
        self.id, self.base_url, self.api_key = id, base_url, api_key
        self.temperature, self.max_tokens, self.top_p = temperature, max_tokens, top_p
        self.seed, self.stop, self.timeout = seed, stop, timeout
        self.reasoning_effort = reasoning_effort

    def _lower(self) -> dict[str, Any]:
        return {
            "names": [self.id],
            "base_url": self.base_url,
            "api_key": self.api_key,
            "temperature": self.temperature,
            "max_output_tokens": self.max_tokens,
            "top_p": self.top_p,
            "seed": self.seed,
            "stop": list(self.stop or ()),
            "reasoning_effort": self.reasoning_effort,
            "timeout": self.timeout,
        }

    def __repr__(self) -> str:
        return f"Model({self.id!r})"


def lowered(model: ModelLike) -> dict[str, Any]:
    """Returns a model as data. Without one it is that of `STEPWRIGHT_MODEL`, or `auto`."""
    if model is None:
        import os

        return {"names": [os.environ.get("STEPWRIGHT_MODEL") or "auto"]}
    if isinstance(model, Model):
        return model._lower()
    if isinstance(model, str):
        return {"names": [model]}
    return {"names": list(model)}
