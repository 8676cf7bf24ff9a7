"""Code that was written for Agno, with other imports. The programs are ours, in Agno's words."""

from __future__ import annotations

import pytest

PROGRAMS = {
    "a sequence of a function and agents": (
        """
from stepwright.compat.agno.agent import Agent
from stepwright.compat.agno.models.openai import OpenAIChat
from stepwright.compat.agno.workflow import Step, StepInput, StepOutput, Workflow
def prepare(step_input: StepInput) -> StepOutput:
    return StepOutput(content=f"Topic: {step_input.input}")
writer = Agent(name="Writer", model=OpenAIChat(id="scripted"), role="author", instructions=["Write."])
workflow = Workflow(name="Blog", steps=[Step(name="Prepare", executor=prepare), Step(name="Write", agent=writer)])
print(workflow.run(input="ants").content)
""",
        "Scripted answer about Topic: ants\n",
    ),
    "a loop that ends after its last turn": (
        """
from stepwright.compat.agno.workflow import Loop, Step, StepInput, StepOutput, Workflow
def more(step_input: StepInput) -> StepOutput:
    return StepOutput(content="short")
def done(outputs) -> bool:
    return len(outputs[-1].content) > 100
loop = Loop(name="Revise", steps=[Step(name="More", executor=more)], end_condition=done, max_iterations=2)
print(Workflow(name="L", steps=[loop]).run(input="x").status.value)
""",
        "COMPLETED\n",
    ),
    "branches, a condition and a router": (
        """
from stepwright.compat.agno.workflow import Condition, Parallel, Router, Step, Workflow
from stepwright.compat.agno.workflow.types import StepInput, StepOutput
def web(step_input: StepInput) -> StepOutput: return StepOutput(content="web")
def news(step_input: StepInput) -> StepOutput: return StepOutput(content="news")
def brief(step_input: StepInput) -> StepOutput: return StepOutput(content="brief")
def long(step_input: StepInput) -> StepOutput: return StepOutput(content=step_input.get_all_previous_content())
web_step, news_step = Step(name="Web", executor=web), Step(name="News", executor=news)
short_step, long_step = Step(name="Brief", executor=brief), Step(name="Long", executor=long)
def is_news(step_input: StepInput) -> bool: return "news" in step_input.input
def choose(step_input: StepInput): return [long_step]
workflow = Workflow(name="R", steps=[
    Parallel(web_step, Condition(name="News?", evaluator=is_news, steps=[news_step]), name="Facts"),
    Router(name="Which", selector=choose, choices=[short_step, long_step]),
])
print(workflow.run(input="news of ants").content)
""",
        "=== Web ===\nweb\n\n=== News ===\nnews\n",
    ),
    "a session state": (
        """
from stepwright.compat.agno.db.in_memory import InMemoryDb
from stepwright.compat.agno.workflow import Step, StepInput, StepOutput, Workflow
def add(step_input: StepInput, session_state: dict) -> StepOutput:
    session_state["items"].append(step_input.input)
    return StepOutput(content=", ".join(session_state["items"]))
workflow = Workflow(name="Cart", steps=[Step(name="Add", executor=add)], session_state={"items": []}, db=InMemoryDb())
for item in ("milk", "bread"):
    print(workflow.run(input=item, session_id="s").content)
print(workflow.get_session_state(session_id="s"))
""",
        "milk\nmilk, bread\n{'items': ['milk', 'bread']}\n",
    ),
    "a stop": (
        """
from stepwright.compat.agno.workflow import Step, StepInput, StepOutput, Workflow
def gate(step_input: StepInput) -> StepOutput: return StepOutput(content="no", stop=True)
def never(step_input: StepInput) -> StepOutput: raise AssertionError
print(Workflow(name="G", steps=[gate, never]).run(input="x").content)
""",
        "no\n",
    ),
    "a team": (
        """
from stepwright.compat.agno.agent import Agent
from stepwright.compat.agno.team import Team, TeamMode
from stepwright.compat.agno.workflow import Step, Workflow
team = Team(name="Desk", members=[Agent(name="Fact Finder", role="Finds facts")], mode=TeamMode.broadcast)
print(team.mode, Workflow(name="T", steps=[Step(name="Ask", team=team)]).run(input="ants").content)
""",
        "collaborate Scripted answer about ants\n",
    ),
    "a toolkit": (
        """
from stepwright.compat.agno.agent import Agent
from stepwright.compat.agno.tools import Toolkit, tool
from stepwright.compat.agno.workflow import Workflow
class Desk(Toolkit):
    def __init__(self):
        super().__init__(name="desk", tools=[self.look_up])
    def look_up(self, topic: str) -> str:
        "Looks a topic up."
        return f"found {topic}"
workflow = Workflow(name="T", steps=[Agent(name="Clerk", tools=[Desk()], telemetry=False)])
output = workflow.run(input="ants")
print([turn["tool"]["text"] for turn in output.step_executor_runs[0]["turns"] if "tool" in turn])
""",
        "['found ants']\n",
    ),
    "an async stream of a workflow that always streams": (
        """
import asyncio
from stepwright.compat.agno.run.workflow import WorkflowRunEvent
from stepwright.compat.agno.workflow import Workflow
async def hello(step_input):
    return "hello"
workflow = Workflow(name="S", steps=[hello, hello], stream=True, stream_events=True)
async def main():
    async for event in workflow.arun(input="x"):
        if event.event == WorkflowRunEvent.step_completed:
            print(event.step_id, event.content)
asyncio.run(main())
""",
        "hello hello\nhello 2 hello\n",
    ),
}


@pytest.mark.parametrize(("program", "expected"), PROGRAMS.values(), ids=PROGRAMS)
def test_code_for_agno_runs_with_other_imports(program, expected, run_program):
    assert run_program(program) == expected


def test_an_option_that_has_no_meaning_here_is_refused():
    from stepwright.compat.agno.agent import Agent

    with pytest.raises(TypeError, match="no option 'knowledge' in Stepwright"):
        Agent(name="A", knowledge=object())
