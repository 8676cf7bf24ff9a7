# After Agno's cookbook, "condition and parallel steps": searches run at once, each if it is wanted.
from stepwright import Agent, Condition, Parallel, Step, StepInput, Workflow


def is_about_tech(step_input: StepInput) -> bool:
    return any(word in step_input.input.lower() for word in ("rust", "python", "code"))


def is_news(step_input: StepInput) -> bool:
    return "news" in step_input.input.lower()


def search(source: str):
    def found(step_input: StepInput) -> str:
        return f"{source} about {step_input.input}"

    return Step(f"Search {source}", executor=found)


workflow = Workflow(
    "Report",
    [
        Parallel(
            Condition("Tech?", is_about_tech, [search("forum"), search("papers")]),
            Condition("News?", is_news, [search("press")], else_steps=[search("archive")]),
            name="Search",
        ),
        Step("Write", agent=Agent("Writer")),
    ],
)
for topic in ("Rust news", "gardens"):
    output = workflow.run(topic)
    print([step.step_name for result in output.step_results for step in result.walk() if not step.steps])
    print(output.content)
