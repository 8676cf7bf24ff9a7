# Threads share a workflow and a store.
from concurrent.futures import ThreadPoolExecutor

from stepwright import Parallel, SqliteDb, Step, Workflow


def double(number: int) -> int:
    return 2 * number


def add(number: int) -> int:
    return number + 1


workflow = Workflow("Numbers", [Step("Double", executor=double), Parallel("Both", add, double)],
                    db=SqliteDb("runs.db"))
with ThreadPoolExecutor(8) as pool:
    outputs = list(pool.map(lambda n: workflow.run(n, run_id=f"r-{n}"), range(40)))
print([output.content for output in outputs[:3]])
print(len({output.run_id for output in outputs}), len(workflow.runs(100)))
