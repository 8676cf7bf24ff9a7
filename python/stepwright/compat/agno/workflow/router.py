"""`agno.workflow.router`."""

from . import *  # noqa: F403
