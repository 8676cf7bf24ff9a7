# After Agno's cookbook, "shared session state": a shopping list that steps and runs share.
from stepwright import Condition, SqliteDb, Step, StepInput, Workflow


def add(step_input: StepInput, session_state: dict) -> str:
    items = [item.strip() for item in step_input.input.split(",")]
    session_state.setdefault("list", []).extend(items)
    return f"added {len(items)}"


def is_long(step_input: StepInput, session_state: dict) -> bool:
    return len(session_state.get("list", [])) > 2


def warn(text: str, session_state: dict) -> str:
    return f"{text}; the list has {len(session_state['list'])} items"


workflow = Workflow(
    "Shopping",
    [Step("Add", executor=add), Condition("Long?", is_long, [Step("Warn", executor=warn)])],
    db=SqliteDb("shop.db"),
    session_state={"list": ["milk"]},
)
print(workflow.run("eggs", session_id="s").content)
print(workflow.run("bread, salt", session_id="s").content)
print(workflow.get_session_state("s"))
print(workflow.run("tea", session_id="t").content, workflow.get_session_state("t"))
