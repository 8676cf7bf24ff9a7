# Messages to an agent at work.
import asyncio

from stepwright import Agent, InMemoryDb, UsageError, Workflow, tool

arrived, go_on = asyncio.Event(), asyncio.Event()


@tool(read_only=True)
async def look_up(topic: str) -> str:
    """Looks a topic up."""
    arrived.set()
    await go_on.wait()
    return "found"


workflow = Workflow("Report", [Agent("Writer", tools=[look_up])], db=InMemoryDb())


async def main() -> None:
    running = asyncio.ensure_future(workflow.arun("ants", run_id="r-1", session_id="s-1"))
    await arrived.wait()
    sent = await workflow.asend("r-1", "Leave out the costs.", by="ada")
    print(sent["is_for_next_run"])
    go_on.set()
    print((await running).content)
    print((await workflow.asend("r-1", "And bees?"))["is_for_next_run"])


asyncio.run(main())
print(workflow.run("wasps", session_id="s-1").content)
try:
    workflow.send("r-1", "")
except UsageError as error:
    print(type(error).__name__)
