"""Drives `stepwright serve` with Agno's own clients, and says which scenarios went well.

The arguments are the command and its files.
"""

import asyncio
import json
import subprocess
import sys
import traceback

import httpx
from agno.agent.remote import RemoteAgent
from agno.client import AgentOSClient
from agno.db.base import SessionType
from agno.exceptions import RemoteServerUnavailableError
from agno.media import Audio, File, Image
from agno.run.agent import RunOutput
from agno.run.base import RunStatus
from agno.run.team import TeamRunOutput
from agno.team.remote import RemoteTeam
from agno.workflow.remote import RemoteWorkflow
from agno.workflow.types import StepRequirement
from serving import model, served


def names(events):
    return [event.event for event in events]


async def all_of(stream):
    return [event async for event in stream]


async def refused(awaitable, status):
    try:
        await awaitable
    except httpx.HTTPStatusError as error:
        assert error.response.status_code == status, error.response.text
        assert "detail" in error.response.json(), error.response.text
        return error.response.json()["detail"]
    raise AssertionError(f"it was not refused with {status}")


async def until(client, workflow, run, session, wanted):
    """Polls a run, for which the client has no method."""
    url = f"{client.base_url}/workflows/{workflow}/runs/{run}"
    async with httpx.AsyncClient() as http_client:
        while True:
            answer = await http_client.get(url, params={"session_id": session})
            if answer.status_code == 200 and answer.json()["status"] == wanted:
                return answer.json()
            await asyncio.sleep(0.05)


async def discovery(client):
    config = await client.aget_config()
    assert client.get_config().os_id == config.os_id
    assert {it.id for it in config.workflows} >= {"greeting", "publish", "slow", "all"}
    assert [it.id for it in config.teams] == ["desk"]
    assert config.available_models, config
    workflows = await client.list_workflows()
    assert [it.name for it in workflows if it.id == "greeting"] == ["Greeting"]
    greeting = await client.aget_workflow("greeting")
    assert greeting.steps[0]["name"] == "greet", greeting
    assert client.get_workflow("greeting").db_id == config.session.dbs[0].db_id
    agents = await client.list_agents()
    helper = [agent for agent in agents if agent.id == "helper"][0]
    assert (helper.model.id, helper.model.provider) == ("m", "openai-chat"), helper
    agent = await client.aget_agent("helper")
    assert (agent.model.model, agent.description) == ("m", "Helps."), agent
    assert client.get_agent("helper").name == "helper"
    teams = await client.list_teams()
    assert [(it.id, it.mode) for it in teams] == [("desk", "coordinate")], teams
    team = await client.aget_team("desk")
    assert [member.name for member in team.members] == ["helper", "critic"], team
    assert client.get_team("desk").name == "desk"
    assert await refused(client.aget_workflow("nothing"), 404) == "Workflow not found"
    assert await refused(client.aget_agent("greeting"), 404) == "Agent not found"
    assert await refused(client.aget_team("helper"), 404) == "Team not found"
    await client.migrate_database("all")


async def workflow_runs(client):
    output = await client.run_workflow("greeting", "Ada", session_id="s-1", user_id="u-1")
    assert (output.content, output.status) == ("Bye, Hello Ada!", RunStatus.completed), output
    assert [step.step_name for step in output.step_results] == ["greet", "part"], output
    assert (output.session_id, output.user_id, output.input) == ("s-1", "u-1", "Ada")
    assert output.metrics.duration is not None
    typed = await client.run_workflow("sum", json.dumps({"a": 2, "b": 3}))
    assert typed.content == {"sum": 5} and typed.input == {"a": 2, "b": 3}, typed
    chosen = await client.run_workflow(
        "greeting", "Bo", run_id="r-chosen", metadata={"why": "test"}, session_state={"n": 1}
    )
    assert chosen.run_id == "r-chosen" and chosen.metadata == {"why": "test"}, chosen
    assert await refused(client.run_workflow("nothing", "x"), 404) == "Workflow not found"
    detail = await refused(client.run_workflow("greeting", ""), 422)
    assert detail[0]["loc"] == ["body", "message"], detail
    await refused(client.run_workflow("greeting", "x", metadata="[1]"), 400)
    # A session of one user takes no runs of another.
    foreign = client.run_workflow("greeting", "x", session_id="s-1", user_id="u-2")
    assert await refused(foreign, 404) == "Session not found"
    failed = await refused(client.run_workflow("failing", "x"), 500)
    assert failed.startswith("Internal server error"), failed


async def workflow_streams(client):
    events = await all_of(client.run_workflow_stream("greeting", "Ada"))
    step = ["StepStarted", "StepOutput", "StepCompleted"]
    assert names(events) == ["WorkflowStarted", *step, *step, "WorkflowCompleted"], events
    assert events[-1].content == "Bye, Hello Ada!"
    assert events[1].step_index == 0 and events[4].step_index == 1, events
    parts = "a\u2028b\u2029c\u0085d"
    events = await all_of(client.run_workflow_stream("greeting", parts))
    assert events[-1].content == f"Bye, Hello {parts}!", "line separators"
    few = await all_of(client.run_workflow_stream("greeting", "Ada", stream_events="false"))
    assert set(names(few)) == {"WorkflowStarted", "StepOutput", "WorkflowCompleted"}, few
    events = await all_of(client.run_workflow_stream("all", "go"))
    seen = set(names(events))
    wanted = {"Parallel", "Condition", "Loop", "Router", "Steps"}
    assert seen >= {f"{kind}ExecutionStarted" for kind in wanted}, seen
    assert seen >= {f"{kind}ExecutionCompleted" for kind in wanted}, seen
    assert seen >= {"LoopIterationStarted", "LoopIterationCompleted", "RunContent"}, seen
    assert seen >= {"TeamRunStarted", "TeamRunContent", "TeamRunCompleted"}, seen
    completed = events[-1]
    assert completed.event == "WorkflowCompleted" and completed.step_results, completed
    assert all(event.workflow_id == "all" for event in events), events
    output = await client.run_workflow("all", "go")
    kinds = {type(run) for run in output.step_executor_runs}
    assert kinds == {RunOutput, TeamRunOutput}, output.step_executor_runs
    failing = await all_of(client.run_workflow_stream("failing", "x"))
    assert names(failing)[-2:] == ["StepError", "WorkflowError"], failing


async def background(client):
    begun = await client.run_workflow("greeting", "Ada", background="true")
    assert (begun.status, begun.content) == (RunStatus.pending, None), begun
    done = await until(client, "greeting", begun.run_id, begun.session_id, "COMPLETED")
    assert done["content"] == "Bye, Hello Ada!"
    events = await all_of(client.run_workflow_stream("greeting", "Ada", background="true"))
    assert names(events)[-1] == "WorkflowCompleted", events
    slow = await client.run_workflow("slow", "x", background="true")
    await client.cancel_workflow_run("slow", slow.run_id)
    over = await until(client, "slow", slow.run_id, slow.session_id, "CANCELLED")
    assert over["content"].endswith("was cancelled"), over
    # Agno's clients rely on an answer for unknown runs.
    await client.cancel_workflow_run("slow", "no-such-run")
    stream = client.run_workflow_stream("slow", "x", run_id="r-left")
    async for event in stream:
        if event.event == "StepStarted":
            break
    await client.cancel_workflow_run("slow", "r-left")
    rest = [event async for event in stream]
    assert rest == [] or names(rest)[-1] == "WorkflowCancelled", rest


async def continuing(client):
    paused = await client.run_workflow("publish", "news")
    assert paused.is_paused and paused.pause_kind == "step", paused
    asked = paused.step_requirements[0]
    assert asked.needs_confirmation and asked.confirmation_message == "Publish it?", asked
    detail = await refused(client.continue_workflow_run("publish", paused.run_id, []), 400)
    assert "step_requirements" in detail, detail
    asked.confirm()
    done = await client.continue_workflow_run("publish", paused.run_id, [asked])
    assert (done.status, done.content) == (RunStatus.completed, "published news"), done
    again = client.continue_workflow_run("publish", paused.run_id, [asked])
    assert await refused(again, 409) == "run is already completed"
    unknown = client.continue_workflow_run("publish", "no-such-run", [asked])
    assert await refused(unknown, 404) == "Run not found"

    paused = await client.run_workflow("publish", "news")
    paused.step_requirements[0].reject("not today")
    rejected = client.continue_workflow_run("publish", paused.run_id, paused.step_requirements)
    assert (await rejected).status == RunStatus.cancelled

    events = await all_of(client.run_workflow_stream("form", "x"))
    assert names(events)[-2:] == ["StepPaused", "WorkflowPaused"], events
    paused = events[-1]
    asked = StepRequirement.from_dict(paused.step_requirements[0])
    asked.set_user_input(name="Ada", age=36)
    rest = client.continue_workflow_run_stream("form", paused.run_id, [asked])
    rest = await all_of(rest)
    assert names(rest)[-1] == "WorkflowCompleted", rest
    assert rest[-1].content == "Ada is 36", rest[-1]

    paused = await client.run_workflow("route", "x")
    asked = paused.step_requirements[0]
    assert asked.needs_route_selection and asked.available_choices == ["blog", "mail"], asked
    asked.select("mail")
    done = await client.continue_workflow_run("route", paused.run_id, [asked])
    assert done.content == "mail x", done

    paused = await client.run_workflow("review", "x")
    asked = paused.step_requirements[0]
    assert asked.requires_output_review and asked.step_output.content == "draft x", asked
    asked.edit("better x")
    done = await client.continue_workflow_run("review", paused.run_id, [asked])
    assert done.content == "better x", done

    paused = await client.run_workflow("reading", 'call read_file {"path": "note.txt"}')
    assert paused.pause_kind == "executor", paused
    asked = paused.step_requirements[0]
    tool = asked.executor_requirements[0]["tool_execution"]
    assert tool["tool_name"] == "read_file" and tool["tool_args"] == {"path": "note.txt"}, tool
    tool["confirmed"] = True
    done = await client.continue_workflow_run("reading", paused.run_id, [asked])
    assert done.status == RunStatus.completed and "a note" in done.content, done


async def agent_runs(client):
    output = await client.run_agent("helper", "hi", session_id="a-1", user_id="u-1")
    assert (output.content, output.status) == ("echo: hi", RunStatus.completed), output
    assert (output.agent_id, output.model, output.model_provider) == ("helper", "m", "openai-chat")
    assert [message.role for message in output.messages] == ["user", "assistant"], output
    assert output.metrics.total_tokens == 10 and output.input.input_content == "hi", output
    events = await all_of(client.run_agent_stream("helper", "hi"))
    seen = names(events)
    assert seen[0] == "RunStarted" and seen[-1] == "RunCompleted", seen
    text = "".join(event.content for event in events if event.event == "RunContent")
    assert text == "echo: hi" == events[-1].content, events
    assert len({event.run_id for event in events}) == 1, events
    assert await refused(client.run_agent("nothing", "hi"), 404) == "Agent not found"

    paused = await client.run_agent("reader", 'call read_file {"path": "note.txt"}')
    assert paused.is_paused and paused.active_requirements, paused
    tool = paused.tools[0]
    assert tool.requires_confirmation and tool.tool_args == {"path": "note.txt"}, tool
    tool.confirmed = True
    done = await client.continue_agent_run("reader", paused.run_id, [tool])
    assert done.status == RunStatus.completed and "a note" in done.content, done
    assert [tool.tool_name for tool in done.tools] == ["read_file"], done.tools

    events = await all_of(client.run_agent_stream("reader", 'call read_file {"path": "note.txt"}'))
    paused = events[-1]
    assert paused.event == "RunPaused" and paused.requirements, events
    paused.requirements[0].reject("no")
    tools = [asked.tool_execution for asked in paused.requirements]
    rest = await all_of(client.continue_agent_run_stream("reader", paused.run_id, tools))
    assert names(rest)[-1] == "RunCompleted" and "no" in rest[-1].content, rest
    await client.cancel_agent_run("reader", "no-such-run")


async def team_runs(client):
    task = 'call helper {"task": "find it"}'
    output = await client.run_team("desk", task, session_id="t-1", user_id="u-1")
    assert (output.content, output.status) == ("done: echo: find it", RunStatus.completed), output
    assert (output.team_id, output.team_name) == ("desk", "desk"), output
    member = output.member_responses[0]
    assert (member.agent_id, member.content) == ("helper", "echo: find it"), member
    assert member.parent_run_id == output.run_id, member
    events = await all_of(client.run_team_stream("desk", task))
    seen = names(events)
    assert seen[0] == "TeamRunStarted" and seen[-1] == "TeamRunCompleted", seen
    assert {"TeamToolCallStarted", "TeamToolCallCompleted", "TeamRunContent"} <= set(seen), seen
    assert {"RunStarted", "RunContent", "RunCompleted"} <= set(seen), seen
    members = [event for event in events if not event.event.startswith("Team")]
    leader = [event for event in events if event.event.startswith("Team")]
    assert {event.agent_id for event in members} == {"helper"}, members
    assert {event.team_id for event in leader} == {"desk"}, leader
    assert {event.parent_run_id for event in members} == {leader[0].run_id}, members
    paused = await client.run_team("desk", 'call critic {"task": "judge"}')
    assert paused.is_paused and paused.requirements, paused
    paused.requirements[0].confirm()
    done = await client.continue_team_run("desk", paused.run_id, paused.requirements)
    assert done.content == "done: echo: judge", done
    paused = await client.run_team("desk", 'call critic {"task": "judge"}')
    paused.requirements[0].confirm()
    stream = client.continue_team_run_stream("desk", paused.run_id, paused.requirements)
    assert names(await all_of(stream))[-1] == "TeamRunCompleted"
    await client.cancel_team_run("desk", "no-such-run")
    assert await refused(client.run_team("helper", "x"), 404) == "Team not found"


async def sessions(client):
    made = await client.create_session(
        SessionType.WORKFLOW, session_id="w-1", user_id="u-9", session_name="First",
        session_state={"n": 1, "m": 2}, workflow_id="greeting",
    )
    assert (made.session_id, made.session_name, made.workflow_id) == ("w-1", "First", "greeting")
    assert made.session_state == {"n": 1, "m": 2}, made
    again = client.create_session(
        SessionType.WORKFLOW, session_id="w-1", workflow_id="greeting"
    )
    assert "already exists" in await refused(again, 409)
    agent = await client.create_session(SessionType.AGENT, agent_id="helper")
    assert agent.agent_id == "helper" and agent.agent_session_id == agent.session_id, agent
    team = await client.create_session(SessionType.TEAM, team_id="desk")
    assert team.team_id == "desk", team
    for nth in range(2, 5):
        await client.create_session(
            SessionType.WORKFLOW, session_id=f"w-{nth}", user_id="u-9",
            session_name=f"Name {nth}", workflow_id="greeting",
        )
    page = await client.get_sessions(
        SessionType.WORKFLOW, user_id="u-9", limit=3, page=1, sort_by="session_name",
        sort_order="asc",
    )
    assert [it.session_name for it in page.data] == ["First", "Name 2", "Name 3"], page
    assert (page.meta.total_count, page.meta.total_pages) == (4, 2), page
    assert page.data[0].session_state == {"n": 1, "m": 2}, page.data[0]
    page = await client.get_sessions(user_id="u-9", limit=3, page=2, sort_order="asc")
    assert [it.session_id for it in page.data] == ["w-4"], page
    found = await client.get_sessions(session_name="ame 3", component_id="greeting")
    assert [it.session_id for it in found.data] == ["w-3"], found
    assert (await client.get_sessions(component_id="nothing")).data == []
    await refused(client.get_sessions(limit=0), 422)
    await refused(client.get_sessions(db_id="nothing"), 404)

    run = await client.run_workflow("greeting", "Ada", session_id="w-1", user_id="u-9")
    second = await client.run_workflow("greeting", "Bo", session_id="w-1", user_id="u-9")
    runs = await client.get_session_runs("w-1")
    assert [it.run_input for it in runs] == ["Ada", "Bo"], runs
    assert runs[0].events and runs[0].status == "COMPLETED", runs[0]
    one = await client.get_session_run("w-1", second.run_id)
    assert (one.run_id, one.content) == (second.run_id, "Bye, Hello Bo!"), one
    assert await client.get_session_runs("w-1", status=["paused", "error"]) == []
    assert len(await client.get_session_runs("w-1", status=["completed"], created_after=1)) == 2
    assert await client.get_session_runs("w-1", created_before=1) == []
    await refused(client.get_session_runs("w-1", status=["BOGUS"]), 400)
    await refused(client.get_session_runs("nothing"), 404)
    await refused(client.get_session_run("w-1", "nothing"), 404)
    previews = await client.aget_session_run_previews("w-1")
    assert [it.run_id for it in previews] == [run.run_id, second.run_id], previews
    assert client.get_session_run_previews("w-1")[0].run_input == "Ada"
    detail = await client.get_session("w-1")
    assert detail.workflow_name == "Greeting" and detail.user_id == "u-9", detail
    assert (await client.get_session("w-1", SessionType.WORKFLOW)).session_id == "w-1"
    missing = await refused(client.get_session("w-1", SessionType.TEAM), 404)
    assert missing == "Team Session with id 'w-1' not found", missing
    await refused(client.get_session("w-1", user_id="u-1"), 404)

    await client.run_agent("helper", "hi", session_id=agent.session_id)
    talk = await client.get_session(agent.session_id)
    assert [message["role"] for message in talk.chat_history] == ["user", "assistant"], talk
    assert talk.total_tokens == 10, talk
    assert (await client.get_session_runs(agent.session_id))[0].agent_id == "helper"
    await client.run_team("desk", "hi", session_id=team.session_id)
    assert (await client.get_session_runs(team.session_id))[0].team_id == "desk"
    assert (await client.get_session(team.session_id)).chat_history, "of the team"
    listed = await client.run_workflow("list", "x", session_id="w-list")
    assert (await client.get_session_runs("w-list"))[0].content == "[1,2]", listed

    renamed = await client.rename_session("w-2", "Other")
    assert renamed.session_name == "Other", renamed
    await refused(client.rename_session("nothing", "Other"), 404)
    changed = await client.update_session("w-1", session_state={"n": 5}, session_name="Changed")
    assert (changed.session_state, changed.session_name) == ({"n": 5}, "Changed"), changed
    await client.delete_session("w-3")
    await refused(client.get_session("w-3"), 404)
    await client.delete_session("w-3")
    types = [SessionType.WORKFLOW] * 2
    await client.delete_sessions(["w-2", "w-4"], types)
    left = await client.get_sessions(SessionType.WORKFLOW, user_id="u-9")
    assert [it.session_id for it in left.data] == ["w-1"], left
    await refused(client.delete_sessions(["w-1", "w-2"], types[:1]), 400)


async def memories(client):
    config = await client.aget_config()
    assert config.memory.dbs[0].db_id == config.session.dbs[0].db_id, config.memory
    tea = await client.create_memory("Drinks tea.", user_id="u-7", topics=["food", "drinks"])
    assert (tea.memory, tea.user_id, tea.topics) == ("Drinks tea.", "u-7", ["food", "drinks"]), tea
    assert tea.updated_at is not None
    train = await client.create_memory("Travels by train.", user_id="u-7", topics=["travel"])
    car = await client.create_memory("Travels by car.", user_id="u-8")
    page = await client.list_memories(user_id="u-7", limit=1, sort_by="memory", sort_order="asc")
    assert ([it.memory for it in page.data], page.meta.total_count) == (["Drinks tea."], 2), page
    some = await client.list_memories(user_id="u-7", topics=["travel", "none"])
    assert [it.memory_id for it in some.data] == [train.memory_id], some
    found = await client.list_memories(search_content="by car")
    assert [it.memory_id for it in found.data] == [car.memory_id], found
    assert (await client.get_memory(tea.memory_id)).memory == "Drinks tea."
    await refused(client.get_memory(tea.memory_id, user_id="u-8"), 404)
    changed = await client.update_memory(tea.memory_id, "Drinks coffee.", "u-7", topics=["food"])
    assert (changed.memory_id, changed.topics) == (tea.memory_id, ["food"]), changed
    assert await client.get_memory_topics(user_id="u-7") == ["food", "travel"]
    stats = await client.get_user_memory_stats(user_id="u-7")
    assert [(it.user_id, it.total_memories) for it in stats.data] == [("u-7", 2)], stats
    await client.delete_memory(train.memory_id, user_id="u-7")
    await client.delete_memories([tea.memory_id, car.memory_id], user_id="u-7")
    left = await client.list_memories()
    assert [it.memory_id for it in left.data] == [car.memory_id], left


async def files(client):
    image = Image(content=b"\x89PNG", mime_type="image/png")
    text = File(content=b"a,b", filename="a.csv", mime_type="text/csv")
    raw = File(content=b"\x00\xff", filename="a.pdf", mime_type="application/pdf")
    sound = Audio(content=b"RIFF", format="wav")
    media = {"images": [image], "files": [text, raw], "audio": [sound]}
    output = await client.run_workflow("greeting", "Ada", **media)
    assert output.status == RunStatus.completed, output
    # The model gets the image.
    seen = await client.run_agent("helper", "look", images=[image])
    assert seen.content == "echo: look image_url", seen
    url = f"{client.base_url}/agents/helper/runs"
    async with httpx.AsyncClient() as raw_client:
        # agent-ui sends multipart forms with parts that are files.
        sent = await raw_client.post(
            url, data={"message": "look", "stream": "false"},
            files={"files": ("a.png", b"\x89PNG", "image/png")},
        )
        assert sent.json()["content"] == "echo: look image_url", sent.text
    bad = client.run_workflow("greeting", "x", input_files="no JSON")
    await refused(bad, 422)


async def remotes(client):
    url = client.base_url
    workflow = RemoteWorkflow(base_url=url, workflow_id="greeting")
    assert (workflow.name, workflow.description) == ("Greeting", "Greets.")
    assert workflow.db is not None and workflow.db.session_table_name == "sessions", workflow.db
    output = await workflow.arun("Ada", additional_data={"a": 1})
    assert output.content == "Bye, Hello Ada!", output
    events = await all_of(workflow.arun("Ada", stream=True))
    assert names(events)[-1] == "WorkflowCompleted"
    publish = RemoteWorkflow(base_url=url, workflow_id="publish")
    paused = await publish.arun("news")
    paused.step_requirements[0].confirm()
    done = await publish.acontinue_run(paused)
    assert done.content == "published news", done
    assert await publish.acancel_run("no-such-run") is True
    agent = RemoteAgent(base_url=url, agent_id="helper")
    assert (agent.name, agent.description) == ("helper", "Helps.")
    assert (await agent.arun("hi")).content == "echo: hi"
    assert names(await all_of(agent.arun("hi", stream=True)))[-1] == "RunCompleted"
    reader = RemoteAgent(base_url=url, agent_id="reader")
    paused = await reader.arun('call read_file {"path": "note.txt"}')
    paused.requirements[0].confirm()
    done = await reader.acontinue_run(paused.run_id, requirements=paused.requirements)
    assert "a note" in done.content, done
    team = RemoteTeam(base_url=url, team_id="desk")
    assert team.name == "desk"
    assert (await team.arun("hi")).content == "echo: hi"
    assert names(await all_of(team.arun("hi", stream=True)))[-1] == "TeamRunCompleted"
    assert await team.acancel_run("no-such-run") is True
    gone = AgentOSClient("http://127.0.0.1:9")
    try:
        await gone.aget_config()
    except RemoteServerUnavailableError:
        pass
    else:
        raise AssertionError("nothing listens there")


async def metrics(client):
    days = await client.get_metrics()
    assert days.updated_at is not None and len(days.metrics) >= 1, days
    day = days.metrics[-1]
    assert day.workflow_runs_count > 5 and day.agent_runs_count > 1 and day.team_runs_count > 1
    assert day.token_metrics["total_tokens"] > 0 and day.users_count >= 2, day
    assert {it["model_id"] for it in day.model_metrics} == {"m"}, day
    assert (await client.get_metrics(ending_date=day.date.replace(year=2000))).metrics == []
    assert len(await client.refresh_metrics()) >= 1
    assert (await client.refresh_metrics(background=True)).status == "completed"
    assert (await client.get_metrics_refresh_status()).status == "idle"


async def auth(command, files_of, model_url):
    def key(role, *more):
        made = subprocess.run(
            [command, "keys", "create", "test", "--role", role, *more],
            capture_output=True, text=True, check=True,
        )
        return made.stdout.strip()

    admin, viewer = key("admin"), key("viewer")
    anna, ben = key("admin", "--user", "anna"), key("admin", "--user", "ben")
    with served(command, files_of, model_url) as url:
        client = AgentOSClient(url)

        def bearer(token):
            return {"Authorization": f"Bearer {token}"}

        assert await refused(client.aget_config(), 401) == "Authorization header required"
        wrong = await refused(client.aget_config(headers=bearer("sw_no")), 401)
        assert wrong == "Invalid authentication token", wrong
        assert (await client.aget_config(headers=bearer(viewer))).workflows
        await refused(client.run_workflow("greeting", "x", headers=bearer(viewer)), 403)
        workflow = RemoteWorkflow(base_url=url, workflow_id="greeting")
        assert (await workflow.arun("Ada", auth_token=admin)).content == "Bye, Hello Ada!"
        events = await all_of(workflow.arun("Ada", stream=True, auth_token=admin))
        assert names(events)[-1] == "WorkflowCompleted"
        assert await workflow.acancel_run("r", auth_token="sw_no") is False
        hers = await client.run_workflow("greeting", "x", headers=bearer(anna))
        assert hers.user_id == "anna", hers
        await refused(client.get_session(hers.session_id, headers=bearer(ben)), 404)
        page = await client.get_sessions(headers=bearer(ben))
        assert page.data == [], page
        await client.delete_session(hers.session_id, headers=bearer(ben))
        kept = await client.get_session(hers.session_id, headers=bearer(anna))
        assert kept.session_id == hers.session_id, kept


SCENARIOS = [
    discovery, workflow_runs, workflow_streams, background, continuing, agent_runs, team_runs,
    sessions, memories, files, remotes, metrics,
]


async def went_well(name, scenario):
    """Runs a scenario. A failure is told, and the next one runs all the same."""
    try:
        await scenario
    except Exception:
        traceback.print_exc()
        return False
    print("ok", name, flush=True)
    return True


async def main(command, files_of):
    well = True
    with model() as model_url:
        with served(command, files_of, model_url) as url:
            for scenario in SCENARIOS:
                well &= await went_well(scenario.__name__, scenario(AgentOSClient(url)))
        well &= await went_well("auth", auth(command, files_of, model_url))
    sys.exit(0 if well else 1)


asyncio.run(main(sys.argv[1], sys.argv[2:]))
