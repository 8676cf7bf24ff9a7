# Pydantic models for input, between steps, for the output of an agent, and in tools.
from pydantic import BaseModel

from stepwright import Agent, StepError, UsageError, Workflow, tool


class Topic(BaseModel):
    title: str
    stars: int = 3


class Report(BaseModel):
    headline: str
    score: int


def outline(topic: Topic) -> Report:
    return Report(headline=topic.title.upper(), score=topic.stars)


def show(report: Report) -> str:
    return f"{report.headline}: {report.score}"


workflow = Workflow("Report", [outline, show], input_schema=Topic)
print(workflow.run(Topic(title="ants")).content)
print(workflow.run({"title": "bees", "stars": 5}).content)
try:
    workflow.run({"stars": "many"})
except UsageError as error:
    print(type(error).__name__, "title" in str(error))

calls = []


@tool(read_only=True)
def rate(topic: Topic, words: int) -> Report:
    """Rates a topic.

    Args:
        topic: What to rate.
        words: How many words.
    """
    calls.append((topic, words))
    return Report(headline=topic.title, score=words)


def look_up(name: str, limit: int = 3) -> str:
    """Looks a name up."""
    calls.append((name, limit))
    return f"{name} was found"


writer = Agent("Writer", instructions="Write.", output_schema=Report, tools=[look_up])
output = Workflow("Agent", [writer, show]).run("ants")
print(output.content, calls)
