# After Agno's cookbook, "workflow using a function": one function directs agents itself.
import asyncio

from stepwright import Agent, StepInput, Workflow

researcher, writer = Agent("Researcher"), Agent("Writer")


async def direct(step_input: StepInput):
    yield "researching… "
    facts = await researcher.arun(step_input.input)
    yield "writing… "
    text = await writer.arun(facts.content)
    yield text.content


workflow = Workflow("Directed", direct)


async def main() -> None:
    async for event in workflow.arun("ants", stream=True):
        if event.event == "RunContent":
            print(event.content)


asyncio.run(main())
