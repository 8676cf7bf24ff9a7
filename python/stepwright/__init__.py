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
from .agent import Agent
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
from .guardrails import Guard
from .knowledge import Knowledge, OpenAIEmbedder
from .media import Audio, File, Image, Video
from .memory import AgentMemory, Compaction, Memories, SessionSummary, UserMemory
from .models import Model
from .server import Server, asgi
from .steps import Condition, Loop, Map, Parallel, Router, Step, Steps
from .team import Team
from .tools import (
    AskUserTools,
    CalculatorTools,
    DuckDuckGoTools,
    FileTools,
    HttpTools,
    McpServer,
    PythonTools,
    Skills,
    SqlTools,
    WebPageTools,
    WikipediaTools,
    tool,
)
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
    "AgentMemory",
    "AskUserTools",
    "Audio",
    "CalculatorTools",
    "Compaction",
    "Condition",
    "DuckDuckGoTools",
    "File",
    "FileTools",
    "Guard",
    "HttpTools",
    "Image",
    "InMemoryDb",
    "Knowledge",
    "Loop",
    "Map",
    "McpServer",
    "Memories",
    "Metrics",
    "Model",
    "NotFoundError",
    "OpenAIEmbedder",
    "Parallel",
    "PostgresDb",
    "PythonTools",
    "Router",
    "RunCancelledError",
    "RunContext",
    "RunReleasedError",
    "RunSkippedError",
    "RunStatus",
    "Server",
    "Session",
    "SessionSummary",
    "Skills",
    "SqlTools",
    "SqliteDb",
    "Step",
    "StepError",
    "StepInput",
    "StepOutput",
    "Steps",
    "StepwrightError",
    "StoreError",
    "Team",
    "TerminalError",
    "UsageError",
    "UserMemory",
    "Video",
    "WebPageTools",
    "WikipediaTools",
    "Workflow",
    "WorkflowDefinitionError",
    "WorkflowRunEvent",
    "WorkflowRunOutput",
    "WorkflowRunOutputEvent",
    "asgi",
    "tool",
]
