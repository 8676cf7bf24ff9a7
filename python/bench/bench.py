"""Measures Stepwright and Agno beside each other: CPU time, time to import, memory.

    python -m venv venv && venv/bin/pip install stepwright-*.whl agno==3.1.10 "sqlalchemy[asyncio]" openai
    venv/bin/python python/bench/bench.py [RUNS]

Each measurement is a process of its own, the two libraries take turns, and the least of three counts.
CPU time is that of all threads of the process. `token` is a piece of a generator, and `agent_token` a
piece of an answer of a model, which a server on loopback sends; the CPU time of that server does not
count. Only a release build says something: this refuses a debug build.
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
workflow = Workflow(name="W", steps=[Step(name="a", agent={agent})])
found["agent_token_us"] = measured(streamed, max(1, RUNS // 50)) / 200
with tempfile.TemporaryDirectory() as folder:
    workflow = Workflow(name="W", steps=steps(a, b, c), db=SqliteDb(db_file=folder + "/a.db"))
    found["sqlite_us"] = measured(sync, max(1, RUNS // 5))
found["rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps(found))
sys.stdout.flush()
"""

IMPORTS = {
    "stepwright": "from stepwright import Agent, Model, SqliteDb, Step, StepOutput, Workflow",
    "agno": (
        "from agno.workflow import Step, StepOutput, Workflow\n"
        "from agno.db.sqlite import SqliteDb"
    ),
}

AGENTS = {
    "stepwright": "Agent('A', Model('openai-chat:m', base_url=os.environ['AT'], api_key='k'))",
    "agno": (
        "__import__('agno.agent').agent.Agent(name='A', model=__import__('agno.models.openai.like')"
        ".models.openai.like.OpenAILike(id='m', base_url=os.environ['AT'], api_key='k'))"
    ),
}

SERVER = """
import http.server, json
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        whole = {"id": "s", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        pieces = [{"choices": [{"index": 0, "delta": {"content": "token "}}]}] * 200
        pieces.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        pieces.append({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 200, "total_tokens": 201}})
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for piece in pieces:
            self.wfile.write(f"data: {json.dumps({**whole, **piece})}\\n\\n".encode())
            self.wfile.flush()
        self.wfile.write(b"data: [DONE]\\n\\n")
        self.close_connection = True
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


def once(library: str, address: str) -> dict[str, float]:
    program = COMMON.format(runs=RUNS, imports=IMPORTS[library], agent=AGENTS[library])
    environment = {
        **os.environ,
        "AGNO_TELEMETRY": "false",
        "AGNO_MONITOR": "false",
        "AT": address,
    }
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
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    address = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
    for _ in range(TURNS):
        for library, found in all_found.items():
            found.append(once(library, address))
    server.terminate()
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
