# Tools are functions. A failure goes to the model; `TerminalError` fails the step; agents are tools.
from stepwright import Agent, StepError, TerminalError, Workflow


def weather(city: str, days: int) -> str:
    """Tells the weather.

    Args:
        city: The city.
        days: How many days.
    """
    return f"{days} days of sun in {city}"


async def broken(city: str) -> str:
    """Fails."""
    raise OSError("no connection")


def closed(city: str) -> str:
    """Fails for good."""
    raise TerminalError("no account")


def asked(function) -> list:
    agent = Agent("Clerk", tools=[function])
    output = Workflow("Ask", [agent]).run("ants")
    return [turn["tool"] for turn in output.step_executor_runs[0]["turns"] if "tool" in turn]


for function in (weather, broken):
    answer = asked(function)[0]
    print(answer["text"], answer.get("error", answer.get("is_error")))
try:
    asked(closed)
except StepError as error:
    print(error)
