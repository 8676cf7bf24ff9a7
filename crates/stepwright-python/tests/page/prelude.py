# What the page takes for granted: agents, and a workflow of them.
from stepwright import Agent as _Agent, InMemoryDb as _Db, Step as _Step, Workflow as _Workflow

research_agent = _Agent(name="Researcher", instructions="Research thoroughly.")
writer_agent = _Agent(name="Writer", instructions="Write engaging content.")
workflow = _Workflow(
    name="My Workflow",
    steps=[_Step(name="Research", agent=research_agent), _Step(name="Write", agent=writer_agent)],
    db=_Db(),
)
