# After Agno's cookbook, "router": a selector chooses the way, also several steps of it.
from stepwright import Router, Step, StepInput, Steps, Workflow

hacker_news = Step("Hacker News", executor=lambda step_input: f"posts about {step_input.input}")
web = Step("Web", executor=lambda step_input: f"pages about {step_input.input}")
deep = Steps("Deep", [
    Step("Papers", executor=lambda step_input: f"papers about {step_input.input}"),
    Step("Review", executor=lambda step_input: f"a review of {step_input.previous_step_content}"),
])


def choose(step_input: StepInput) -> list:
    topic = step_input.input.lower()
    if "startup" in topic:
        return [hacker_news]
    if "science" in topic:
        return [web, deep]
    return [web]


workflow = Workflow("Research", [Router("Source", choose, [hacker_news, web, deep])])
for topic in ("a startup", "science of ants", "gardens"):
    print(workflow.run(topic).content)
