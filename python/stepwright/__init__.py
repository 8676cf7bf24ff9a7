"""Stepwright: workflows of agents, teams and functions that survive crashes.

    from stepwright import Agent, Step, Workflow

    workflow = Workflow(
        "Content Pipeline",
        [
            Step("Research", agent=Agent("Researcher", "openai:gpt-5-mini")),
            Step("Write", agent=Agent("Writer", "openai:gpt-5-mini")),
        ],
    )
    print(workflow.run("ants").content)
"""

from __future__ import annotations

from . import _native
from .agent import Agent, DuckDuckGoTools, Model, tool
from .db import InMemoryDb, PostgresDb, SqliteDb
from .exceptions import (
    NotFoundError,
    RunCancelledError,
    RunReleasedError,
    RunSkippedError,
    StepError,
    StepwrightError,
    StoreError,
    TerminalError,
    UsageError,
    WorkflowDefinitionError,
)
from .media import Audio, File, Image, Video
from .steps import Condition, Loop, Map, Parallel, Router, Step, Steps
from .types import (
    Metrics,
    RunContext,
    RunStatus,
    Session,
    StepInput,
    StepOutput,
    WorkflowRunOutput,
    WorkflowRunOutputEvent,
)
from .events import WorkflowRunEvent
from .workflow import Workflow

__version__: str = _native.version

__all__ = [
    "Agent",
    "Audio",
    "Condition",
    "DuckDuckGoTools",
    "File",
    "Image",
    "InMemoryDb",
    "Loop",
    "Map",
    "Metrics",
    "Model",
    "NotFoundError",
    "Parallel",
    "PostgresDb",
    "Router",
    "RunCancelledError",
    "RunContext",
    "RunReleasedError",
    "RunSkippedError",
    "RunStatus",
    "Session",
    "SqliteDb",
    "Step",
    "StepError",
    "StepInput",
    "StepOutput",
    "Steps",
    "StepwrightError",
    "StoreError",
    "TerminalError",
    "UsageError",
    "Video",
    "Workflow",
    "WorkflowDefinitionError",
    "WorkflowRunEvent",
    "WorkflowRunOutput",
    "WorkflowRunOutputEvent",
    "tool",
]
