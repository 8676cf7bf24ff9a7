"""The parts of a workflow: steps, and containers that hold steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Iterable, Sequence

from ._functions import Table
from ._kinds import Worker, WorkflowBase
from .exceptions import WorkflowDefinitionError

if TYPE_CHECKING:
    from typing import Literal

    from .agent import Agent
    from .guardrails import Guard
    from .team import Team

__all__ = ["Condition", "Loop", "Map", "Parallel", "Router", "Step", "Steps"]

#: What can be a step: a step or a container, an agent, a workflow, a function, or a list of these.
StepLike = Any

_ON_ERROR = ("fail", "skip", "continue", "pause")


class _Node:
    """What steps and containers share."""

    name: str

    def __init__(
        self,
        *,
        timeout: float | None = None,
        on_error: str | None = None,
        on_interrupted: str | None = None,
        budget: dict[str, Any] | None = None,
        human_review: dict[str, Any] | None = None,
        version: str | None = None,
    ) -> None:
        if on_error is not None and on_error not in _ON_ERROR:
            raise WorkflowDefinitionError(
                f"`on_error` must be one of {', '.join(_ON_ERROR)}, and is {on_error!r}"
            )
        self._policies: dict[str, Any] = {
            "timeout": timeout,
            "on_error": on_error,
            "on_interrupted": on_interrupted,
            "budget": budget,
            "human_review": human_review,
            "version": version,
        }

    def _lower(self, table: Table) -> dict[str, Any]:
        raise NotImplementedError

    def _set(self) -> dict[str, Any]:
        return {name: value for name, value in self._policies.items() if value is not None}


class Step(_Node):
    """A named step, and the agent, the function or the workflow that carries it out.

    Args:
        name: The name. By default that of the executor.
        agent: An agent.
        executor: A function, sync or async, or a generator of either kind. It takes a `StepInput`;
            or a `str`, a Pydantic model or a dataclass, if its first argument is annotated so. It
            may also take `session_state`, a dictionary whose changes are kept, and `run_context`.
        workflow: A whole workflow.
        team: A team.
        max_retries: The number of retries after a failure.
        backoff: The seconds before the first retry. Each further wait is twice as long.
        timeout: The seconds for one attempt.
        idle_timeout: The seconds without a sign of life.
        skip_on_failure: The same as `on_error="skip"`.
        on_error: What happens after a failure: `fail`, `skip`, `continue` or `pause`.
        on_interrupted: What happens if the process dies meanwhile: `retry`, `ask` or `fail`.
        requires_confirmation: A person must confirm the step before it begins.
        confirmation_message: The question to that person.
        requires_output_review: A person must accept the output.
        requires_user_input: A person must fill in a form before the step begins.
        user_input_schema: The form: a Pydantic model, a dataclass or a JSON Schema. The function
            reads the answer as `StepInput.user_input`.
        on_reject: What happens after a rejection.
        guardrails: Checks of the input and the output.
        human_review: Other decisions of people, as the journal writes them.
        budget: The largest use of tokens, money, time and calls: `{"tokens": 1000}`.
        version: The version of the function. Another one is not used to resume a run.
        add_workflow_history: Whether the agent sees the earlier runs of the session.
        num_history_runs: The number of those runs.

    Example:
        >>> from stepwright import Step, StepInput, Workflow
        >>> def shout(step_input: StepInput) -> str:
        ...     return step_input.text.upper()
        >>> Workflow("Loud", [Step("Shout", executor=shout)]).run("hello").content
        'HELLO'
    """

    def __init__(
        self,
        name: str | None = None,
        agent: Agent | None = None,
        executor: Callable[..., Any] | None = None,
        workflow: WorkflowBase | None = None,
        team: Team | None = None,
        *,
        max_retries: int | None = None,
        backoff: float | None = None,
        timeout: float | None = None,
        idle_timeout: float | None = None,
        skip_on_failure: bool = False,
        on_error: str | None = None,
        on_interrupted: str | None = None,
        requires_confirmation: bool = False,
        confirmation_message: str | None = None,
        requires_output_review: str | bool = False,
        requires_user_input: str | bool = False,
        user_input_schema: Any = None,
        on_reject: Literal["skip", "cancel", "fail", "else", "retry"] | None = None,
        guardrails: Sequence[Guard | Callable[..., Any]] | None = None,
        human_review: dict[str, Any] | None = None,
        budget: dict[str, Any] | None = None,
        version: str | None = None,
        add_workflow_history: bool | None = None,
        num_history_runs: int | None = None,
    ) -> None:
        given = [work for work in (agent, executor, workflow, team) if work is not None]
        if len(given) != 1:
            raise WorkflowDefinitionError(
                f"step {name!r} needs one of `agent`, `executor`, `workflow` and `team`, "
                f"and has {len(given)}"
            )
        if skip_on_failure and on_error not in (None, "skip"):
            raise WorkflowDefinitionError(
                f"step {name!r} has `skip_on_failure` and `on_error={on_error!r}`"
            )
        self.work: Any = given[0]
        if executor is not None and not callable(executor):
            raise WorkflowDefinitionError(f"{executor!r} cannot be called")
        self.name = name or _name_of(self.work)
        review = dict(human_review or {})
        if requires_confirmation:
            review["confirmation"] = confirmation_message or f"Run {self.name}?"
        if requires_output_review:
            text = requires_output_review
            review["output_review"] = text if isinstance(text, str) else f"Accept {self.name}?"
        if requires_user_input:
            review["user_input"] = {
                "message": requires_user_input if isinstance(requires_user_input, str) else self.name,
                "schema": _form(user_input_schema, self.name),
            }
        if on_reject is not None:
            review["on_reject"] = on_reject
        self._guardrails = list(guardrails or ())
        super().__init__(
            timeout=timeout,
            on_error="skip" if skip_on_failure else on_error,
            on_interrupted=on_interrupted,
            budget=budget,
            human_review=review or None,
            version=version,
        )
        self._policies.update(
            retries=max_retries,
            backoff=backoff,
            idle_timeout=idle_timeout,
            add_history=add_workflow_history,
            history_runs=num_history_runs,
        )

    def _lower(self, table: Table) -> dict[str, Any]:
        from .guardrails import lowered_guards

        work: dict[str, Any]
        if isinstance(self.work, Worker):
            work = self.work._work(table)
        elif isinstance(self.work, WorkflowBase):
            work = {"workflow": self.work._lower(table)}
        else:
            work = {"function": table.step(self.work)}
        policies = self._set()
        if self._guardrails:
            policies["guardrails"] = lowered_guards(self._guardrails, table)
        return {"step": {"name": self.name, "work": work, "policies": policies}}

    def __repr__(self) -> str:
        return f"Step({self.name!r})"


class _Container(_Node):
    """What containers share."""

    _kind = ""

    def __init__(self, name: str | None, steps: Iterable[StepLike], **policies: Any) -> None:
        super().__init__(**policies)
        self.name = name or type(self).__name__
        self.steps = [as_step(step) for step in steps]

    def _lower(self, table: Table) -> dict[str, Any]:
        fields = {"name": self.name, "policies": self._set(), **self._fields(table)}
        return {self._kind: fields}

    def _fields(self, table: Table) -> dict[str, Any]:
        return {"steps": [step._lower(table) for step in self.steps]}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self.steps!r})"


def _spread(steps: tuple[StepLike, ...], name: str | None, listed: Any) -> tuple[Any, str | None]:
    """Reads `Parallel("name", a, b)`, `Parallel(a, b, name=…)` and `Steps("name", [a, b])`."""
    if steps and isinstance(steps[0], str):
        if name is not None:
            raise TypeError("the name is given twice")
        name, steps = steps[0], steps[1:]
    if len(steps) == 1 and isinstance(steps[0], (list, tuple)):
        steps = tuple(steps[0])
    return (steps if listed is None else (*steps, *listed)), name


class Steps(_Container):
    """Steps, one after the other, under one name.

    Example:
        >>> from stepwright import Steps, Workflow
        >>> def trim(text: str) -> str:
        ...     return text.strip()
        >>> def shout(text: str) -> str:
        ...     return text.upper()
        >>> Workflow("Tidy", [Steps("Both", trim, shout)]).run(" hi ").content
        'HI'
    """

    _kind = "steps"

    def __init__(
        self,
        *args: StepLike,
        name: str | None = None,
        steps: Sequence[StepLike] | None = None,
        **policies: Any,
    ) -> None:
        found, name = _spread(args, name, steps)
        super().__init__(name, found, **policies)


class Parallel(_Container):
    """Branches that run at the same time. The output has that of each branch under its name.

    Args:
        args: The name, if it is a text, and the branches.
        name: The name.
        join: `wait_all` (the default), `fail_fast`, `best_effort`, `first`, or
            `{"quorum": 2}`.
        concurrency: The largest number of branches at a time.

    Example:
        >>> from stepwright import Parallel, Workflow
        >>> def web(text: str) -> str:
        ...     return f"the web about {text}"
        >>> def archive(text: str) -> str:
        ...     return f"the archive about {text}"
        >>> Workflow("Facts", [Parallel("Both", web, archive)]).run("ants").content
        {'web': 'the web about ants', 'archive': 'the archive about ants'}
    """

    _kind = "parallel"

    def __init__(
        self,
        *args: StepLike,
        name: str | None = None,
        steps: Sequence[StepLike] | None = None,
        join: str | dict[str, int] | None = None,
        concurrency: int | None = None,
        **policies: Any,
    ) -> None:
        found, name = _spread(args, name, steps)
        super().__init__(name, found, **policies)
        self.join, self.concurrency = join, concurrency

    def _fields(self, table: Table) -> dict[str, Any]:
        fields = super()._fields(table)
        if self.join is not None:
            fields["join"] = self.join
        return {**fields, "concurrency": self.concurrency}


class Loop(_Container):
    """Steps that repeat until a condition holds.

    Args:
        name: The name.
        steps: The steps of a turn.
        max_iterations: The largest number of turns.
        end_condition: A function that takes the outputs of the turn, as a list of `StepOutput`, and
            returns `True` to end the loop.
        forward_iteration_output: Whether a turn begins with the output of the one before.
        on_exhausted: What happens if the condition never holds: `fail` (the default) or
            `continue`.

    Example:
        >>> from stepwright import Loop, Workflow
        >>> def more(text: str) -> str:
        ...     return text + "!"
        >>> def is_loud(outputs) -> bool:
        ...     return outputs[-1].content.endswith("!!!")
        >>> loop = Loop("Revise", [more], 5, is_loud, forward_iteration_output=True)
        >>> Workflow("Letter", [loop]).run("Hi").content
        'Hi!!!'
    """

    _kind = "loop"

    def __init__(
        self,
        name: str | None = None,
        steps: Sequence[StepLike] = (),
        max_iterations: int = 3,
        end_condition: Callable[..., Any] | None = None,
        *,
        forward_iteration_output: bool = False,
        on_exhausted: str | None = None,
        **policies: Any,
    ) -> None:
        super().__init__(name, steps, **policies)
        self.max_iterations, self.end_condition = max_iterations, end_condition
        self.forward_iteration_output = forward_iteration_output
        self.on_exhausted = on_exhausted

    def _fields(self, table: Table) -> dict[str, Any]:
        fields = super()._fields(table)
        fields["at_most"] = self.max_iterations
        fields["forward"] = self.forward_iteration_output
        if self.end_condition is not None:
            names = [step.name for step in self.steps]
            fields["until"] = table.decider(self.end_condition, bool, names=names)
            fields["on_exhausted"] = self.on_exhausted
        return fields


class Condition(_Container):
    """Steps that run if a function says so.

    Args:
        name: The name.
        evaluator: A function that takes a `StepInput` and returns `True` or `False`, or the
            decision itself.
        steps: The steps if it holds.
        else_steps: The steps if it does not.

    Example:
        >>> from stepwright import Condition, StepInput, Workflow
        >>> def is_long(step_input: StepInput) -> bool:
        ...     return len(step_input.text) > 10
        >>> def shorten(text: str) -> str:
        ...     return text[:10] + "…"
        >>> workflow = Workflow("Short", [Condition("Long?", is_long, [shorten])])
        >>> workflow.run("a text that is long").content
        'a text tha…'
    """

    _kind = "condition"

    def __init__(
        self,
        name: str | None = None,
        evaluator: Callable[..., Any] | bool | None = None,
        steps: Sequence[StepLike] = (),
        else_steps: Sequence[StepLike] | None = None,
        **policies: Any,
    ) -> None:
        super().__init__(name, steps, **policies)
        if evaluator is None:
            raise WorkflowDefinitionError(f"condition {self.name!r} needs an `evaluator`")
        self.evaluator = evaluator
        self.else_steps = [as_step(step) for step in else_steps or ()]

    def _fields(self, table: Table) -> dict[str, Any]:
        fields = super()._fields(table)
        fields["otherwise"] = [step._lower(table) for step in self.else_steps]
        if isinstance(self.evaluator, bool):
            fields["constant"] = self.evaluator
        else:
            fields["holds"] = table.decider(self.evaluator, bool)
        return fields


class Router(_Container):
    """Steps that a function chooses.

    Args:
        name: The name.
        selector: A function that takes a `StepInput` and returns a choice, or several, or their
            names.
        choices: The steps to choose from.

    Example:
        >>> from stepwright import Router, StepInput, Workflow
        >>> def blog(text: str) -> str:
        ...     return f"a post about {text}"
        >>> def tweet(text: str) -> str:
        ...     return f"a line about {text}"
        >>> def choose(step_input: StepInput) -> str:
        ...     return "tweet" if len(step_input.text) < 10 else "blog"
        >>> Workflow("Text", [Router("Which?", choose, [blog, tweet])]).run("ants").content
        'a line about ants'
    """

    _kind = "router"

    def __init__(
        self,
        name: str | None = None,
        selector: Callable[..., Any] | None = None,
        choices: Sequence[StepLike] = (),
        **policies: Any,
    ) -> None:
        super().__init__(name, choices, **policies)
        if selector is None and "human_review" not in policies:
            raise WorkflowDefinitionError(f"router {self.name!r} needs a `selector`")
        self.selector = selector
        self.choices = self.steps
        # What a selector may return instead of a name.
        self._names = {id(given): step.name for given, step in zip(choices, self.steps)}
        self._names.update((id(step), step.name) for step in self.steps)

    def _chosen(self, value: Any) -> list[str]:
        chosen = list(value) if isinstance(value, (list, tuple)) else [value]
        return [self._name(one) for one in chosen if one is not None]

    def _name(self, chosen: Any) -> str:
        if isinstance(chosen, str):
            return chosen
        return self._names.get(id(chosen)) or _name_of(chosen)

    def _fields(self, table: Table) -> dict[str, Any]:
        fields: dict[str, Any] = {"choices": [step._lower(table) for step in self.steps]}
        if self.selector is not None:
            fields["choose"] = table.decider(self.selector, self._chosen)
        return fields


class Map(_Container):
    """Steps that run for each item of a list. The output is the list of their outputs.

    Args:
        name: The name.
        steps: The steps for an item. Their `StepInput.item` is the item.
        over: A function that takes a `StepInput` and returns the items. By default the items are
            those of the content.
        concurrency: The largest number of items at a time.
        join: As for `Parallel`.

    Example:
        >>> from stepwright import Map, StepInput, Workflow
        >>> def words(step_input: StepInput) -> list[str]:
        ...     return step_input.text.split()
        >>> def count(step_input: StepInput) -> int:
        ...     return len(step_input.item)
        >>> Workflow("Lengths", [Map("Each", [count], over=words)]).run("ants and bees").content
        [4, 3, 4]
    """

    _kind = "map"

    def __init__(
        self,
        name: str | None = None,
        steps: Sequence[StepLike] = (),
        over: Callable[..., Any] | None = None,
        *,
        concurrency: int | None = None,
        join: str | dict[str, int] | None = None,
        **policies: Any,
    ) -> None:
        super().__init__(name, steps, **policies)
        self.over, self.concurrency, self.join = over, concurrency, join

    def _fields(self, table: Table) -> dict[str, Any]:
        fields = super()._fields(table)
        fields["concurrency"], fields["join"] = self.concurrency, self.join
        if self.over is not None:
            fields["over"] = table.decider(self.over, list)
        return fields


def _form(schema: Any, step: str) -> dict[str, Any]:
    if isinstance(schema, dict):
        return schema
    if schema is None:
        raise WorkflowDefinitionError(f"step {step!r} needs a `user_input_schema`")
    from ._schema import schema_of

    return schema_of(schema)


def _name_of(work: Any) -> str:
    name = getattr(work, "name", None) or getattr(work, "__name__", None)
    return str(name or type(work).__name__)


def as_step(given: StepLike) -> _Node:
    """Makes a step of an agent, a workflow, a function, or a list of these."""
    if isinstance(given, _Node):
        return given
    if isinstance(given, Worker):
        return Step(agent=given)
    if isinstance(given, WorkflowBase):
        return Step(workflow=given)
    if isinstance(given, (list, tuple)):
        return Steps(*given)
    if callable(given):
        return Step(executor=given)
    raise WorkflowDefinitionError(
        f"{given!r} is not a step: pass a Step, a container, an Agent, a Team, a Workflow or a function"
    )
