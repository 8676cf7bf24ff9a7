"""The exceptions of Stepwright."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .types import WorkflowRunOutput

__all__ = [
    "NotFoundError",
    "RunCancelledError",
    "RunReleasedError",
    "RunSkippedError",
    "StepError",
    "StepwrightError",
    "StoreError",
    "TerminalError",
    "UsageError",
    "WorkflowDefinitionError",
]


class StepwrightError(Exception):
    """The base of all exceptions that Stepwright raises.

    Attributes:
        code: The id of the kind of error, such as `SW0401`. `stepwright explain` describes it.
        hint: What to do about it.
        step: The path of the step that failed, such as `Facts/web`.
        attempts: The number of attempts of that step.
        run_id: The run.
        causes: The causes as texts, the nearest first. `__cause__` is the exception itself, in the
            process in which it was raised.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.code: str | None = None
        self.hint: str | None = None
        self.step: str | None = None
        self.attempts: int = 0
        self.run_id: str | None = None
        self.causes: list[str] = []
        self._output: dict[str, Any] | None = None

    @property
    def output(self) -> WorkflowRunOutput | None:
        """The partial result of the run, if there is one."""
        from .types import WorkflowRunOutput

        return None if self._output is None else WorkflowRunOutput(self._output)

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message}\nhelp: {self.hint}" if self.hint else message

    def __reduce__(self) -> Any:
        return (_again, (type(self), self.args, dict(self.__dict__)))


def _again(of: type, args: tuple[Any, ...], state: dict[str, Any]) -> BaseException:
    made: BaseException = of(*args)
    made.__dict__.update(state)
    return made


class WorkflowDefinitionError(StepwrightError, ValueError):
    """The definition of a workflow is invalid."""


class UsageError(StepwrightError, ValueError):
    """An argument is invalid."""


class NotFoundError(StepwrightError, LookupError):
    """The run or the session does not exist."""


class StepError(StepwrightError):
    """A step failed, and so did its run. `__cause__` is what the step raised."""


class RunCancelledError(StepwrightError):
    """The run was cancelled."""


class RunReleasedError(StepwrightError):
    """The run was left so that it can be resumed."""


class RunSkippedError(StepwrightError):
    """The run did not begin, because a limit of its workflow wants that."""


class StoreError(StepwrightError):
    """The store failed, or another process drives this run."""


class TerminalError(Exception):
    """Raise it in a step for a failure that must not be tried again.

    Example:
        >>> from stepwright import Step, TerminalError, Workflow
        >>> def charge(text: str) -> str:
        ...     raise TerminalError("the account is closed")
        >>> Workflow("Pay", [Step("Charge", executor=charge, max_retries=3)]).run("10")
        Traceback (most recent call last):
        ...
        stepwright.exceptions.StepError: step `Charge` failed: TerminalError: the account is closed
    """


_CLASSES: dict[str, type[StepwrightError]] = {
    "definition": WorkflowDefinitionError,
    "usage": UsageError,
    "not_found": NotFoundError,
    "cancelled": RunCancelledError,
    "store": StoreError,
    "released": RunReleasedError,
    "skipped": RunSkippedError,
    "run": StepError,
}


def of_report(report: dict[str, Any], output: dict[str, Any] | None) -> StepwrightError:
    error = _CLASSES[report["kind"]](report["message"])
    for field in ("code", "hint", "step", "attempts", "run_id", "causes"):
        setattr(error, field, report[field])
    error._output = output
    return error
