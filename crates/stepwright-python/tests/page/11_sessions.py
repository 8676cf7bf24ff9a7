# First run - creates new session
response1 = workflow.run(
    input="Research AI trends",
    session_id="my-session-123",
    user_id="user-456",
)

# Second run - continues same session
response2 = workflow.run(
    input="Now write about the findings",
    session_id="my-session-123",
    user_id="user-456",
)
