"""`agno.run`."""

from stepwright.types import RunContext, RunStatus

__all__ = ["RunContext", "RunStatus"]
