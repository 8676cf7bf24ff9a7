# After Agno's cookbook, "loop": research goes on until there is enough of it.
from stepwright import Loop, Step, StepOutput, Workflow

found = []


def search(text: str) -> str:
    found.append("fact " * (len(found) + 1))
    return found[-1]


def is_enough(outputs: list[StepOutput]) -> bool:
    return len(outputs[-1].content) > 12


def write(text: str) -> str:
    return f"a post from {len(found)} searches"


research = Loop("Research", [Step("Search", executor=search)], 5, is_enough)
workflow = Workflow("Deep", [research, Step("Write", executor=write)])
events = list(workflow.run("ants", stream=True, stream_events=True))
print([event.event for event in events if event.event.startswith("LoopIteration")])
print(events[-1].content)
