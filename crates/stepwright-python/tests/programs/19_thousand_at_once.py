# A thousand runs at once on one event loop, each with three steps that wait.
import asyncio

from stepwright import Step, Workflow

at_once, most = 0, 0


async def wait(number: int) -> int:
    global at_once, most
    at_once += 1
    most = max(most, at_once)
    await asyncio.sleep(0.05)
    at_once -= 1
    return number + 1


workflow = Workflow("Wait", [Step(name, executor=wait) for name in ("a", "b", "c")])


async def main() -> None:
    outputs = await asyncio.gather(*(workflow.arun(n) for n in range(1000)))
    print([output.content for output in outputs] == [n + 3 for n in range(1000)])
    print(most == 1000)


asyncio.run(main())
