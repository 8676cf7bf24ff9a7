# Documents that an agent finds by a tool, or has in its instructions.
import asyncio

from stepwright import Agent, Knowledge, Workflow

handbook = Knowledge("handbook.db")
print(handbook.add("hours.md", "# Hours\n\nThe office opens at nine.", "markdown"))
print(handbook.add("hours.md", "# Hours\n\nThe office opens at nine.", "markdown"))
handbook.add("pets.txt", "Dogs may come on Fridays.")
print([passage["source"] for passage in handbook.search("When does the office open?", 1)])
print(sorted(source["source"] for source in handbook.sources()))
print(handbook.remove("pets.txt"), handbook.remove("pets.txt"))


async def main() -> None:
    await handbook.aadd("lunch.txt", "Lunch is at noon.")
    print([passage["source"] for passage in await handbook.asearch("lunch", 1)])


asyncio.run(main())
output = Workflow("Ask", [Agent("Clerk", knowledge=handbook)]).run("When is lunch?")
print([turn["tool"]["name"] for turn in output.step_executor_runs[0]["turns"] if "tool" in turn])
known = Knowledge("handbook.db", as_context=True)
events = Workflow("Know", [Agent("Clerk", knowledge=known)]).run("lunch", stream=True, stream_events=True)
print([event.event for event in events if event.event == "ContextAdded"])
