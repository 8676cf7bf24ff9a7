import asyncio
from stepwright import WorkflowRunEvent

async def main():
    response_stream = workflow.arun(
        input="Write about AI trends",
        stream=True,
        stream_events=True,
    )

    async for event in response_stream:
        if event.event == WorkflowRunEvent.step_started.value:
            print(f"\nStep: {event.step_id}")
        elif event.event == WorkflowRunEvent.step_completed.value:
            print(f" [Done]")
        elif event.content:
            print(event.content, end="")

asyncio.run(main())
