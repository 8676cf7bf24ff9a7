from stepwright import WorkflowRunEvent

async def process_workflow():
    response_stream = workflow.arun(
        input="Your message",
        stream=True,
        stream_events=True,
    )

    async for event in response_stream:
        match event.event:
            case WorkflowRunEvent.workflow_started.value:
                print(f"Started workflow: {event.workflow_name}")

            case WorkflowRunEvent.step_started.value:
                print(f"  Step: {event.step_id}")

            case WorkflowRunEvent.step_completed.value:
                print(f"  Completed: {event.step_id}")

            case WorkflowRunEvent.workflow_completed.value:
                print(f"Workflow finished!")

            case _:
                if event.content:
                    print(event.content, end="")
