"""`agno.workflow.steps`."""

from . import *  # noqa: F403
