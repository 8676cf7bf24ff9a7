"""`agno.workflow`."""

from __future__ import annotations

from typing import Any, Sequence

from stepwright import steps as _steps
from stepwright import workflow as _workflow
from stepwright.steps import Condition, Parallel, Router, Step, Steps
from stepwright.types import StepInput, StepOutput, WorkflowRunOutput

from .._options import check

__all__ = [
    "Condition",
    "Loop",
    "Parallel",
    "Router",
    "Step",
    "StepInput",
    "StepOutput",
    "Steps",
    "Workflow",
    "WorkflowRunOutput",
]


class Loop(_steps.Loop):
    """A loop that ends after its last turn, as Agno's does, also if its condition never held."""

    def __init__(
        self,
        steps: Sequence[Any] = (),
        name: str | None = None,
        description: str | None = None,
        max_iterations: int = 3,
        end_condition: Any = None,
        forward_iteration_output: bool = False,
    ) -> None:
        super().__init__(
            name,
            steps,
            max_iterations,
            end_condition,
            forward_iteration_output=forward_iteration_output,
            on_exhausted=None if end_condition is None else "continue",
        )
        self.description = description


class Workflow(_workflow.Workflow):
    """A workflow with Agno's options. Steps of the same name get numbers, as names must differ."""

    def __init__(
        self,
        *,
        name: str = "Workflow",
        steps: Any = (),
        stream: bool = False,
        debug_mode: bool = False,
        **options: Any,
    ) -> None:
        without_effect = ("telemetry", "cache_session", "stream_executor_events")
        check("Workflow", {name: options.pop(name, None) for name in without_effect})
        self._streams = stream
        listed = list(steps) if isinstance(steps, (list, tuple)) else [steps]
        super().__init__(name, _numbered(listed), debug_mode=debug_mode, **options)

    def run(self, input: Any = None, **options: Any) -> Any:
        """Runs the workflow: see `stepwright.Workflow.run`."""
        options.setdefault("stream", self._streams)
        return super().run(input, **options)

    def arun(self, input: Any = None, **options: Any) -> Any:
        """Runs the workflow: see `stepwright.Workflow.arun`."""
        options.setdefault("stream", self._streams and not options.get("background"))
        return super().arun(input, **options)


def _numbered(listed: list[Any]) -> list[Any]:
    """Gives steps of the same name, which Agno allows, names of their own."""
    made = [_steps.as_step(step) for step in listed]
    seen: dict[str, int] = {}
    for step in made:
        seen[step.name] = seen.get(step.name, 0) + 1
        if seen[step.name] > 1:
            step.name = f"{step.name} {seen[step.name]}"
    return made
