# Functions wait for people and times; forms are filled in; effects happen once.
from dataclasses import dataclass

from stepwright import InMemoryDb, SqliteDb, Step, StepError, StepInput, Workflow

calls = []


@dataclass
class Tone:
    tone: str
    words: int


def decide(step_input: StepInput) -> str:
    receipt = step_input.once("charge", lambda: calls.append("charge") or "receipt 7")
    answer = step_input.wait("approve", "Publish it?", schema={"type": "string"})
    step_input.sleep("rest", 0.01)
    calls.append("end")
    return f"{receipt}, {answer}"


def write(step_input: StepInput) -> str:
    return f"{step_input.text} in {step_input.user_input['words']} {step_input.user_input['tone']} words"


def made() -> Workflow:
    return Workflow("W", [Step("Decide", executor=decide)], db=SqliteDb("waits.db"))


output = made().run("ants", run_id="r-1")
asked = output.requirements[0]
print(output.status, asked["id"], asked["message"])
try:
    made().continue_run("r-1", {asked["id"]: {"decision": "submit", "value": 7}})
except ValueError as error:
    print("refused:", str(error).splitlines()[0][:40])
output = made().continue_run("r-1", {asked["id"]: {"decision": "submit", "value": "yes"}})
print(output.status, output.content, calls)

form = Step("Write", executor=write, requires_user_input="How?", user_input_schema=Tone)
workflow = Workflow("F", [form], db=InMemoryDb())
output = workflow.run("A letter", run_id="r-2")
print(output.requirements[0]["requires"], sorted(output.requirements[0]["schema"]["properties"]))
answer = {"decision": "submit", "value": {"tone": "warm", "words": 20}}
print(workflow.continue_run("r-2", {output.requirements[0]["id"]: answer}).content)


async def later(step_input: StepInput) -> str:
    return step_input.wait("late", timeout=0.05, default="too late")


print(Workflow("L", [later], db=InMemoryDb()).run("x", run_id="r-3").status)
try:
    StepInput("x").wait("alone")
except RuntimeError as error:
    print(error)
