# Functions of all kinds are steps: sync, async, generators, with text, input, models or nothing.
from dataclasses import dataclass

from stepwright import Step, StepInput, StepOutput, Workflow


@dataclass
class Topic:
    title: str
    words: int = 3


def topic(text: str) -> Topic:
    return Topic(text, len(text))


def read(topic: Topic) -> str:
    return f"{topic.title} has {topic.words} letters"


async def polish(step_input: StepInput) -> str:
    return step_input.previous_step_content + "."


def pieces(step_input: StepInput):
    for word in step_input.text.split():
        yield word + " "


async def more(step_input: StepInput):
    yield step_input.text
    yield StepOutput(content={"text": step_input.text.strip(), "of": step_input.input})


class Counter:
    name = "Counter"

    def __call__(self, content: dict) -> int:
        return len(content["text"])


workflow = Workflow("All", [topic, read, polish, pieces, more, Step("Count", executor=Counter())])
output = workflow.run("ants")
for step in output.step_results:
    print(step.step_name, repr(step.content))
print([event.content for event in workflow.run("ants", stream=True) if event.event == "RunContent"])
