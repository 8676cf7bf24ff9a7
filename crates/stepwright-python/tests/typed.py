"""What type checkers must accept, and the lines marked with `expect:` what they must refuse."""

from __future__ import annotations

import asyncio
from typing import Iterator

from stepwright import (
    Agent,
    Condition,
    Loop,
    Parallel,
    Router,
    RunContext,
    SqliteDb,
    Step,
    StepInput,
    StepOutput,
    Workflow,
    WorkflowRunEvent,
    WorkflowRunOutput,
    tool,
)


def first(step_input: StepInput) -> StepOutput:
    return StepOutput(content=step_input.get_step_content("x"))


async def second(text: str, session_state: dict[str, int]) -> str:
    return text


def pieces(text: str, run_context: RunContext) -> Iterator[str]:
    yield run_context.run_id


@tool(requires_confirmation=True)
def weather(city: str) -> str:
    return city


workflow = Workflow(
    "Typed",
    [
        Step("First", executor=first, max_retries=2, timeout=1.5),
        Parallel("Both", second, pieces, join="fail_fast"),
        Loop("L", [first], 2, lambda outputs: True),
        Condition("C", True, [first]),
        Router("R", lambda step_input: "first", [first]),
        Agent("Writer", "offline", tools=[weather]),
    ],
    db=SqliteDb("a.db"),
)

output: WorkflowRunOutput = workflow.run("x")
status: str = output.status.value
for event in workflow.run("x", stream=True):
    same: bool = event.event == WorkflowRunEvent.step_started.value


async def main() -> None:
    awaited: WorkflowRunOutput = await workflow.arun("x")
    print(awaited.metrics.duration + 1)
    async for event in workflow.arun("x", stream=True):
        print(event.step_id)


asyncio.run(main())

Loop("L", [first], max_iterations="3")  # expect: max_iterations
Workflow("W", [first], db="a.db")  # expect: db
output.no_method_of_ours(1).content  # any field of the journal can be read
