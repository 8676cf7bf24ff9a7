# Permissions: an effect is allowed, refused, or a person is asked about it.
from stepwright import Agent, InMemoryDb, StepError, Workflow


def charge(account: str) -> str:
    """Charges an account."""
    return f"charged {account}"


def made(permissions: dict, **options) -> Workflow:
    clerk = Agent("Clerk", tools=[charge])
    return Workflow("Pay", [clerk], db=InMemoryDb(), permissions=permissions, **options)


def tools(output) -> list:
    return [turn["tool"]["text"] for turn in output.step_executor_runs[0]["turns"] if "tool" in turn]


print(tools(made({"allow": ["charge", "model"]}).run("pay")))
print(tools(made({"deny": ["charge"], "allow": ["model"]}).run("pay")))

workflow = made({"ask": ["charge"], "allow": ["model"]})
output = workflow.run("pay", run_id="r-1")
print(output.status, output.requirements[0]["message"])
print(tools(workflow.continue_run("r-1", {output.requirements[0]["id"]: True})))

print(tools(made({"ask": ["charge"], "allow": ["model"]}, unattended=True).run("pay")))
try:
    made({"allow": ["http: nothing"]})
except ValueError as error:
    print("http: nothing" in str(error) or "is not an address" in str(error))
