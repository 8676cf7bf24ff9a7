# Generators of both kinds, read in both ways.
import asyncio

from stepwright import StepOutput, Workflow


def letters(text: str):
    for letter in text:
        yield letter
    yield StepOutput(content={"letters": len(text)})


async def numbers(text: str):
    for number in range(3):
        await asyncio.sleep(0)
        yield str(number)


made = []


def lazy(text: str):
    for number in range(1000):
        made.append(number)
        yield f"{number} "


def read(workflow: Workflow) -> list:
    return [event.content for event in workflow.run("ants", stream=True) if event.content]


print(Workflow("L", [letters]).run("ants").content)
print(read(Workflow("L", [letters])))
print(read(Workflow("N", [numbers])))


async def main() -> None:
    for function in (letters, numbers):
        workflow = Workflow("A", [function])
        print([event.content async for event in workflow.arun("bee", stream=True) if event.content])


asyncio.run(main())
# Nothing is computed ahead of its reader.
events = Workflow("Lazy", [lazy]).run("x", stream=True)
for event in events:
    if event.content == "3 ":
        break
events.close()
print(made)
