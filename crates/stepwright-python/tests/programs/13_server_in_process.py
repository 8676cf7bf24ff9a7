# A server in this process, and requests of other programs.
import json
import queue
import threading
import urllib.request

from stepwright import Agent, InMemoryDb, Server, Workflow


def greet(name: str) -> str:
    return f"Hello {name}"


db = InMemoryDb()
server = Server(Workflow("Greeting", [greet], db=db), Agent("Clerk"), db=db, name="Desk")
ports: queue.Queue = queue.Queue()
thread = threading.Thread(target=server.serve, args=("127.0.0.1", 0), kwargs={"ready": ports.put})
thread.start()
address = f"http://127.0.0.1:{ports.get()}"


def asked(path: str, body: dict | None = None) -> dict:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        address + path, data, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())


print(sorted(one["id"] for one in asked("/v1/workflows")["workflows"]))
server.stop()
thread.join(30)
print(thread.is_alive())
