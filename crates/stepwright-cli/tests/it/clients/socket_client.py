"""Speaks the WebSocket protocol of AgentOS.

The arguments are the command and its files.
"""

import asyncio
import json
import subprocess
import sys

from serving import model, served
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus


def parsed(frame):
    """Events of new and continued runs are server-sent events, all else is JSON."""
    if frame.startswith("event: "):
        name, data = frame.strip().split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['event']}", frame
        return event
    return json.loads(frame)


async def until(socket, *names):
    events = []
    while not events or events[-1]["event"] not in names:
        events.append(parsed(await asyncio.wait_for(socket.recv(), 60)))
    return events


async def send(socket, **command):
    await socket.send(json.dumps(command))


async def asked(socket, **command):
    await send(socket, **command)
    return parsed(await asyncio.wait_for(socket.recv(), 60))


async def runs(url):
    async with connect(url) as socket:
        hello = parsed(await socket.recv())
        assert hello == {
            "event": "connected", "message": "Connected to AgentOS.", "requires_auth": False,
        }, hello
        assert await asked(socket, action="ping") == {"event": "pong"}
        await send(socket, action="start-workflow", workflow_id="greeting", message="Ada")
        events = await until(socket, "WorkflowCompleted")
        assert events[-1]["content"] == "Bye, Hello Ada!", events
        indices = [event["event_index"] for event in events]
        assert indices == sorted(set(indices)), indices

        await send(socket, action="start-workflow", workflow_id="publish", message="news")
        paused = (await until(socket, "WorkflowPaused"))[-1]
        requirements = paused["step_requirements"]
        requirements[0]["confirmed"] = True
        run = {"workflow_id": "publish", "run_id": paused["run_id"]}
        await send(
            socket, action="continue-workflow", session_id=paused["session_id"],
            step_requirements=requirements, **run,
        )
        rest = await until(socket, "WorkflowCompleted")
        assert rest[-1]["content"] == "published news", rest
        assert rest[0]["event_index"] > paused["event_index"], rest
        error = await asked(
            socket, action="continue-workflow", step_requirements=requirements, **run
        )
        assert error["error"] == "Run is not paused (status=COMPLETED)", error
        await send(socket, action="reconnect", **run)
        replay = await until(socket, "WorkflowCompleted")
        assert replay[0]["event"] == "replay" and replay[1]["event"] == "WorkflowStarted", replay

        await send(socket, action="start-workflow", workflow_id="slow", message="x")
        begun = await until(socket, "StepCompleted")
        slow = begun[0]["run_id"]
    # Closing the socket does not stop the run.
    async with connect(url) as socket:
        await socket.recv()
        last = begun[-1]["event_index"]
        await send(socket, action="reconnect", run_id=slow, last_event_index=last)
        events = await until(socket, "StepStarted", "StepPaused")
        assert events[0]["event"] == "subscribed", events
        assert all(event["event_index"] > last for event in events[1:]), events


async def errors(url):
    async with connect(url) as socket:
        await socket.recv()
        for command, what in [
            ({"action": "start-workflow"}, "workflow_id is required"),
            ({"action": "start-workflow", "workflow_id": "x"}, "Workflow x not found"),
            ({"action": "reconnect"}, "run_id is required for subscription"),
            (
                {"action": "reconnect", "run_id": "x"},
                "Run x not found in buffer or database",
            ),
            ({"action": "dance"}, "Unknown action: dance"),
            ({}, "Unknown action: None"),
        ]:
            error = await asked(socket, **command)
            assert error == {"event": "error", "error": what}, error
        await socket.send("no JSON")
        assert parsed(await socket.recv())["event"] == "error"
        assert await asked(socket, action="ping") == {"event": "pong"}
    try:
        await connect(url, origin="https://evil.example")
    except InvalidStatus as refused:
        assert refused.response.status_code == 403, refused
    else:
        raise AssertionError("a page of another origin got a socket")


async def auth(command, files_of, model_url):
    def key(role):
        made = subprocess.run(
            [command, "keys", "create", "test", "--role", role],
            capture_output=True, text=True, check=True,
        )
        return made.stdout.strip()

    admin, viewer = key("admin"), key("viewer")
    with served(command, files_of, model_url) as url:
        async with connect(url.replace("http", "ws") + "/workflows/ws") as socket:
            assert parsed(await socket.recv())["requires_auth"] is True
            start = {"action": "start-workflow", "workflow_id": "greeting", "message": "Ada"}
            assert (await asked(socket, **start))["event"] == "auth_required"
            wrong = await asked(socket, action="authenticate", token="sw_no")
            assert wrong == {"event": "auth_error", "error": "Invalid token"}, wrong
            assert (await asked(socket, action="authenticate"))["error"] == "Token is required"
            good = await asked(socket, action="authenticate", token=viewer)
            assert good["event"] == "authenticated", good
            denied = await asked(socket, **start)
            assert denied["error"] == "Insufficient permissions to run this workflow", denied
            await asked(socket, action="authenticate", token=admin)
            await send(socket, **start)
            assert (await until(socket, "WorkflowCompleted"))[-1]["content"] == "Bye, Hello Ada!"


async def main(command, files_of):
    with model() as model_url:
        with served(command, files_of, model_url) as url:
            for scenario in [runs, errors]:
                await scenario(url.replace("http", "ws") + "/workflows/ws")
                print("ok", scenario.__name__, flush=True)
        await auth(command, files_of, model_url)
        print("ok auth", flush=True)


asyncio.run(main(sys.argv[1], sys.argv[2:]))
