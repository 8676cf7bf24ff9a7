# A failed run is retried, and what was completed is not repeated. A fork begins where it is told to.
from stepwright import SqliteDb, StepError, Workflow

calls = []


def first(text: str) -> str:
    calls.append("first")
    return text.upper()


def second(text: str) -> str:
    calls.append("second")
    if len(calls) < 3:
        raise OSError("no connection")
    return text + "!"


workflow = Workflow("Two", [first, second], db=SqliteDb("runs.db"))
try:
    workflow.run("ants", run_id="r-1")
except StepError as error:
    print(error.run_id, error)
print(workflow.retry("r-1").content, calls)
forked = workflow.fork("r-1", at="second")
print(forked.content, calls, forked.run_id != "r-1")
