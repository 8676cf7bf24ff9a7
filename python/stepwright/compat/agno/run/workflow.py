"""`agno.run.workflow`."""

from stepwright.events import WorkflowRunEvent
from stepwright.types import WorkflowRunOutput, WorkflowRunOutputEvent

__all__ = ["WorkflowRunEvent", "WorkflowRunOutput", "WorkflowRunOutputEvent"]
