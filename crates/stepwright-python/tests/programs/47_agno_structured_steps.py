# After Agno's cookbook, "structured input and output": Pydantic models between all steps.
from pydantic import BaseModel, Field

from stepwright import Agent, Step, Workflow


class Topic(BaseModel):
    name: str
    depth: int = Field(ge=1, le=5)


class Findings(BaseModel):
    summary: str
    sources: int


class Post(BaseModel):
    title: str
    words: int


def check(findings: Findings) -> Findings:
    return findings.model_copy(update={"sources": findings.sources + 1})


workflow = Workflow(
    "Structured",
    [
        Step("Research", agent=Agent("Researcher", output_schema=Findings)),
        Step("Check", executor=check),
        Step("Write", agent=Agent("Writer", output_schema=Post)),
    ],
    input_schema=Topic,
)
output = workflow.run(Topic(name="ants", depth=2))
for result in output.step_results:
    print(result.step_name, result.content)
try:
    workflow.run({"name": "ants", "depth": 9})
except ValueError as error:
    print("depth" in str(error))
