# An async step runs in the task that awaits its run: timeouts, context variables, cancellation.
import asyncio
import contextvars

from stepwright import InMemoryDb, RunCancelledError, Step, StepError, Workflow

user: contextvars.ContextVar = contextvars.ContextVar("user")


async def who(text: str) -> str:
    await asyncio.sleep(0)
    return user.get()


async def limited(text: str) -> str:
    try:
        await asyncio.wait_for(asyncio.sleep(30), 0.01)
    except asyncio.TimeoutError:
        return "too slow"
    return "done"


async def forever(text: str) -> str:
    try:
        await asyncio.sleep(1000)
    finally:
        print("the step ends")
    return "never"


async def slow(text: str) -> None:
    await asyncio.sleep(1000)


async def own(text: str) -> str:
    await asyncio.sleep(0)
    raise KeyError(text)


async def main() -> None:
    user.set("ada")
    print((await Workflow("Who", [who]).arun("x")).content)
    print((await Workflow("Limited", [limited]).arun("x")).content)
    try:
        await Workflow("Own", [own]).arun("x")
    except StepError as error:
        print(type(error.__cause__).__name__)
    workflow = Workflow("Forever", [Step("Wait", executor=forever)], db=InMemoryDb())
    running = asyncio.ensure_future(workflow.arun("x", run_id="r-1"))
    await asyncio.sleep(0.05)
    print(await workflow.acancel_run("r-1"))
    try:
        await running
    except RunCancelledError as error:
        print(type(error).__name__)
    timed = Workflow("Timed", [Step("Wait", executor=slow, timeout=0.05)])
    try:
        await timed.arun("x")
    except StepError as error:
        print(error.code)
    print((await workflow.aget_run("r-1")).status)


asyncio.run(main())
