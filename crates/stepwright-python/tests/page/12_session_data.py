# Get session by ID
session = workflow.get_session(session_id="my-session-123")

# Get session state
state = workflow.get_session_state(session_id="my-session-123")

# Get session metrics
metrics = workflow.get_session_metrics(session_id="my-session-123")
