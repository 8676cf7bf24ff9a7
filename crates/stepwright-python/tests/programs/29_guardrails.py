# Guardrails: ready-made ones, and functions, ahead of agents, steps and tools, and after them.
from stepwright import Agent, Guard, Step, StepError, Workflow
from stepwright.guardrails import Length, Pattern, PersonalData, Secrets, Verdict


def polite(content) -> bool:
    return not content.isupper()


async def brief(content):
    return Verdict.rewrite(content[:20]) if len(content) > 20 else True


def echo(text: str) -> str:
    return text


def tried(step: Step, text: str) -> str:
    try:
        return Workflow("G", [step]).run(text).content
    except StepError as error:
        return f"{error.code}: {str(error).splitlines()[0]}"


step = Step("Echo", executor=echo, guardrails=[polite, Guard.after(Secrets("rewrite"))])
print(tried(step, "hello"))
print(tried(step, "HELLO"))
print(tried(step, "password = hunter22"))
print(tried(Step("Echo", executor=echo, guardrails=[Guard(Length(10))]), "a text that is long"))
print(tried(Step("Echo", executor=echo, guardrails=[Guard(PersonalData("email", then="rewrite"))]),
            "write to ada@example.org"))
clerk = Agent("Clerk", guardrails=[Guard.before(Pattern("(?i)forget", reason="no tricks")), Guard.after(brief)])
print(tried(Step("Ask", agent=clerk), "forget all"))
print(tried(Step("Ask", agent=clerk), "What is an ant?"))


def look_up(topic: str) -> str:
    """Looks a topic up."""
    return f"found {topic}"


def no_ants(content):
    return "not ants" if content == {"topic": "ants"} else True


searcher = Agent("Searcher", tools=[look_up], guardrails=[Guard.before_tool(no_ants, tools=["look_up"])])
print(tried(Step("Search", agent=searcher), "x"))
