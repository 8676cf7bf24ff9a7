"""Reads the events of `stepwright serve` with the models of AG-UI, and says which scenarios went well.

The arguments are the command and its files.
"""

import itertools
import sys

import httpx
from ag_ui.core import RunAgentInput, UserMessage
from ag_ui.core.events import Event
from ag_ui.core.types import ResumeEntry
from pydantic import BaseModel, TypeAdapter
from serving import model, served

EVENT = TypeAdapter(Event)

ids = (f"run-{nth}" for nth in itertools.count())


def known(value):
    """Checks that there is no member that the protocol does not have."""
    if isinstance(value, BaseModel):
        assert not value.model_extra, value
        for _, inner in value:
            known(inner)
    elif isinstance(value, list):
        for inner in value:
            known(inner)


def sent(url, thread, text=None, **more):
    messages = [] if text is None else [UserMessage(id="m", content=text)]
    body = RunAgentInput(
        thread_id=thread, run_id=next(ids), messages=messages, tools=[], context=[], **more
    )
    with httpx.stream("POST", url, json=body.model_dump(by_alias=True), timeout=60) as answer:
        if answer.status_code != 200:
            answer.read()
            return answer.status_code, answer.text
        assert answer.headers["content-type"] == "text/event-stream"
        lines = [line for line in answer.iter_lines() if line]
    events = [EVENT.validate_json(line.removeprefix("data: ")) for line in lines]
    for event in events:
        known(event)
    first, last = events[0], events[-1]
    assert (first.type, first.run_id, first.thread_id) == ("RUN_STARTED", body.run_id, thread)
    assert last.type in ("RUN_FINISHED", "RUN_ERROR"), last
    return 200, events


def run(*arguments, **more):
    status, events = sent(*arguments, **more)
    assert status == 200, events
    return events


def text(events, subagent=False):
    pieces = [event for event in events if event.type == "TEXT_MESSAGE_CONTENT"]
    return "".join(it.delta for it in pieces if bool(it.subagent_run_id) == subagent)


def of(events, kind):
    return [event for event in events if event.type == kind]


def workflows(url):
    events = run(f"{url}/agui/greeting", "w-1", "Ada", forwarded_props={"a": 1})
    assert text(events) == "Bye, Hello Ada!", events
    assert [it.step_name for it in of(events, "STEP_STARTED")] == ["greet", "part"], events
    assert events[-1].outcome.type == "success" and events[-1].result == "Bye, Hello Ada!"
    events = run(f"{url}/agui/sum", "w-2", '{"a": 2, "b": 3}')
    assert events[-1].result == {"sum": 5}, events
    events = run(f"{url}/agui/all", "w-3", "go", state={"seen": True})
    assert of(events, "STATE_SNAPSHOT")[0].snapshot == {"seen": True}, events
    started, finished = of(events, "STEP_STARTED"), of(events, "STEP_FINISHED")
    assert len(started) > 10 and {it.step_name for it in started} == {
        it.step_name for it in finished
    }, events


def agents(url):
    events = run(f"{url}/agui/helper", "a-1", "hi")
    assert text(events) == "echo: hi", events
    usage = events[-1].usage[0]
    assert (usage.provider, usage.model) == ("openai-chat", "m"), usage
    assert (usage.input_tokens, usage.total_tokens) == (7, 10), usage
    image = {"type": "image", "source": {"type": "data", "value": "iVBORw==", "mimeType": "image/png"}}
    events = run(f"{url}/agui/helper", "a-1", [{"type": "text", "text": "look"}, image])
    assert text(events) == "echo: look image_url", events


def teams(url):
    events = run(f"{url}/agui/desk", "t-1", 'call helper {"task": "find it"}')
    assert text(events) == "done: echo: find it", events
    assert text(events, subagent=True) == "echo: find it", events
    call = of(events, "TOOL_CALL_START")[0]
    member = of(events, "SUBAGENT_STARTED")[0]
    assert (member.name, member.parent_tool_call_id) == ("helper", call.tool_call_id), events
    assert of(events, "SUBAGENT_FINISHED")[0].outcome.type == "success", events
    assert of(events, "TOOL_CALL_RESULT")[0].content == "echo: find it", events


def answered(url, thread, interrupt, payload, status="resolved"):
    entry = ResumeEntry(interrupt_id=interrupt.id, status=status, payload=payload)
    return run(url, thread, resume=[entry])


def interrupts(url):
    def paused(name, thread, message):
        outcome = run(f"{url}/agui/{name}", thread, message)[-1].outcome
        assert outcome.type == "interrupt" and len(outcome.interrupts) == 1, outcome
        return outcome.interrupts[0]

    asked = paused("publish", "i-1", "news")
    assert (asked.reason, asked.message) == ("confirmation", "Publish it?"), asked
    assert text(answered(f"{url}/agui/publish", "i-1", asked, True)) == "published news"
    asked = paused("publish", "i-2", "news")
    events = answered(f"{url}/agui/publish", "i-2", asked, None, status="cancelled")
    assert events[-1].outcome.type == "cancelled", events
    asked = paused("form", "i-3", "x")
    assert set(asked.response_schema["properties"]) == {"name", "age"}, asked
    events = answered(f"{url}/agui/form", "i-3", asked, {"name": "Ada", "age": 36})
    assert text(events) == "Ada is 36", events
    asked = paused("route", "i-4", "x")
    answer = {"decision": "select", "choices": ["mail"]}
    assert text(answered(f"{url}/agui/route", "i-4", asked, answer)) == "mail x"
    asked = paused("reader", "i-5", 'call read_file {"path": "note.txt"}')
    assert asked.reason == "tool_confirmation" and asked.tool_call_id, asked
    events = answered(f"{url}/agui/reader", "i-5", asked, {"decision": "approve"})
    assert "a note" in of(events, "TOOL_CALL_RESULT")[0].content, events
    assert "a note" in text(events), events
    assert not of(events, "TOOL_CALL_START"), events


def failures(url):
    events = run(f"{url}/agui/failing", "f-1", "x")
    assert events[-1].type == "RUN_ERROR" and events[-1].code.startswith("SW"), events
    assert sent(f"{url}/agui/nothing", "f-2", "x")[0] == 404
    assert sent(f"{url}/agui/greeting", "f-3")[0] == 400


def main(command, files_of):
    with model() as model_url, served(command, files_of, model_url) as url:
        for scenario in [workflows, agents, teams, interrupts, failures]:
            scenario(url)
            print("ok", scenario.__name__, flush=True)


main(sys.argv[1], sys.argv[2:])
