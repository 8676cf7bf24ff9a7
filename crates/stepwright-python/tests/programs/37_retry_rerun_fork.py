# A run is retried, done again, and forked with another input.
import asyncio

from stepwright import SqliteDb, Step, StepError, Workflow

fails = True


def plan(text: str) -> str:
    print("plan", text)
    return f"plan of {text}"


def build(text: str) -> str:
    if fails:
        raise OSError("no stones")
    return f"built the {text}"


workflow = Workflow("House", [Step("Plan", executor=plan), Step("Build", executor=build)], db=SqliteDb("h.db"))
try:
    workflow.run("a house", run_id="r-1")
except StepError as error:
    print(error.step, error.code)
fails = False
print(workflow.retry("r-1").content)
print(workflow.fork("r-1", "Build", new_run_id="r-2").content)
print(workflow.rerun("r-1", new_run_id="r-3").content)
print(workflow.fork("r-1", "Plan", "a bridge", metadata={"why": "a river"}).metadata)
print([event.event for event in workflow.continue_run("r-2", stream=True)][-1:])


async def main() -> None:
    print((await workflow.afork("r-1", "Build")).content)


asyncio.run(main())
