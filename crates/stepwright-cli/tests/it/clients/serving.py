"""Starts `stepwright serve`, and a stand-in for the model of its agents."""

import contextlib
import http.server
import json
import os
import subprocess
import threading


class Model(http.server.BaseHTTPRequestHandler):
    """A model that does what its last message says: `call TOOL ARGUMENTS`, or an echo."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        last = request["messages"][-1]
        text = last.get("content") or ""
        if isinstance(text, list):
            text = " ".join(part.get("text", part["type"]) for part in text)
        if last["role"] == "tool":
            deltas = [{"content": "done: "}, {"content": text}]
        elif text.startswith("call "):
            _, name, arguments = text.split(" ", 2)
            function = {"name": name, "arguments": arguments}
            call = {"index": 0, "id": "call-1", "type": "function", "function": function}
            deltas = [{"tool_calls": [call]}]
        else:
            deltas = [{"content": "echo: "}, {"content": text}]
        reason = "tool_calls" if "tool_calls" in deltas[0] else "stop"
        choices = [{"index": 0, "delta": delta} for delta in deltas]
        choices.append({"index": 0, "delta": {}, "finish_reason": reason})
        chunks = [{"choices": [choice]} for choice in choices]
        usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
        chunks.append({"choices": [], "usage": usage})
        for chunk in chunks:
            chunk.update({"id": "c-1", "object": "chat.completion.chunk", "model": "m"})
        lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks] + ["data: [DONE]\n\n"]
        body = "".join(lines).encode()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextlib.contextmanager
def model():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()


@contextlib.contextmanager
def served(command, files, model_url, *more):
    arguments = [command, "serve", *files, "--port", "0", "--db", "a.db", *more]
    env = {**os.environ, "OPENAI_BASE_URL": model_url, "OPENAI_API_KEY": "a-key"}
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, env=env, text=True)
    try:
        for line in process.stderr:
            if "Listening at " in line:
                break
        else:
            raise RuntimeError(f"the server ended: {process.wait()}")
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield line.split("Listening at ")[1].strip()
    finally:
        process.terminate()
        assert process.wait(20) == 0, process.returncode
