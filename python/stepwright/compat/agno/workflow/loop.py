"""`agno.workflow.loop`."""

from . import *  # noqa: F403
