"""Memories of a user: an agent keeps them, and the program reads and changes them."""

import asyncio

from stepwright import Agent, AgentMemory, InMemoryDb, NotFoundError, Workflow

db = InMemoryDb()
friend = Agent("Friend", instructions="Be kind.", memory=AgentMemory(known=10))
talk = Workflow("Talk", [friend], db=db)

# The scripted model calls the first tool, which saves a memory.
output = talk.run("I like ants.", user_id="ada")
ada, ben = db.memories("ada"), db.memories("ben")
saved = ada.list()[0]
print("saved by the agent:", saved.memory, saved.run_id == output.run_id)
print("of another user:", ben.list())

tea = ada.add("Drinks tea.", topics=["drinks"])
print("added:", tea.memory, tea.topics, tea.run_id, tea.updated_at >= tea.created_at)
print("found:", [memory.memory for memory in ada.search("drinks")])
print("edited:", ada.edit(tea.memory_id, "Drinks coffee.").topics)
print("with topics:", ada.edit(tea.memory_id, "Drinks coffee.", topics=["food"]).topics)
print("read:", ada.get(tea.memory_id).memory)
try:
    ben.remove(tea.memory_id)
except NotFoundError as error:
    print("not Ben's:", str(error).replace(tea.memory_id, "ID"))
ada.remove(tea.memory_id)


async def main() -> None:
    train = await ada.aadd("Travels by train.")
    print("awaited:", [memory.memory for memory in await ada.asearch("train")])
    await ada.aedit(train.memory_id, "Travels by bike.")
    print((await ada.aget(train.memory_id)).memory)
    await ada.aremove(train.memory_id)
    print("left:", [memory.memory for memory in await ada.alist()])


asyncio.run(main())

# A model is asked after each answer. The scripted one writes no list of changes, so nothing changes.
listener = Agent("Listener", memory=AgentMemory(by="after_run"))
Workflow("Listen", [listener], db=db).run("I like bees.", user_id="ada")
print("after a run:", [memory.memory for memory in ada.list()])
