"""`agno.workflow.types`."""

from . import *  # noqa: F403
