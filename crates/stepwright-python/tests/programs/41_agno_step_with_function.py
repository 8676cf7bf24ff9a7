# After Agno's cookbook, "step with function": a function works on the answers of agents.
from stepwright import Agent, Step, StepInput, StepOutput, Workflow


def plan(step_input: StepInput) -> StepOutput:
    found = step_input.get_step_content("Research")
    topics = [line for line in found.splitlines() if line]
    return StepOutput(content=f"{len(topics)} topic(s) about {step_input.input}: {topics[0]}")


workflow = Workflow(
    "Content Plan",
    [
        Step("Research", agent=Agent("Researcher")),
        Step("Plan", executor=plan),
        Step("Check", executor=lambda step_input: step_input.previous_step_content.upper()),
    ],
)
print(workflow.run("ants").content)
