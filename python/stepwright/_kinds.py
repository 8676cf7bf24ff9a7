"""Workers, which are agents and teams, and workflows, as the modules below them know them.

A workflow is made of steps, and steps, tools and servers take workflows, agents and teams. They tell
these apart by the bases in this module, so that they import none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from . import _native
    from ._functions import Table


class WorkflowBase:
    """A workflow."""

    name: str
    db: Any
    _native: _native.Workflow

    def _lower(self, table: Table) -> dict[str, Any]:
        raise NotImplementedError


class Worker:
    """An agent or a team: it is a step, and can run alone."""

    name: str
    description: str | None
    _workflow: Any = None

    def _work(self, table: Table) -> dict[str, Any]:
        raise NotImplementedError

    def run(self, input: Any = None, **options: Any) -> Any:
        """Runs it alone: see `Workflow.run`."""
        return self._alone().run(input, **options)

    def arun(self, input: Any = None, **options: Any) -> Any:
        """Runs it alone: see `Workflow.arun`."""
        return self._alone().arun(input, **options)

    def print_response(self, input: Any = None, **options: Any) -> None:
        """Prints a run of it alone: see `Workflow.print_response`."""
        self._alone().print_response(input, **options)

    async def aprint_response(self, input: Any = None, **options: Any) -> None:
        """Prints a run of it alone: see `Workflow.aprint_response`."""
        await self._alone().aprint_response(input, **options)

    def _alone(self) -> Any:
        if self._workflow is None:
            self._workflow = workflow_of(self)
        return self._workflow

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


_makes: list[Callable[[Worker, Any], WorkflowBase]] = []


def makes_workflows(make: Callable[[Worker, Any], WorkflowBase]) -> None:
    """Tells how a workflow is made of a worker and a store: the module of workflows does."""
    _makes[:] = [make]


def workflow_of(worker: Worker, db: Any = None) -> Any:
    """Returns a workflow of one step."""
    return _makes[0](worker, db)
