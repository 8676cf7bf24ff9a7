"""A scripted coding agent: it speaks the Agent Client Protocol, and no model is behind it.

It does one thing. The first message of a conversation makes it write the task into CHANGES.md; each
later message makes it add what it was told. So the workflow patch.yaml runs without a key, and the
same way every time.
"""

import json
import os
import sys

FILE = "CHANGES.md"


def send(message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def update(session, update):
    send({"method": "session/update", "params": {"sessionId": session, "update": update}})


def said_in(params):
    blocks = [block.get("text", "") for block in params["prompt"] if block["type"] == "text"]
    lines = [line.strip() for line in "\n".join(blocks).splitlines()]
    return next((line for line in lines if line), "")


def append(line):
    with open(FILE, "a", encoding="utf-8") as file:
        file.write(f"- {line}\n")


def turn(session, params):
    line = said_in(params)
    call = {"toolCallId": f"call-{os.path.getsize(FILE) if os.path.exists(FILE) else 0}"}
    arguments = {"path": FILE, "text": line}
    update(session, {"sessionUpdate": "tool_call", **call, "title": f"Edit {FILE}", "kind": "edit",
                     "status": "in_progress", "rawInput": arguments})
    append(line)
    diff = {"type": "diff", "path": FILE, "newText": f"- {line}\n"}
    update(session, {"sessionUpdate": "tool_call_update", **call, "status": "completed",
                     "content": [diff]})
    text = f"I am a script, and added a line to {FILE}."
    update(session, {"sessionUpdate": "agent_message_chunk",
                     "content": {"type": "text", "text": text}})


for raw in sys.stdin:
    message = json.loads(raw)
    method, params = message.get("method"), message.get("params") or {}
    if "id" not in message or method is None:
        continue
    result = {}
    if method == "initialize":
        result = {"protocolVersion": 1, "agentCapabilities": {"loadSession": True}}
    elif method == "session/new":
        result = {"sessionId": f"scripted-{os.getpid()}"}
    elif method == "session/load":
        result = None
    elif method == "session/prompt":
        turn(params["sessionId"], params)
        result = {"stopReason": "end_turn"}
    else:
        send({"id": message["id"], "error": {"code": -32601, "message": f"no method {method}"}})
        continue
    send({"id": message["id"], "result": result})
