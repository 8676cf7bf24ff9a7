#!/usr/bin/env python3
"""Measures a turn and waiting agents of Agno, for scripts/figures.py. It runs with a Python that has
`agno==3.1.10`. The model is in memory: it calls the tool and then answers, or waits for ever."""

import asyncio
import gc
import os
import pathlib
import sys
import time

os.environ["AGNO_TELEMETRY"] = "false"

from agno.agent import Agent  # noqa: E402
from agno.models.base import Model  # noqa: E402
from agno.models.response import ModelResponse  # noqa: E402

SHORT = "--short" in sys.argv
TURNS, ROUNDS, AGENTS = 50, 2 if SHORT else 11, 1000
CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1, "b": 2}'}}


class InMemory(Model):
    """A model in this process."""

    waits = False

    def answer(self, messages):
        if messages[-1].role == "tool":
            return ModelResponse(role="assistant", content="It is 3.")
        return ModelResponse(role="assistant", tool_calls=[CALL])

    def invoke(self, messages, *_, **__):
        return self.answer(messages)

    async def ainvoke(self, messages, *_, **__):
        if self.waits:
            await asyncio.Event().wait()
        return self.answer(messages)

    def invoke_stream(self, messages, *_, **__):
        yield self.answer(messages)

    async def ainvoke_stream(self, messages, *_, **__):
        yield await self.ainvoke(messages)

    def _parse_provider_response(self, response, **_):
        return response

    def _parse_provider_response_delta(self, response):
        return response


def add(a: int, b: int) -> str:
    """Adds two numbers."""
    return str(a + b)


def agent(waits=False):
    model = InMemory(id="bench")
    model.waits = waits
    return Agent(model=model, tools=[add], telemetry=False)


def turn():
    one = agent()
    assert one.run("1 + 2?").content == "It is 3."
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(TURNS):
            one.run("1 + 2?")
        times.append((time.process_time() - began) / TURNS)
    print(f"a turn: {min(times) * 1e6:.1f} µs")


def resident():
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def waiting():
    one = agent(waits=True)

    async def start(count):
        tasks = [asyncio.create_task(one.arun("in")) for _ in range(count)]
        for _ in range(200):
            await asyncio.sleep(0)
        return tasks

    tasks = await start(AGENTS // 10)
    gc.collect()
    before = resident()
    tasks += await start(AGENTS)
    gc.collect()
    print(f"waiting: {(resident() - before) / AGENTS:.0f} bytes each")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


turn()
asyncio.run(waiting())
