"""`agno.workflow.condition`."""

from . import *  # noqa: F403
