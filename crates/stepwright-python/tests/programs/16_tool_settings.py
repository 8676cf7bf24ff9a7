# Tools with settings: retries, a confirmation by a person, and calls that this program carries out.
from stepwright import Agent, InMemoryDb, Workflow, tool

tries = []


@tool(retries=2, read_only=True)
def flaky(city: str) -> str:
    """Fails at first."""
    tries.append(city)
    if len(tries) < 3:
        raise OSError("no connection")
    return "sun"


@tool(requires_confirmation=True)
def charge(account: str) -> str:
    """Charges an account."""
    return f"charged {account}"


@tool(external_execution=True)
def open_door(door: str) -> str:
    """Opens a door."""
    raise AssertionError("this program does it")


def turns(output) -> list:
    return [turn["tool"]["text"] for turn in output.step_executor_runs[0]["turns"] if "tool" in turn]


output = Workflow("Weather", [Agent("Clerk", tools=[flaky])]).run("ants")
print(turns(output), len(tries))

workflow = Workflow("Pay", [Agent("Clerk", tools=[charge])], db=InMemoryDb())
output = workflow.run("pay", run_id="r-1")
print(output.status, output.requirements[0]["requires"])
output = workflow.continue_run("r-1", {output.requirements[0]["id"]: True})
print(output.status, turns(output))

workflow = Workflow("Door", [Agent("Clerk", tools=[open_door])], db=InMemoryDb())
output = workflow.run("open", run_id="r-2")
asked = output.requirements[0]
print(asked["requires"], asked["tool"], asked["arguments"])
answer = {"decision": "submit", "value": "it is open"}
print(turns(workflow.continue_run("r-2", {asked["id"]: answer})))
