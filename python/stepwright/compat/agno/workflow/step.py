"""`agno.workflow.step`."""

from . import *  # noqa: F403
