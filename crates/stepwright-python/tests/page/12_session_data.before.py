workflow.run(input="Research AI trends", session_id="my-session-123", session_state={"n": 1})
