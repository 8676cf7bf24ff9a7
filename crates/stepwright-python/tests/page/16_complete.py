import asyncio
from stepwright import Agent
from stepwright import Workflow, Step
from stepwright import PostgresDb
from stepwright import DuckDuckGoTools
from stepwright import WorkflowRunEvent

# Define agents
researcher = Agent(
    name="Researcher",
    tools=[DuckDuckGoTools()],
    instructions="Research thoroughly.",
)

writer = Agent(
    name="Writer",
    instructions="Write engaging content.",
)

# Build workflow
workflow = Workflow(
    name="Content Pipeline",
    steps=[
        Step(name="Research", agent=researcher),
        Step(name="Write", agent=writer),
    ],
    db=PostgresDb("postgresql+psycopg://user:pass@localhost/db"),
)

async def main():
    print("=== Async Streaming Example ===\n")

    response_stream = workflow.arun(
        input="Latest developments in quantum computing",
        stream=True,
        stream_events=True,
        session_id="demo-session",
        user_id="user-123",
    )

    async for event in response_stream:
        if event.event == WorkflowRunEvent.step_started.value:
            print(f"\n[{event.step_id}] Starting...")
        elif event.event == WorkflowRunEvent.step_completed.value:
            print(f"\n[{event.step_id}] Done!")
        elif event.content:
            print(event.content, end="", flush=True)

    print("\n\n=== Execution Complete ===")

    # Get session metrics
    metrics = workflow.get_session_metrics(session_id="demo-session")
    print(f"Total duration: {metrics.duration}s")

if __name__ == "__main__":
    asyncio.run(main())
