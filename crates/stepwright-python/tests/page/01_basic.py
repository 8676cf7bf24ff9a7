from stepwright import Workflow

workflow = Workflow(
    name="My Workflow",
    steps=[research_agent, writer_agent],
)

# Run and get complete response
response = workflow.run(input="Write about AI trends")

# Access the output
print(response.content)
print(f"Run ID: {response.run_id}")
print(f"Status: {response.status}")
