# What an agent keeps: summaries of sessions, and long conversations that are made short.
from stepwright import Agent, Compaction, InMemoryDb, SessionSummary, Step, Workflow

friend = Agent("Friend", session_summary=SessionSummary(every=1))
workflow = Workflow("Talk", [friend], db=InMemoryDb(), session_id="s-1")
for text in ("I like ants.", "What do I like?"):
    events = list(workflow.run(text, stream=True, stream_events=True))
    print([event.event for event in events if "Summary" in event.event])
print(sorted(workflow.get_session_state()))


reader = Agent("Reader", compaction=Compaction(1000, by="clear_tool_results", keep=1))
print(Workflow("Read", [reader]).run("ants").content)
careful = Agent("Careful", instructions=lambda step_input: f"It is about {step_input.text}.",
                examples=[("It broke.", "negative")], max_turns=3)
events = Workflow("Care", [Step("Answer", agent=careful)]).run("ants", stream=True, stream_events=True)
print([event.event for event in events if event.event == "ContextAdded"])
