# Every container, with functions as conditions.
from stepwright import Condition, Loop, Map, Parallel, Router, StepInput, Steps, Workflow


def web(text: str) -> str:
    return f"web: {text}"


async def archive(text: str) -> str:
    return f"archive: {text}"


def join(facts: dict) -> str:
    return " + ".join(facts.values())


def more(text: str) -> str:
    return text + "!"


def is_loud(outputs) -> bool:
    return outputs[-1].content.endswith("!!")


async def is_long(step_input: StepInput) -> bool:
    return len(step_input.text) > 10


def shorten(text: str) -> str:
    return text[:12]


def split(step_input: StepInput) -> list:
    return step_input.text.split()


def length(step_input: StepInput) -> int:
    return len(step_input.item)


def total(lengths: list) -> int:
    return sum(lengths)


def choose(step_input: StepInput):
    return even if step_input.content % 2 == 0 else "odd"


def even(content: int) -> str:
    return f"{content} is even"


def odd(content: int) -> str:
    return f"{content} is odd"


workflow = Workflow(
    "Containers",
    [
        Parallel("Facts", web, archive),
        join,
        Loop("Louder", [more], 5, is_loud, forward_iteration_output=True),
        Condition("Long?", is_long, [shorten], [more]),
        Steps("Count", Map("Each", [length], over=split), total),
        Router("Which?", choose, [even, odd]),
    ],
)
output = workflow.run("ants")
for result in output.step_results:
    for step in result.walk():
        print(step.step_id, step.step_type, repr(step.content))
print(output.content)
