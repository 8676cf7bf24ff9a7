from __future__ import annotations

from typing import Any

from stepwright.models import Model

from .._options import check


def named(class_name: str, provider: str, default: str) -> type[Model]:
    """Makes the class of a provider's models."""

    class Named(Model):
        def __init__(
            self,
            id: str = default,
            *,
            api_key: str | None = None,
            base_url: str | None = None,
            temperature: float | None = None,
            max_tokens: int | None = None,
            **options: Any,
        ) -> None:
            check(class_name, options)
            super().__init__(
                f"{provider}:{id}",
                api_key=api_key,
                base_url=base_url,
                temperature=temperature,
                max_tokens=max_tokens,
            )

    Named.__name__ = Named.__qualname__ = class_name
    Named.__doc__ = f"A model of the provider `{provider}`."
    return Named
