"""A scripted model and a scripted search on loopback. No answer comes from a language model.

The model answers each agent with a text that says so, made of the words that it was sent. An agent
with tools gets one tool call first.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: How much of a message an answer repeats.
QUOTED = 40


def answer(messages: list[dict]) -> str:
    asked = next(m for m in reversed(messages) if m["role"] == "user")["content"]
    if isinstance(asked, list):
        asked = " ".join(part.get("text", "") for part in asked)
    first = asked.strip().splitlines()[0][:QUOTED] if asked.strip() else "nothing"
    return f"Scripted answer about {first}"


def call_of(request: dict) -> dict | None:
    """The tool call with which an answer begins."""
    tools = request.get("tools") or []
    if not tools or any(m["role"] == "tool" for m in request["messages"]):
        return None
    function = tools[0]["function"]
    properties = function["parameters"].get("properties", {})
    values = {"string": "ants", "integer": 2, "number": 2.5, "boolean": True}
    given = {
        name: values.get(schema.get("type", "string"), "ants")
        for name, schema in properties.items()
        if name in function["parameters"].get("required", [])
    }
    return {"name": function["name"], "arguments": json.dumps(given)}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        page = "<html><body><div class='no-results'>No results.</div></body></html>"
        self.reply(page.encode(), "text/html")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if "chat/completions" not in self.path:
            self.do_GET()
            return
        request = json.loads(body)
        self.server.requests.append(request)  # type: ignore[attr-defined]
        call = call_of(request)
        shape = request.get("response_format", {}).get("json_schema", {}).get("schema")
        text = answer(request["messages"])
        if shape is not None:
            text = json.dumps({name: filled(of) for name, of in shape["properties"].items()})
        pieces = [text[at : at + 8] for at in range(0, len(text), 8)]
        deltas: list[dict] = [{"content": piece} for piece in pieces]
        if call is not None:
            deltas = [{"tool_calls": [{"index": 0, "id": "call-1", "type": "function", "function": call}]}]
        end = "stop" if call is None else "tool_calls"
        usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
        if not request.get("stream"):
            message = {"role": "assistant", "content": text}
            if call is not None:
                message = {"role": "assistant", "content": None, **deltas[0]}
            choice = {"index": 0, "message": message, "finish_reason": end}
            whole = {"id": "s-1", "object": "chat.completion", "created": 1, "model": "scripted"}
            self.reply(json.dumps({**whole, "choices": [choice], "usage": usage}).encode())
            return
        lines = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
        lines.append({"choices": [{"index": 0, "delta": {}, "finish_reason": end}]})
        lines.append({"choices": [], "usage": usage})
        whole = {"id": "s-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted"}
        stream = "".join(f"data: {json.dumps({**whole, **line})}\n\n" for line in lines)
        self.reply((stream + "data: [DONE]\n\n").encode(), "text/event-stream")

    def reply(self, body: bytes, kind: str = "application/json") -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def filled(schema: dict) -> object:
    """A value of this schema."""
    kind = schema.get("type")
    if kind == "array":
        return [filled(schema.get("items", {}))]
    return {"integer": 7, "number": 7.5, "boolean": True}.get(kind, "scripted")


def serve() -> ThreadingHTTPServer:
    """Starts the server on a free port of loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.requests = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
