# Steps for each item of a list: in order, with a failure, with a limit, with a function for the items.
import asyncio

from stepwright import Map, Step, StepError, StepInput, Workflow


def words(step_input: StepInput) -> list:
    return step_input.text.split()


def shout(step_input: StepInput) -> str:
    return f"{step_input.nth}:{step_input.item.upper()}"


def strict(step_input: StepInput) -> str:
    if step_input.item == "bees":
        raise ValueError("no bees")
    return step_input.item


print(Workflow("M", [Map("Each", [shout], over=words)]).run("ants bees").content)
print(Workflow("M", [words, Map("Each", [shout], concurrency=1)]).run("a b c").content)
try:
    Workflow("M", [Map("Each", [strict], over=words)]).run("ants bees")
except StepError as error:
    print(error.step, error.causes[0].split(" at ")[0] if error.causes else "")
print(Workflow("M", [Map("Each", [strict], over=words, join="best_effort")]).run("ants bees").content)

at_once, most = 0, 0


async def slow(step_input: StepInput) -> int:
    global at_once, most
    at_once += 1
    most = max(most, at_once)
    await asyncio.sleep(0.01)
    at_once -= 1
    return len(step_input.item)


limited = Map("Each", [Step("Slow", executor=slow)], over=words, concurrency=2)
print(asyncio.run(Workflow("M", [limited]).arun("a bb ccc dddd")).content, most)
