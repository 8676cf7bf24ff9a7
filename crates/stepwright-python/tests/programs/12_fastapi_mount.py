# Workflows are a part of a FastAPI application, with the API of `stepwright serve`.
from fastapi import FastAPI
from fastapi.testclient import TestClient

import stepwright
from stepwright import InMemoryDb, Workflow


def greet(name: str) -> str:
    return f"Hello {name}"


workflow = Workflow("Greeting", [greet], db=InMemoryDb())
app = FastAPI()


@app.get("/health")
def health() -> dict:
    return {"ok": True}


app.mount("/", stepwright.asgi(workflow, hosts=["testserver"]))

with TestClient(app) as client:
    print(client.get("/health").json())
    print([one["id"] for one in client.get("/v1/workflows").json()["workflows"]])
    answer = client.post("/v1/workflows/greeting/runs", json={"input": "Ada", "run_id": "r-1"})
    print(answer.status_code, answer.json()["run_id"])
    accept = {"accept": "text/event-stream"}
    with client.stream("GET", "/v1/runs/r-1/events", headers=accept) as stream:
        print([line for line in stream.iter_lines() if line.startswith("event: ")])
    print(workflow.get_run("r-1").content)
    print(client.get("/v1/nothing").status_code)
