# A thousand runs at once on one event loop, and threads with runs of their own.
import asyncio
import threading

from stepwright import Step, StepInput, Workflow


async def wait(step_input: StepInput) -> int:
    await asyncio.sleep(0.001)
    return step_input.content + 1


def add(step_input: StepInput) -> int:
    return step_input.content + 1


waiting = Workflow("Wait", [Step(name, executor=wait) for name in "ab"])
adding = Workflow("Add", [Step(name, executor=add) for name in "abc"])


async def main() -> None:
    outputs = await asyncio.gather(*(waiting.arun(n) for n in range(1000)))
    print(sum(output.content for output in outputs) == sum(n + 2 for n in range(1000)))


asyncio.run(main())

found = []
threads = [
    threading.Thread(target=lambda n=n: found.extend(adding.run(n).content for _ in range(50)))
    for n in range(8)
]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(found), sum(found) == sum(50 * (n + 3) for n in range(8)))
