# The event loop of uvloop.
import asyncio

import uvloop

from stepwright import Parallel, Workflow


async def slow(text: str) -> str:
    await asyncio.sleep(0.01)
    return text.upper()


def sync(text: str) -> str:
    return text + "!"


async def pieces(text: str):
    for letter in "abc":
        await asyncio.sleep(0)
        yield letter


workflow = Workflow("U", [slow, Parallel("Both", slow, sync), pieces])


async def main() -> None:
    print(type(asyncio.get_running_loop()).__module__)
    outputs = await asyncio.gather(*(workflow.arun("x") for _ in range(100)))
    print({output.content for output in outputs})
    print([e.content async for e in workflow.arun("x", stream=True) if e.event == "RunContent"])


uvloop.run(main())
