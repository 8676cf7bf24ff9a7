# Worker processes that are forked make their runs after the fork.
import multiprocessing

from stepwright import SqliteDb, Workflow


def greet(name: str) -> str:
    return f"Hello {name}"


def work(name: str) -> str:
    return Workflow("G", [greet], db=SqliteDb("runs.db")).run(name, run_id=f"r-{name}").content


if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(4) as pool:
        print(pool.map(work, ["Ada", "Bob", "Eve", "Joe"]))
    print(len(Workflow("G", [greet], db=SqliteDb("runs.db")).runs()))
