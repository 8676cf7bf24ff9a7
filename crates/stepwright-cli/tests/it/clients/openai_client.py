"""Chats with workflows, agents and teams through the client of OpenAI.

The arguments are the command and its files.
"""

import sys

import openai
from serving import model, served


def refused(kind, call, **arguments):
    try:
        call(**arguments)
    except kind as error:
        return error
    raise AssertionError(f"it was not refused with {kind}")


def said(*texts):
    roles = ["user", "assistant"] * len(texts)
    return [{"role": role, "content": text} for role, text in zip(roles, texts)]


def whole(client):
    names = [it.id for it in client.models.list()]
    assert {"greeting", "helper", "desk"} <= set(names), names
    assert client.models.retrieve("helper").owned_by == "stepwright"
    chat = client.chat.completions.create
    answer = chat(model="greeting", messages=said("Ada"))
    assert answer.choices[0].message.content == "Bye, Hello Ada!", answer
    assert answer.choices[0].finish_reason == "stop" and answer.id.startswith("chatcmpl-"), answer
    answer = chat(model="helper", messages=said("hi"), temperature=0.5, user="u-1")
    assert answer.choices[0].message.content == "echo: hi", answer
    usage = answer.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (7, 3, 10), usage
    # An agent gets the messages before the last one, a session remembers them by itself.
    answer = chat(model="helper", messages=said("one", "two", "three"))
    assert answer.choices[0].message.content == "echo: user: one\nassistant: two\n\nthree", answer
    answer = chat(
        model="helper", messages=said("one", "two", "three"), metadata={"session_id": "c-1"}
    )
    assert answer.choices[0].message.content == "echo: three", answer
    task = 'call helper {"task": "find it"}'
    assert chat(model="desk", messages=said(task)).choices[0].message.content == (
        "done: echo: find it"
    )
    parts = [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
    ]
    answer = chat(model="helper", messages=[{"role": "user", "content": parts}])
    assert answer.choices[0].message.content == "echo: look image_url", answer
    answer = chat(model="sum", messages=said('{"a": 2, "b": 3}'))
    assert '"sum": 5' in answer.choices[0].message.content, answer
    answer = chat(model="publish", messages=said("news"))
    assert "waits for an answer: Publish it?" in answer.choices[0].message.content, answer


def streams(client):
    chat = client.chat.completions.create
    usage = {"include_usage": True}
    pieces = list(chat(model="helper", messages=said("hi"), stream=True, stream_options=usage))
    texts = [it.choices[0].delta.content for it in pieces if it.choices]
    assert [text for text in texts if text] == ["echo: ", "hi"], pieces
    assert pieces[0].choices[0].delta.role == "assistant", pieces[0]
    assert pieces[-2].choices[0].finish_reason == "stop", pieces
    assert pieces[-1].usage.total_tokens == 10 and pieces[-1].choices == [], pieces[-1]
    pieces = list(chat(model="greeting", messages=said("Ada"), stream=True))
    text = "".join(it.choices[0].delta.content or "" for it in pieces)
    assert text == "Bye, Hello Ada!", pieces
    task = 'call helper {"task": "find it"}'
    pieces = list(chat(model="desk", messages=said(task), stream=True))
    text = "".join(it.choices[0].delta.content or "" for it in pieces)
    assert text == "done: echo: find it", pieces
    pieces = list(chat(model="publish", messages=said("news"), stream=True))
    text = "".join(it.choices[0].delta.content or "" for it in pieces)
    assert "waits for an answer" in text, pieces
    broken = refused(
        openai.APIError, lambda **it: list(chat(**it)), model="failing", messages=said("x"),
        stream=True,
    )
    assert "nothing" in broken.message, broken


def errors(client):
    chat = client.chat.completions.create
    unknown = refused(openai.NotFoundError, chat, model="nothing", messages=said("x"))
    assert unknown.code == "model_not_found" and unknown.param == "model", unknown
    refused(openai.NotFoundError, client.models.retrieve, model="nothing")
    refused(openai.BadRequestError, chat, model="helper", messages=[])
    refused(openai.BadRequestError, chat, model="helper", messages=said("x"), n=2)
    refused(openai.BadRequestError, chat, model="sum", messages=said("no JSON"))
    # The client tries again after a failure of a server, which would run the workflow twice.
    failed = refused(
        openai.UnprocessableEntityError, chat, model="failing", messages=said("x")
    )
    assert failed.type == "run_error" and failed.code.startswith("SW"), failed
    counters = client.get("/metrics", cast_to=str)
    assert 'route="/v1/chat/completions",status="422"} 1' in counters, counters


def main(command, files_of):
    with model() as model_url, served(command, files_of, model_url) as url:
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="none")
        for scenario in [whole, streams, errors]:
            scenario(client)
            print("ok", scenario.__name__, flush=True)


main(sys.argv[1], sys.argv[2:])
