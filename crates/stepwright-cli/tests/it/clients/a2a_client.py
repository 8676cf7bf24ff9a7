"""Drives `stepwright serve` with the client of A2A's SDK, and says which scenarios went well.

The arguments are the command and its files.
"""

import asyncio
import sys

import httpx
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.types.a2a_pb2 import (
    CancelTaskRequest, GetTaskRequest, Message, Part, Role, SendMessageRequest,
    SubscribeToTaskRequest, TaskState,
)
from a2a.utils.errors import TaskNotCancelableError, TaskNotFoundError, UnsupportedOperationError
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Value
from serving import model, served

WAITING = TaskState.TASK_STATE_INPUT_REQUIRED
COMPLETED = TaskState.TASK_STATE_COMPLETED


def data(value):
    return Part(data=ParseDict(value, Value()))


def sent(*parts, task="", context=""):
    message = Message(
        message_id="m-1", role=Role.ROLE_USER, task_id=task, context_id=context,
        parts=[Part(text=part) if isinstance(part, str) else part for part in parts],
    )
    return SendMessageRequest(message=message)


def output(task):
    return "".join(part.text for artifact in task.artifacts for part in artifact.parts)


class Agents:
    """The clients of what is served, in one version of the protocol."""

    def __init__(self, url, version, streaming):
        self.url, self.version, self.streaming = url, version, streaming
        self.http = httpx.AsyncClient(timeout=60)

    async def of(self, name):
        resolver = A2ACardResolver(self.http, f"{self.url}/a2a/{name}")
        card = await resolver.get_agent_card()
        kept = [it for it in card.supported_interfaces if it.protocol_version == self.version]
        del card.supported_interfaces[:]
        card.supported_interfaces.extend(kept)
        config = ClientConfig(streaming=self.streaming, httpx_client=self.http)
        return ClientFactory(config).create(card)

    async def ask(self, name, *parts, **more):
        client = await self.of(name)
        events = [event async for event in client.send_message(sent(*parts, **more))]
        first = events[0].task
        assert first.id and first.context_id, events
        return events, await client.get_task(GetTaskRequest(id=first.id))


async def refused(kind, awaitable):
    try:
        await awaitable
    except kind as error:
        return error
    raise AssertionError(f"it was not refused with {kind}")


async def cards(agents):
    card = await A2ACardResolver(agents.http, agents.url).get_agent_card()
    assert card.capabilities.streaming and card.skills[0].id == "reading", card
    card = await A2ACardResolver(agents.http, f"{agents.url}/a2a/helper").get_agent_card()
    assert (card.name, card.description) == ("helper", "Helps."), card
    assert card.skills[0].tags == ["agent"], card


async def tasks(agents):
    events, task = await agents.ask("greeting", "Ada", context="c-1")
    assert (task.status.state, task.context_id) == (COMPLETED, "c-1"), task
    assert output(task) == "Bye, Hello Ada!", task
    assert task.history[0].parts[0].text == "Ada", task
    if agents.streaming:
        assert events[-1].status_update.status.state == COMPLETED, events
        assert events[-2].artifact_update.last_chunk, events
    _, task = await agents.ask("sum", data({"a": 2, "b": 3}))
    assert MessageToDict(task.artifacts[0].parts[0].data) == {"sum": 5}, task
    events, task = await agents.ask("helper", "hi")
    assert output(task) == "echo: hi", task
    if agents.streaming:
        pieces = [it.artifact_update for it in events if it.HasField("artifact_update")]
        assert pieces[-1].last_chunk and pieces[-1].artifact.parts[0].text == "echo: hi", events
        # Pieces that were written before the stream was open are in the last one alone.
        text = "".join(it.artifact.parts[0].text for it in pieces[:-1])
        assert "echo: hi".endswith(text), events
    _, task = await agents.ask("desk", 'call helper {"task": "find it"}')
    assert output(task) == "done: echo: find it", task
    image = Part(raw=b"\x89PNG", media_type="image/png")
    _, task = await agents.ask("helper", "look", image)
    assert output(task) == "echo: look image_url", task
    _, task = await agents.ask("failing", "x")
    assert task.status.state == TaskState.TASK_STATE_FAILED, task
    assert "nothing" in task.status.message.parts[0].text, task


async def questions(agents):
    _, task = await agents.ask("publish", "news")
    assert task.status.state == WAITING, task
    assert task.status.message.parts[0].text == "Publish it?", task
    _, done = await agents.ask("publish", "approve", task=task.id)
    assert (done.id, output(done)) == (task.id, "published news"), done
    _, task = await agents.ask("form", "x")
    _, done = await agents.ask("form", data({"name": "Ada", "age": 36}), task=task.id)
    assert output(done).startswith("Ada is 36"), done
    _, task = await agents.ask("route", "x")
    answer = data({"decision": "select", "choices": ["mail"]})
    _, done = await agents.ask("route", answer, task=task.id)
    assert output(done) == "mail x", done
    await refused(UnsupportedOperationError, agents.ask("route", "again", task=task.id))


async def ends(agents):
    client = await agents.of("slow")
    stream = client.send_message(sent("x"))
    if agents.streaming:
        task = (await anext(stream)).task
    else:
        request = sent("x")
        request.configuration.return_immediately = True
        task = (await anext(client.send_message(request))).task
    if agents.streaming:
        followed = client.subscribe(SubscribeToTaskRequest(id=task.id))
        stopped = await client.cancel_task(CancelTaskRequest(id=task.id))
        assert stopped.status.state == TaskState.TASK_STATE_CANCELED, stopped
        del followed
    else:
        stopped = await client.cancel_task(CancelTaskRequest(id=task.id))
        assert stopped.status.state == TaskState.TASK_STATE_CANCELED, stopped
    again = client.cancel_task(CancelTaskRequest(id=task.id))
    await refused(TaskNotCancelableError, again)
    unknown = client.get_task(GetTaskRequest(id="no-such-run"))
    await refused(TaskNotFoundError, unknown)
    other = (await agents.of("greeting")).get_task(GetTaskRequest(id=task.id))
    await refused(TaskNotFoundError, other)


async def main(command, files_of):
    with model() as model_url, served(command, files_of, model_url) as url:
        for scenario in [cards, tasks, questions, ends]:
            for version in ["1.0", "0.3"]:
                for streaming in [True, False]:
                    await scenario(Agents(url, version, streaming))
            print("ok", scenario.__name__, flush=True)


asyncio.run(main(sys.argv[1], sys.argv[2:]))
