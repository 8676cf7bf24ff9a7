"""How the package stands in a host: exit, signals, forks, threads, contexts, logs, garbage."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

#: How often each program that ends in a difficult place is started.
TIMES = int(os.environ.get("TIMES", "3"))

ENDINGS = {
    "a sync run": """
from stepwright import Workflow
def greet(name: str) -> str: return "Hello " + name
assert Workflow("G", [greet]).run("Ada").content == "Hello Ada"
""",
    "a stream that is half read": """
from stepwright import Workflow
def words(text: str):
    yield from ("a", "b", "c")
events = Workflow("G", [words]).run("Ada", stream=True)
assert next(events).event == "WorkflowStarted"
assert next(events).content == "a"
""",
    "an async stream that is half read": """
import asyncio
from stepwright import Workflow
async def words(text: str):
    for word in "abc":
        await asyncio.sleep(0)
        yield word
async def main():
    async for event in Workflow("G", [words]).arun("Ada", stream=True):
        break
asyncio.run(main())
""",
    "a run in the background that is under way": """
import asyncio
from stepwright import InMemoryDb, Workflow
async def forever(text: str): await asyncio.sleep(1000)
async def main():
    output = await Workflow("G", [forever], db=InMemoryDb()).arun("Ada", background=True)
    await asyncio.sleep(0.05)
asyncio.run(main())
""",
    "a function on a thread that does not end": """
import asyncio, time
from stepwright import Workflow
def forever(text: str): time.sleep(1000)
async def main():
    task = asyncio.ensure_future(Workflow("G", [forever]).arun("Ada"))
    await asyncio.sleep(0.1)
    task.cancel()
asyncio.run(main())
""",
    "a run on a daemon thread that does not end": """
import threading, time
from stepwright import Workflow
begun = threading.Event()
def forever(text: str):
    begun.set()
    time.sleep(1000)
threading.Thread(target=Workflow("G", [forever]).run, args=("Ada",), daemon=True).start()
assert begun.wait(20)
""",
    "an async step of a sync run on a daemon thread": """
import asyncio, threading
from stepwright import Workflow
begun = threading.Event()
async def forever(text: str):
    begun.set()
    await asyncio.sleep(1000)
threading.Thread(target=Workflow("G", [forever]).run, args=("Ada",), daemon=True).start()
assert begun.wait(20)
""",
    "an exception that nothing catches in a callback": """
from stepwright import Condition, Workflow, StepError
def fails(step_input): raise ValueError("no")
def greet(name: str) -> str: return name
try:
    Workflow("G", [Condition("C", fails, [greet])]).run("Ada")
except StepError as error:
    assert "ValueError: no" in str(error), error
else:
    raise AssertionError
""",
    "a store that is open": """
import tempfile, os
from stepwright import SqliteDb, Workflow
def greet(name: str) -> str: return "Hello " + name
with tempfile.TemporaryDirectory() as folder:
    db = SqliteDb(os.path.join(folder, "a.db"))
    assert Workflow("G", [greet], db=db).run("Ada").content == "Hello Ada"
""",
}


@pytest.mark.parametrize("program", ENDINGS.values(), ids=ENDINGS)
def test_a_program_ends_with_exit_code_0_wherever_it_ends(program, run_program):
    for _ in range(TIMES):
        printed = run_program(program)
        assert printed == "", printed


INTERRUPTED = {
    "in a function": "def work(text: str):\n    ready()\n    time.sleep(30)",
    "in an async function": "async def work(text: str):\n    ready()\n    await asyncio.sleep(30)",
    "in a generator": "def work(text: str):\n    ready()\n    yield 'a'\n    time.sleep(30)",
}

PROGRAM = """
import asyncio, sys, time
from stepwright import InMemoryDb, Workflow
def ready(): print("ready", flush=True)
{work}
def after(text: str) -> str:
    print("must not run")
    return text
workflow = Workflow("G", [work, after], db=InMemoryDb())
try:
    workflow.run("Ada", run_id="r-1")
except KeyboardInterrupt:
    print("interrupted", workflow.get_run("r-1").status)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals are sent to the process")
@pytest.mark.parametrize("work", INTERRUPTED.values(), ids=INTERRUPTED)
def test_ctrl_c_cancels_the_run_and_is_raised(work, environ, tmp_path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM.format(work=work))
    started = subprocess.Popen(
        [sys.executable, str(path)], env=environ, stdout=subprocess.PIPE, text=True
    )
    assert started.stdout.readline() == "ready\n"
    begun = time.monotonic()
    started.send_signal(signal.SIGINT)
    printed, _ = started.communicate(timeout=20)
    assert started.returncode == 0
    assert printed == "interrupted CANCELLED\n"
    assert time.monotonic() - begun < 15


def test_signal_handlers_stay_as_they_were(run_program):
    run_program(
        """
import signal
before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
from stepwright import Workflow
Workflow("G", [lambda step_input: "x"]).run("Ada")
assert before == [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
"""
    )


FORKED = """
import os, sys
from stepwright import {imports}, Workflow
def greet(name: str) -> str: return "Hello " + name
{before}
child = os.fork()
if child == 0:
    try:
        {inside}
    except StepwrightError as error:
        print(type(error).__name__, str(error).replace(str(os.getpid()), "CHILD").replace(str(os.getppid()), "PARENT"))
    sys.stdout.flush()
    os._exit(0)
_, status = os.waitpid(child, 0)
print(status, Workflow("G", [greet]).run("Ada").content)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_fork_after_the_first_run_is_refused_with_both_processes(run_program):
    program = FORKED.format(
        imports="StepwrightError",
        before='workflow = Workflow("G", [greet]); workflow.run("Ada")',
        inside='workflow.run("Ada")',
    )
    printed = run_program(program)
    assert "process CHILD was forked from process PARENT after Stepwright had begun" in printed
    assert "help: use the start method `spawn` or `forkserver`" in printed
    assert printed.endswith("0 Hello Ada\n")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_fork_before_the_first_run_works(run_program):
    program = FORKED.format(
        imports="StepwrightError",
        before='workflow = Workflow("G", [greet])',
        inside='print(workflow.run("Bob").content)',
    )
    assert run_program(program) == "Hello Bob\n0 Hello Ada\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_store_that_was_made_before_a_fork_is_refused_after_it(run_program):
    program = FORKED.format(
        imports="SqliteDb, StepwrightError",
        before='db = SqliteDb("a.db")',
        inside='Workflow("G", [greet], db=db)',
    )
    printed = run_program(program)
    assert "StoreError the store was made in process PARENT, and process CHILD" in printed
    assert "help: make the store in the process that uses it" in printed


MULTI = """
import multiprocessing
from stepwright import Workflow
def greet(name: str) -> str: return "Hello " + name
def work(name): return Workflow("G", [greet]).run(name).content
if __name__ == "__main__":
    with multiprocessing.get_context({method!r}).Pool(2) as pool:
        print(pool.map(work, ["Ada", "Bob"]))
"""


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_multiprocessing_works(method, run_program):
    assert run_program(MULTI.format(method=method)) == "['Hello Ada', 'Hello Bob']\n"


def test_context_variables_flow_into_functions_of_all_kinds(run_program):
    printed = run_program(
        """
import asyncio, contextvars
from stepwright import Parallel, Workflow
user = contextvars.ContextVar("user", default="nobody")
def sync(text: str): return user.get()
async def of_async(text: str): return user.get()
def one(text: str): return user.get()
def two(text: str): return user.get()
def workflow(): return Workflow("G", [sync, of_async, Parallel("P", one, two)])
def shown(output):
    return [step.content for result in output.step_results for step in result.walk() if step.content]
user.set("ada")
print(shown(workflow().run("x")))
async def main(name):
    user.set(name)
    return shown(await workflow().arun("x"))
async def both():
    print(await asyncio.gather(main("bob"), main("eve")))
asyncio.run(both())
print(user.get())
"""
    )
    assert printed == (
        "['ada', 'ada', 'ada', 'ada']\n"
        "[['bob', 'bob', 'bob', 'bob'], ['eve', 'eve', 'eve', 'eve']]\nada\n"
    )


def test_functions_run_on_the_callers_thread_and_branches_beside_each_other(run_program):
    printed = run_program(
        """
import threading
from stepwright import Parallel, Step, Workflow
here = threading.get_ident()
both = threading.Barrier(2, timeout=20)
def where(text: str) -> bool: return threading.get_ident() == here
def meet(text: str) -> bool:
    both.wait()
    return threading.get_ident() == here
def meet_too(text: str) -> bool: return meet(text)
output = Workflow("G", [where, Parallel("P", meet, meet_too)]).run("x")
print([step.content for result in output.step_results for step in result.walk()])
"""
    )
    assert printed == "[True, None, False, False]\n"


def test_logs_go_to_logging(run_program):
    printed = run_program(
        """
import logging, sys
logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(name)s")
from stepwright import Workflow
Workflow("G", [lambda step_input: "x"]).run("Ada", debug_mode=True)
"""
    )
    assert "DEBUG stepwright" in printed


def test_an_exception_keeps_the_line_of_the_user_and_the_path_of_the_step(run_program):
    printed = run_program(
        """
from stepwright import Step, Steps, Workflow
def divide(text: str) -> float:
    return 1 / 0  # here
Workflow("G", [Steps("Outer", Step("Divide", executor=divide))]).run("Ada")
""",
        code=1,
    )
    assert "return 1 / 0  # here" in printed
    assert "StepError: step `Outer/Divide` failed: ZeroDivisionError: division by zero" in printed
    assert "The above exception was the direct cause" in printed


def test_asyncio_cancellation_cancels_the_run(run_program):
    printed = run_program(
        """
import asyncio
from stepwright import InMemoryDb, Workflow
async def work(text: str):
    try:
        await asyncio.sleep(1000)
    except asyncio.CancelledError:
        print("the step was cancelled")
        raise
workflow = Workflow("G", [work], db=InMemoryDb())
async def main():
    try:
        await asyncio.wait_for(workflow.arun("Ada", run_id="r-1"), 0.2)
    except asyncio.TimeoutError:
        print("timed out")
    while (await workflow.aget_run("r-1")).status != "CANCELLED":
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    print("cancelled")
asyncio.run(main())
"""
    )
    assert printed == "the step was cancelled\ntimed out\ncancelled\n"


def test_a_run_that_was_killed_goes_on_in_another_process(environ, tmp_path):
    path = tmp_path / "program.py"
    path.write_text(
        """
import os, signal, sys
from stepwright import SqliteDb, Workflow
def first(text: str) -> str:
    print("first", flush=True)
    return text.upper()
def second(text: str) -> str:
    if sys.argv[1] == "begin":
        os.kill(os.getpid(), signal.SIGKILL)
    return text + "!"
workflow = Workflow("G", [first, second], db=SqliteDb("a.db"))
if sys.argv[1] == "begin":
    workflow.run("ants", run_id="r-1")
else:
    print(workflow.resume("r-1").content)
"""
    )

    def call(how: str) -> subprocess.CompletedProcess:
        command = [sys.executable, str(path), how]
        return subprocess.run(
            command, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=90
        )

    begun = call("begin")
    assert (begun.returncode, begun.stdout) == (-signal.SIGKILL, "first\n"), begun.stderr
    resumed = call("resume")
    assert resumed.stdout == "ANTS!\n", resumed.stderr


def test_nothing_leaks(run_program):
    printed = run_program(
        """
import asyncio, gc, os
from stepwright import Workflow
def greet(name: str) -> str: return "Hello " + name
async def greet_too(name: str) -> str: return "Hello " + name
def words(text: str):
    yield from "abc"
workflow, other, stream = Workflow("G", [greet]), Workflow("A", [greet_too]), Workflow("S", [words])
def once(n):
    for _ in range(n):
        workflow.run("Ada")
        for event in stream.run("Ada", stream=True):
            break
    async def main():
        for _ in range(n):
            await other.arun("Ada")
            async for event in stream.arun("Ada", stream=True):
                break
    asyncio.run(main())
    gc.collect()
def rss():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
# As many as below: streams that are left are closed when the event loop has its turn, all at once.
once(int(os.environ["RUNS"]))
before, objects = rss(), len(gc.get_objects())
once(int(os.environ["RUNS"]))
grown = rss() - before
assert len(gc.get_objects()) - objects < 200, len(gc.get_objects()) - objects
assert grown < 3_000_000, grown
""",
        RUNS=os.environ.get("RUNS", "600"),
    )
    assert printed == ""
