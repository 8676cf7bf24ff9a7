from stepwright import WorkflowRunEvent

response_stream = workflow.run(
    input="Write about AI trends",
    stream=True,
    stream_events=True,  # Include detailed events
)

for event in response_stream:
    if event.event == WorkflowRunEvent.workflow_started.value:
        print("Workflow started!")
    elif event.event == WorkflowRunEvent.step_started.value:
        print(f"Step started: {event.step_id}")
    elif event.event == WorkflowRunEvent.step_completed.value:
        print(f"Step completed: {event.step_id}")
    elif event.event == WorkflowRunEvent.workflow_completed.value:
        print("Workflow completed!")
    elif event.content:
        print(event.content, end="")
