"""Two model servers and one for pages. The name of the model selects the answer; none is a language model.

`chat` speaks OpenAI's chat completions, `wires` those of Gemini, Anthropic and Ollama. A name has two parts,
`NAME--ARGUMENT`: `finish--abort` ends half an answer with the finish reason `abort`.
"""
import json, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HALF = "The first half of the ans"
# How many requests to `slow` are answered at once, and the most so far.
AT_ONCE = {"now": 0, "most": 0}
LOCK = threading.Lock()


def piece(delta, finish=None):
    return {"id": "c", "object": "chat.completion.chunk",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


class Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def log_message(self, *_):
        pass

    def body(self):
        return json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")

    def begin(self, kind="text/event-stream", status=200):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.end_headers()

    def write(self, text):
        self.wfile.write(text.encode())
        self.wfile.flush()

    def do_POST(self):
        try:
            self.answer(self.body())
        except ConnectionError:
            pass


class Chat(Quiet):
    def send(self, *pieces):
        for data in pieces:
            self.write(f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n")

    def whole(self, *texts):
        self.send(*(piece({"content": text}) for text in texts), piece({}, "stop"), "[DONE]")

    def answer(self, body):
        name, _, argument = body["model"].partition("--")
        if name == "busy":
            self.begin("application/json", 503)
            return self.write('{"error":{"message":"busy"}}')
        if name == "json":
            self.begin("application/json")
            message = {"role": "assistant", "content": "All of it."}
            return self.write(json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}))
        self.begin("text/plain" if name == "textplain" else "text/event-stream")
        if name in ("echo", "textplain"):
            self.whole(body["messages"][-1]["content"])
        elif name == "asked":
            self.whole(json.dumps([message["content"] for message in body["messages"]], ensure_ascii=False))
        elif name == "say":
            self.whole(argument or "Hello.")
        elif name == "call" and not any(message["role"] == "tool" for message in body["messages"]):
            call = {"name": argument, "arguments": '{"path":"notes.txt"}'}
            self.send(piece({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": call}]}),
                      piece({}, "tool_calls"), "[DONE]")
        elif name == "call":
            self.whole("Done.")
        elif name == "calldeep":
            call = {"name": "read_file", "arguments": '{"path":' + "[" * 60_000 + "]" * 60_000 + "}"}
            if any(message["role"] == "tool" for message in body["messages"]):
                return self.whole("Done.")
            self.send(piece({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": call}]}),
                      piece({}, "tool_calls"), "[DONE]")
        elif name == "large":
            self.whole("x" * int(argument))
        elif name == "fence":
            self.whole("Here it is:\n```json\n{\"score\": 7}\n```\n")
        elif name == "think":
            self.whole("<think>7 or 8? 7.</think>\n{\"score\": 7}")
        elif name == "usage":
            usage = '{"choices":[],"usage":{"prompt_tokens":%s,"completion_tokens":%s}}' % (argument, argument)
            self.send(piece({"content": "All of it."}), piece({}, "stop"), usage, "[DONE]")
        elif name == "finish":
            self.send(piece({"content": HALF}), piece({}, argument), "[DONE]")
        elif name == "orerror":
            error = {"code": 502, "message": "Provider disconnected"}
            self.send(piece({"content": HALF}), piece({"content": ""}, "error") | {"error": error}, "[DONE]")
        elif name == "choiceerror":
            broken = piece({"content": ""}, "error")
            broken["choices"][0]["error"] = {"code": "503", "message": "Provider disconnected"}
            self.send(piece({"content": HALF}), broken, "[DONE]")
        elif name == "groqerror":
            self.send(piece({"content": HALF}), piece({}, "stop") | {"x_groq": {"error": "Provider disconnected"}},
                      "[DONE]")
        elif name == "native":
            broken = piece({}, "stop")
            broken["choices"][0]["native_finish_reason"] = argument
            self.send(piece({"content": HALF}), broken, "[DONE]")
        elif name == "nofinish":
            self.send(piece({"content": "All of it."}), *([piece({}, "")] if argument == "empty" else []), "[DONE]")
        elif name == "ping":
            self.send(piece({"content": "All "}), "{}", piece({"content": "of it."}), piece({}, "stop"), "[DONE]")
        elif name == "meta":
            self.send(piece({"content": "All of it."}), {"provider": "x", "latency_ms": 3}, piece({}, "stop"),
                      "[DONE]")
        elif name == "half":
            halves = ("crab \\ud83e", "\\udd80")
            self.send(*('{"choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":null}]}' % half
                        for half in halves), piece({}, "stop"), "[DONE]")
        elif name == "drip":
            for word in range(100):
                self.send(piece({"content": f"w{word} "}))
                time.sleep(0.2)
            self.send(piece({}, "stop"), "[DONE]")
        elif name == "settings":
            names = {"max_tokens": "tokens", "max_completion_tokens": "tokens"}
            known = [f"{names.get(key, key)} is {body[key]:g}" if isinstance(body[key], float)
                     else f"{names.get(key, key)} is {body[key]}" for key in body if key not in ("messages", "tools")]
            self.whole(", ".join(known))
        elif name == "slow":
            with LOCK:
                AT_ONCE["now"] += 1
                AT_ONCE["most"] = max(AT_ONCE["most"], AT_ONCE["now"])
            time.sleep(0.3)
            with LOCK:
                AT_ONCE["now"] -= 1
            self.whole(f"at most {AT_ONCE['most']} at once")
        elif name == "calltell":
            told = [message["content"] for message in body["messages"] if message["role"] == "tool"]
            if told:
                return self.whole(told[0][:200] if isinstance(told[0], str) else json.dumps(told[0])[:200])
            call = {"name": argument, "arguments": '{"path":"notes.txt"}'}
            self.send(piece({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": call}]}),
                      piece({}, "tool_calls"), "[DONE]")
        elif name == "key":
            self.whole("Your key is " + self.headers.get("authorization", "missing").removeprefix("Bearer "))


class Wires(Quiet):
    def send(self, data, event=None):
        self.write((f"event: {event}\n" if event else "") + f"data: {json.dumps(data)}\n\n")

    def answer(self, body):
        if "GenerateContent" in self.path:
            return self.gemini(self.path.split("/models/")[1].split(":")[0].split("--")[1])
        reason = body["model"].split("--")[1]
        return self.anthropic(body, reason) if self.path.endswith("/messages") else self.ollama(reason)

    def gemini(self, reason):
        self.begin()
        usage = {"usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}}
        end = {"finishReason": reason.removeprefix("EMPTY_"), "finishMessage": "because", "index": 0}
        if reason.startswith("EMPTY_"):
            return self.send({"candidates": [{"content": {"role": "model"}} | end]} | usage)
        text = {"content": {"parts": [{"text": HALF}], "role": "model"}}
        self.send({"candidates": [text | end]} | usage)

    def anthropic(self, body, reason):
        self.begin()
        message = {"id": "m", "type": "message", "role": "assistant", "model": body["model"], "content": [],
                   "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 10, "output_tokens": 1}}
        for data in (
            {"type": "message_start", "message": message},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": HALF}},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None},
             "usage": {"output_tokens": 5}},
            {"type": "message_stop"},
        ):
            self.send(data, data["type"])

    def ollama(self, reason):
        self.begin("application/x-ndjson")
        head = {"model": "m", "created_at": "2026-01-01T00:00:00Z"}
        self.write(json.dumps(head | {"message": {"role": "assistant", "content": HALF}, "done": False}) + "\n")
        self.write(json.dumps(head | {"message": {"role": "assistant", "content": ""}, "done": True,
                                      "done_reason": reason, "prompt_eval_count": 10, "eval_count": 5}) + "\n")


class Pages(Quiet):
    def do_GET(self):
        self.begin("text/plain; charset=iso-8859-1")
        self.wfile.write("caf\u00e9".encode("latin-1"))

    def answer(self, body):
        self.begin("text/plain")
        given = self.headers.get("authorization") == "Bearer hunter2hunter2"
        kind = "authorized" if given else "not authorized"
        self.write(f"POST, {kind}, {json.dumps(body, separators=(',', ':'))}")


def start():
    """Starts all on free ports; gives their addresses by name."""
    addresses = {}
    for name, handler, path in (("chat", Chat, "/v1"), ("wires", Wires, ""), ("pages", Pages, "")):
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        addresses[name] = f"http://127.0.0.1:{server.server_address[1]}{path}"
    return addresses
