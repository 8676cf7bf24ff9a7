from stepwright import Workflow

# Enable streaming
response_stream = workflow.run(
    input="Write about AI trends",
    stream=True,
)

# Process events as they arrive
for event in response_stream:
    if event.content:
        print(event.content, end="", flush=True)
