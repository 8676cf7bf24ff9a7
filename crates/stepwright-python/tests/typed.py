"""What type checkers must accept, and the lines marked with `expect:` what they must refuse."""

from __future__ import annotations

import asyncio
from typing import Iterator

from stepwright import (
    Agent,
    CalculatorTools,
    AgentMemory,
    Compaction,
    Condition,
    Guard,
    Knowledge,
    Loop,
    McpServer,
    Model,
    Parallel,
    Router,
    RunContext,
    Server,
    SessionSummary,
    SqliteDb,
    Step,
    StepInput,
    StepOutput,
    Team,
    Workflow,
    WorkflowRunEvent,
    WorkflowRunOutput,
    tool,
)
from stepwright.guardrails import Length, Secrets, Verdict


def first(step_input: StepInput) -> StepOutput:
    return StepOutput(content=step_input.get_step_content("x"))


async def second(text: str, session_state: dict[str, int]) -> str:
    return text


def pieces(text: str, run_context: RunContext) -> Iterator[str]:
    yield run_context.run_id


@tool(requires_confirmation=True)
def weather(city: str) -> str:
    return city


@tool(retries=2, timeout=1.5, read_only=True)
def look_up(topic: str) -> str:
    return topic


def decide(step_input: StepInput) -> str:
    receipt = step_input.once("charge", lambda: 7)
    step_input.sleep("rest", 1)
    return f"{receipt} {step_input.wait('approve', 'Publish?', schema={'type': 'string'}, default='')}"


def polite(content: object) -> Verdict:
    return Verdict.retry("shorter")


desk = Team(
    "Desk",
    [Agent("Writer", Model("offline", top_p=0.5)), (Agent("Editor"), "Edits.")],
    mode="route",
    tools=[CalculatorTools(), McpServer("files", ["files-server"], only=["read_*"])],
    guardrails=[polite, Guard.after(Secrets("rewrite")), Guard(Length(100), "before_model")],
    knowledge=Knowledge("a.db"),
    compaction=Compaction(1000, by="drop"),
    session_summary=SessionSummary(every=2),
    memory=AgentMemory(by="after_run", known=10),
)

workflow = Workflow(
    "Typed",
    [
        Step("First", executor=first, max_retries=2, timeout=1.5),
        Parallel("Both", second, pieces, join="fail_fast"),
        Loop("L", [first], 2, lambda outputs: True),
        Condition("C", True, [first]),
        Router("R", lambda step_input: "first", [first]),
        Agent("Writer", "offline", tools=[weather, look_up]),
        Step("Team", team=desk, guardrails=[polite]),
        Step("Decide", executor=decide, requires_user_input="How?", user_input_schema={}),
    ],
    db=SqliteDb("a.db"),
)

output: WorkflowRunOutput = workflow.run("x")
again: WorkflowRunOutput = workflow.fork("r-1", "First", new_run_id="r-2")
sent: bool = workflow.send("r-1", "Be short.", mode="interrupt")["is_for_next_run"]
history: list[str] = [one["input"] for one in workflow.get_history("s-1", num_runs=3)]
remembered: str = SqliteDb("a.db").memories("ada").add("Likes tea.", topics=["drinks"]).memory
server = Server(workflow, desk)
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
Team("T", [], mode="all")  # expect: mode
AgentMemory(by="hand")  # expect: by
McpServer("files", timeout="1")  # expect: timeout
output.no_method_of_ours(1).content  # any field of the journal can be read
