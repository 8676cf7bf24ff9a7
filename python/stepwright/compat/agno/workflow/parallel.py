"""`agno.workflow.parallel`."""

from . import *  # noqa: F403
