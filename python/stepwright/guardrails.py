"""Guardrails: checks before and after agents, steps, requests to models and tool calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Sequence

from ._functions import Table, is_async
from .exceptions import WorkflowDefinitionError
from .models import ModelLike, lowered

if TYPE_CHECKING:
    from typing import Literal

__all__ = [
    "Guard",
    "Judge",
    "Length",
    "Pattern",
    "PersonalData",
    "PromptInjection",
    "Secrets",
    "Verdict",
]

Then = Any


class Verdict:
    """What a function that is a guardrail may return, besides `True`, `False` and a reason.

    Example:
        >>> from stepwright.guardrails import Verdict
        >>> Verdict.rewrite("[redacted]")
        Verdict({'verdict': 'rewrite', 'content': '[redacted]'})
    """

    def __init__(self, told: dict[str, Any]) -> None:
        self._told = told

    @classmethod
    def refuse(cls, reason: str) -> Verdict:
        """The agent or the step fails, with this reason."""
        return cls({"verdict": "refuse", "reason": reason})

    @classmethod
    def retry(cls, reason: str) -> Verdict:
        """The work is done again, and told the reason."""
        return cls({"verdict": "retry", "reason": reason})

    @classmethod
    def rewrite(cls, content: Any) -> Verdict:
        """Another content takes the place of this one."""
        return cls({"verdict": "rewrite", "content": content})

    def __repr__(self) -> str:
        return f"Verdict({self._told!r})"


class _Check:
    """A guardrail that is there."""

    _kind = ""

    def __init__(self, then: str | None, **settings: Any) -> None:
        self.then = then
        self._settings = {name: value for name, value in settings.items() if value is not None}

    def _lower(self) -> dict[str, Any]:
        return {self._kind: self._settings}


class Length(_Check):
    """Limits the number of characters.

    Args:
        max: The largest number.
        min: The smallest number.
        then: What follows: `refuse`, `retry` or `rewrite`.
    """

    _kind = "length"

    def __init__(
        self,
        max: int | None = None,
        *,
        min: int | None = None,
        then: Literal["refuse", "retry", "rewrite"] | None = None,
    ) -> None:
        super().__init__(then, max=max, min=min)


class Pattern(_Check):
    """Finds a regular expression.

    Args:
        pattern: The expression.
        required: Whether it must match. By default it must not.
        reason: The reason in the error.
        then: What follows: `refuse`, `retry` or `rewrite`.
    """

    _kind = "pattern"

    def __init__(
        self,
        pattern: str,
        *,
        required: bool = False,
        reason: str | None = None,
        then: Literal["refuse", "retry", "rewrite"] | None = None,
    ) -> None:
        super().__init__(then, pattern=pattern, required=required, reason=reason)


class Secrets(_Check):
    """Finds credentials.

    Args:
        then: What follows: `refuse`, `retry` or `rewrite`.
    """

    _kind = "secrets"

    def __init__(self, then: Literal["refuse", "retry", "rewrite"] | None = None) -> None:
        super().__init__(then)


class PersonalData(_Check):
    """Finds personal data.

    Args:
        kinds: The kinds: `email`, `phone`, `card`, `iban`, `ssn`. By default all.
        then: What follows: `refuse`, `retry` or `rewrite`.
    """

    _kind = "personal_data"

    def __init__(
        self,
        *kinds: str,
        then: Literal["refuse", "retry", "rewrite"] | None = None,
    ) -> None:
        super().__init__(then, kinds=list(kinds))


class PromptInjection(_Check):
    """Finds the signs of a prompt injection.

    Args:
        then: What follows: `refuse`, `retry` or `rewrite`.
    """

    _kind = "prompt_injection"

    def __init__(self, then: Literal["refuse", "retry", "rewrite"] | None = None) -> None:
        super().__init__(then)


class Judge(_Check):
    """Has a model judge by a rule.

    Args:
        rule: What the text must not be: `The text promises a refund.`
        model: The model.
        then: What follows: `refuse`, `retry` or `rewrite`.
    """

    _kind = "judge"

    def __init__(
        self,
        rule: str,
        model: ModelLike = None,
        *,
        then: Literal["refuse", "retry", "rewrite"] | None = None,
    ) -> None:
        super().__init__(then, rule=rule, model=lowered(model))


class Guard:
    """A guardrail at its place.

    Args:
        check: A ready-made guardrail, or a function that takes the content. It returns `True` or
            `None` to let it pass; `False`, or a text with the reason, to refuse it; or a `Verdict`.
        at: The place: `before` or `after` the agent or the step; for agents also `before_model`,
            `after_model`, `before_tool` and `after_tool`.
        watch: Whether it judges beside the work, and not ahead of it.
        retries: The number of times that the work is done again.
        tools: The tools whose calls it judges. By default all.

    Example:
        >>> from stepwright import Agent, Guard, Workflow
        >>> from stepwright.guardrails import Secrets
        >>> def polite(content):
        ...     return "it shouts" if content.isupper() else True
        >>> clerk = Agent("Clerk", "offline", guardrails=[Guard(polite), Guard.after(Secrets("rewrite"))])
        >>> Workflow("Desk", [clerk]).run("GIVE ME IT")
        Traceback (most recent call last):
        ...
        stepwright.exceptions.StepError: step `Clerk` failed: guardrail `polite` refused …
    """

    def __init__(
        self,
        check: _Check | Callable[..., Any],
        at: Literal[
            "before", "after", "before_model", "after_model", "before_tool", "after_tool"
        ] = "before",
        *,
        watch: bool = False,
        retries: int | None = None,
        tools: Sequence[str] | None = None,
    ) -> None:
        if not isinstance(check, _Check) and not callable(check):
            raise WorkflowDefinitionError(f"{check!r} is not a guardrail: pass one or a function")
        self.check, self.at, self.watch = check, at, watch
        self.retries, self.tools = retries, tools

    @classmethod
    def before(cls, check: _Check | Callable[..., Any], **options: Any) -> Guard:
        """Judges the message to the agent or the step."""
        return cls(check, "before", **options)

    @classmethod
    def after(cls, check: _Check | Callable[..., Any], **options: Any) -> Guard:
        """Judges the output of the agent or the step."""
        return cls(check, "after", **options)

    @classmethod
    def before_model(cls, check: _Check | Callable[..., Any], **options: Any) -> Guard:
        """Judges the last message of each request to the model."""
        return cls(check, "before_model", **options)

    @classmethod
    def after_model(cls, check: _Check | Callable[..., Any], **options: Any) -> Guard:
        """Judges the text of each answer of the model."""
        return cls(check, "after_model", **options)

    @classmethod
    def before_tool(cls, check: _Check | Callable[..., Any], **options: Any) -> Guard:
        """Judges the arguments of each tool call."""
        return cls(check, "before_tool", **options)

    @classmethod
    def after_tool(cls, check: _Check | Callable[..., Any], **options: Any) -> Guard:
        """Judges the result of each tool call."""
        return cls(check, "after_tool", **options)

    def _lower(self, table: Table) -> dict[str, Any]:
        check = self.check
        then = None
        if isinstance(check, _Check):
            told, then = check._lower(), check.then
        else:
            name = getattr(check, "__name__", type(check).__name__)
            index = table.add(_judging(check), name=name, takes="content")
            told = {"function": {"name": name, "function": index}}
        return {
            "at": self.at,
            "check": told,
            "then": then,
            "watch": self.watch,
            "retries": self.retries,
            "tools": None if self.tools is None else list(self.tools),
        }


def lowered_guards(guards: Sequence[Any] | None, table: Table) -> list[dict[str, Any]]:
    """Returns guardrails as data. One without a place judges before."""
    made = [guard if isinstance(guard, Guard) else Guard(guard) for guard in guards or ()]
    return [guard._lower(table) for guard in made]


def _judging(check: Callable[..., Any]) -> Callable[..., Any]:
    if is_async(check):

        async def judged(content: Any) -> Any:
            return _verdict(await check(content))

        return judged
    return lambda content: _verdict(check(content))


def _verdict(returned: Any) -> dict[str, Any]:
    if isinstance(returned, Verdict):
        return returned._told
    if returned is None or returned is True:
        return {"verdict": "allow"}
    reason = returned if isinstance(returned, str) else "it was not accepted"
    return {"verdict": "refuse", "reason": reason}
