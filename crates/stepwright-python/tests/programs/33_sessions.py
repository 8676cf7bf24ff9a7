# Sessions: history, names, states, and their end.
from stepwright import Agent, SqliteDb, Step, Workflow


def count(text: str, session_state: dict) -> str:
    session_state["runs"] = session_state.get("runs", 0) + 1
    return f"{text} {session_state['runs']}"


workflow = Workflow("Chat", [count], db=SqliteDb("chat.db"), session_id="s-1", session_state={"tone": "dry"})
for text in ("ants", "bees", "wasps"):
    workflow.run(text, user_id="ada")
workflow.run("alone", session_id="s-2")
print([(one["input"], one["output"]) for one in workflow.get_history(num_runs=2)])
workflow.rename_session("Insects")
print(sorted((session.session_id, session.to_dict().get("name")) for session in workflow.get_sessions()))
print(workflow.update_session_state({"tone": "warm", "runs": None}))
print(workflow.run("flies", user_id="ada").content, workflow.get_session_state())
workflow.delete_session("s-2")
print(workflow.get_session("s-2"), len(workflow.get_sessions()))

agent = Agent("Clerk")
talk = Workflow("Talk", [Step("Answer", agent=agent)], db=SqliteDb("chat.db"), session_id="s-3",
                add_workflow_history_to_steps=True, num_history_runs=1)
print(talk.run("first").content)
print(talk.run("second").content)
