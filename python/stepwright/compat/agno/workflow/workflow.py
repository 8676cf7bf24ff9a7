"""`agno.workflow.workflow`."""

from . import *  # noqa: F403
