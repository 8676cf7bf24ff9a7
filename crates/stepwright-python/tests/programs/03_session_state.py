# The changes of a dictionary that a function takes are kept in the session.
from stepwright import InMemoryDb, RunContext, StepInput, Workflow


def visit(step_input: StepInput, session_state: dict) -> str:
    session_state["visits"] = session_state.get("visits", 0) + 1
    session_state.setdefault("seen", []).append(step_input.input)
    return f"visit {session_state['visits']}"


def who(run_context: RunContext) -> str:
    return f"{run_context.user_id} in {run_context.session_id} at {run_context.step_id}"


workflow = Workflow("Visits", [visit, who], db=InMemoryDb(), session_state={"limit": 3})
for topic in ("ants", "bees"):
    output = workflow.run(topic, session_id="s-1", user_id="ada")
    print(output.step_results[0].content, "|", output.content)
print(workflow.get_session_state("s-1"))
print(workflow.get_session("s-2"), workflow.get_session_state("s-2"))
