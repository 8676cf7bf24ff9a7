"""Runs a scenario with Agno against a scripted model, and prints the requests and the answer.

`python diff.py` runs all scenarios and prints a JSON object: for each one the requests that reached
the model (who asked, the system prompt, the messages after it, the names of the tools) and the answer.
"""

import json
import os
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

os.environ["AGNO_TELEMETRY"] = "false"

from agno.agent import Agent  # noqa: E402
from agno.db.in_memory import InMemoryDb  # noqa: E402
from agno.models.openai import OpenAIChat  # noqa: E402
from agno.team import Team  # noqa: E402
from agno.workflow import Step, Workflow, WorkflowAgent  # noqa: E402

SCRIPT: dict[str, list] = {}
SEEN: list[dict] = []
LOCK = threading.Lock()


def shown(message: dict) -> str:
    """Returns a message in one line."""
    if message.get("tool_calls"):
        calls = [call["function"] for call in message["tool_calls"]]
        return "calls " + ", ".join(f"{call['name']}({call['arguments']})" for call in calls)
    content = message.get("content") or ""
    if isinstance(content, list):
        content = "".join(part.get("text", "") for part in content)
    return f"{message['role']}: {content}"


class Model(BaseHTTPRequestHandler):
    """A model that answers what the script says. The name of the model tells who asks."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        who = body["model"]
        with LOCK:
            messages = [it for it in body["messages"] if it["role"] not in ("system", "developer")]
            system = [it for it in body["messages"] if it["role"] in ("system", "developer")]
            # Agno asks for memories beside the answer, so the two have scripts of their own.
            keeper = any("You are a Memory Manager" in shown(it) for it in system)
            script = SCRIPT.get(f"{who}, memories" if keeper else who)
            reply = script.pop(0) if script else "nothing more"
            SEEN.append({
                "who": who,
                "system": "".join(shown(it) for it in system),
                "messages": [shown(it) for it in messages],
                "tools": sorted(tool["function"]["name"] for tool in body.get("tools", [])),
            })
        if not isinstance(reply, str):
            # The ids of tasks are made by chance: `$ID` stands for the last one.
            found = re.findall(r"\[(\w{8})\]", "".join(messages and SEEN[-1]["messages"]))
            given = json.dumps(reply).replace("$ID", found[-1] if found else "none")
            reply = json.loads(given)
        message: dict = {"role": "assistant", "content": reply if isinstance(reply, str) else None}
        if not isinstance(reply, str):
            message["tool_calls"] = [
                {
                    "id": f"call_{nth}{len(SEEN)}",
                    "type": "function",
                    "function": {"name": name, "arguments": json.dumps(arguments)},
                }
                for nth, (name, arguments) in enumerate(reply)
            ]
        answer = json.dumps({
            "id": "c",
            "object": "chat.completion",
            "created": 0,
            "model": who,
            "choices": [{
                "index": 0,
                "message": message,
                "finish_reason": "stop" if isinstance(reply, str) else "tool_calls",
            }],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


SERVER = ThreadingHTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=SERVER.serve_forever, daemon=True).start()
URL = f"http://127.0.0.1:{SERVER.server_port}/v1"


def model(who: str) -> OpenAIChat:
    return OpenAIChat(id=who, base_url=URL, api_key="none")


def members() -> list:
    return [
        Agent(name="Scout", role="Finds sources.", model=model("scout")),
        Agent(name="Critic", role="Finds mistakes.", model=model("critic")),
    ]


def asked(name: str, member: str, task: str) -> list:
    return [name, {"member_id": member, "task": task}]


def team(mode: str, script: dict, **settings) -> dict:
    SCRIPT.clear()
    SCRIPT.update(script)
    SEEN.clear()
    desk = Team(name="Desk", model=model("leader"), members=members(), mode=mode, **settings)
    answer = desk.run("Bridges")
    return {"requests": list(SEEN), "answer": str(answer.content)}


def talk() -> dict:
    SCRIPT.clear()
    SCRIPT.update({
        "agent": [[["run_workflow", {"query": "bridges"}]], "The plan is made.", "About bridges."],
    })
    SEEN.clear()
    flow = Workflow(
        name="Plan",
        description="Plans articles.",
        agent=WorkflowAgent(model=model("agent")),
        steps=[Step(name="outline", executor=lambda step_input: f"1. {step_input.input}")],
        db=InMemoryDb(),
    )
    answers = [
        str(flow.run(text, session_id="s").content)
        for text in ("Plan bridges, please", "What was it about?")
    ]
    return {"requests": list(SEEN), "answer": " | ".join(answers)}


def history(limit: int) -> dict:
    """Three runs of a workflow in one session, each with so many earlier runs at most."""
    SCRIPT.clear()
    SCRIPT.update({"writer": ["One.", "Two.", "Three."]})
    SEEN.clear()
    flow = Workflow(
        name="Talk",
        steps=[Step(name="write", agent=Agent(name="Writer", model=model("writer")))],
        add_workflow_history_to_steps=True,
        num_history_runs=limit,
        db=InMemoryDb(),
    )
    answers = [str(flow.run(text, session_id="s").content) for text in ("A?", "B?", "C?")]
    return {"requests": list(SEEN), "answer": " | ".join(answers)}


def conversation() -> dict:
    """Three runs of an agent on its own in one session, with two earlier runs at most."""
    SCRIPT.clear()
    SCRIPT.update({"writer": ["One.", "Two.", "Three.", "Four."]})
    SEEN.clear()
    writer = Agent(
        name="Writer",
        model=model("writer"),
        add_history_to_context=True,
        num_history_runs=2,
        db=InMemoryDb(),
    )
    asked = ("A?", "B?", "C?", "D?")
    answers = [str(writer.run(text, session_id="s").content) for text in asked]
    return {"requests": list(SEEN), "answer": " | ".join(answers)}


def memory(answers: list, memories: list, **settings) -> dict:
    """Two sessions of one user, and one of another user."""
    SCRIPT.clear()
    SCRIPT.update({"waiter": answers, "waiter, memories": memories})
    SEEN.clear()
    db = InMemoryDb()
    waiter = Agent(name="Waiter", model=model("waiter"), db=db, **settings)
    said = []
    for text, session, user in (
        ("I travel by train.", "s-1", "ada"),
        ("How do I travel?", "s-2", "ada"),
        ("How do I travel?", "s-3", "ben"),
    ):
        said.append(str(waiter.run(text, session_id=session, user_id=user).content))
    kept = {
        user: [it.memory for it in waiter.get_user_memories(user_id=user) or []]
        for user in ("ada", "ben")
    }
    return {"requests": list(SEEN), "answer": " | ".join(said), "kept": kept}


DELEGATE = "delegate_task_to_member"
SCENARIOS = {
    "coordinate": lambda: team("coordinate", {
        "leader": [
            [asked(DELEGATE, "scout", "Find three.")],
            [asked(DELEGATE, "scout", "Find more."), asked(DELEGATE, "critic", "Check.")],
            "The report.",
        ],
        "scout": ["a, b, c", "d"],
        "critic": ["All fine."],
    }),
    "route": lambda: team("route", {
        "leader": [[asked(DELEGATE, "critic", "Is it right?")]],
        "critic": ["It is."],
    }),
    "collaborate": lambda: team("broadcast", {
        "leader": [[["delegate_task_to_members", {"task": "Bridges"}]], "Both agree."],
        "scout": ["yes"],
        "critic": ["yes!"],
    }),
    "shared": lambda: team("coordinate", {
        "leader": [
            [asked(DELEGATE, "scout", "Find.")], [asked(DELEGATE, "critic", "Check.")], "Done.",
        ],
        "scout": ["a"],
        "critic": ["ok"],
    }, share_member_interactions=True),
    "tasks": lambda: team("tasks", {
        "leader": [
            [["create_task", {"title": "Search", "description": "All.", "assignee": "scout"}]],
            [["execute_task", {"task_id": "$ID", "member_id": "scout"}]],
            "Done.",
        ],
        "scout": ["a, b"],
    }),
    "talk": talk,
    "history": lambda: history(3),
    "history_of_one": lambda: history(1),
    "conversation": conversation,
    "memory_after_run": lambda: memory(
        ["Good to know.", "By train.", "I do not know."],
        [
            [["add_memory", {"memory": "Travels by train.", "topics": ["travel"]}]],
            "Added.",
            "Nothing to add.",
            "Nothing to add.",
        ],
        update_memory_on_run=True,
    ),
    "memory_by_tools": lambda: memory(
        [
            [["update_user_memory", {"task": "Remember: travels by train."}]],
            "Noted.",
            "By train.",
            "I do not know.",
        ],
        [[["add_memory", {"memory": "Travels by train.", "topics": ["travel"]}]], "Added."],
        enable_agentic_memory=True,
    ),
}

if __name__ == "__main__":
    names = sys.argv[1:] or list(SCENARIOS)
    json.dump({name: SCENARIOS[name]() for name in names}, sys.stdout, indent=1)
