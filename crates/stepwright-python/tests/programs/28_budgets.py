# Budgets of runs, steps, agents and sessions, and prices of one's own.
from stepwright import Agent, InMemoryDb, Step, StepError, Workflow


def failure(workflow: Workflow, **options) -> str:
    try:
        return workflow.run("ants", **options).status
    except StepError as error:
        return f"{error.code} {error.step}"


writer = Agent("Writer")
print(failure(Workflow("Run", [Step(name, agent=writer) for name in "abc"], budget={"tokens": 20})))
print(failure(Workflow("Step", [Step("Write", agent=writer, budget={"tokens": 5})])))
print(failure(Workflow("Agent", [Agent("Writer", budget={"model_calls": 1})])))

prices = {"openai-chat:scripted": {"input": 1000, "output": 1000}}
costly = Workflow("Costly", [writer], prices=prices, db=InMemoryDb(), session_budget={"usd": 0.03})
print([failure(costly, session_id="s-1") for _ in range(4)])
print(costly.get_session_metrics("s-1").usage["output_tokens"])
