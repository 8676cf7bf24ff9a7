"""Measures Stepwright and Agno beside each other: CPU time, time to import, memory.

    python -m venv venv && venv/bin/pip install stepwright-*.whl agno==3.1.10 "sqlalchemy[asyncio]"
    venv/bin/python python/bench/bench.py [RUNS]

Each measurement is a process of its own, the two libraries take turns, and the least of three counts.
CPU time is that of all threads. Only a release build says something: this refuses a debug build.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

RUNS = int(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1].isdigit() else 500
TURNS = 3

COMMON = """
import asyncio, json, os, resource, sys, tempfile, time
RUNS = {runs}
begun = time.perf_counter()
{imports}
imported = time.perf_counter() - begun
def a(step_input): return StepOutput(content="a")
def b(step_input): return StepOutput(content="b")
def c(step_input): return StepOutput(content="c")
async def aa(step_input): return StepOutput(content="a")
async def bb(step_input): return StepOutput(content="b")
async def cc(step_input): return StepOutput(content="c")
def tokens(step_input):
    for n in range(200): yield "token "
    yield StepOutput(content="x")
def steps(*functions): return [Step(name=f.__name__, executor=f) for f in functions]
def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
def measured(call, runs=RUNS):
    call(5)
    begun = cpu()
    call(runs)
    return (cpu() - begun) / runs * 1e6
def sync(n):
    for _ in range(n): workflow.run(input="x")
async def several(n):
    for _ in range(n): await workflow.arun(input="x")
def streamed(n):
    for _ in range(n):
        for event in workflow.run(input="x", stream=True, stream_events=True): pass
found = {{"import_ms": imported * 1e3}}
workflow = Workflow(name="W", steps=steps(a, b, c))
found["sync_us"] = measured(sync)
workflow = Workflow(name="W", steps=steps(aa, bb, cc))
found["async_us"] = measured(lambda n: asyncio.run(several(n)))
workflow = Workflow(name="W", steps=steps(tokens))
found["token_us"] = measured(streamed, max(1, RUNS // 20)) / 200
with tempfile.TemporaryDirectory() as folder:
    workflow = Workflow(name="W", steps=steps(a, b, c), db=SqliteDb(db_file=folder + "/a.db"))
    found["sqlite_us"] = measured(sync, max(1, RUNS // 5))
found["rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps(found))
sys.stdout.flush()
"""

IMPORTS = {
    "stepwright": "from stepwright import SqliteDb, Step, StepOutput, Workflow",
    "agno": (
        "from agno.workflow import Step, StepOutput, Workflow\n"
        "from agno.db.sqlite import SqliteDb"
    ),
}


def once(library: str) -> dict[str, float]:
    program = COMMON.format(runs=RUNS, imports=IMPORTS[library])
    environment = {**os.environ, "AGNO_TELEMETRY": "false", "AGNO_MONITOR": "false"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )
    if done.returncode != 0:
        sys.exit(f"{library}: exit code {done.returncode}\n{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    from stepwright import _native

    if _native.is_debug and "--debug" not in sys.argv:
        sys.exit("this is a debug build, which is slow; --debug measures it all the same")
    all_found: dict[str, list[dict[str, float]]] = {library: [] for library in IMPORTS}
    for _ in range(TURNS):
        for library, found in all_found.items():
            found.append(once(library))
    least = {
        library: {name: min(one[name] for one in found) for name in found[0]}
        for library, found in all_found.items()
    }
    print(f"{'':12}{'stepwright':>12}{'agno':>12}{'ratio':>8}")
    for name, ours in least["stepwright"].items():
        theirs = least["agno"][name]
        print(f"{name:12}{ours:12.1f}{theirs:12.1f}{ours / theirs:8.2f}")


if __name__ == "__main__":
    main()
