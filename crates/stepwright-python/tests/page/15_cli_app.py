# Start CLI mode
workflow.cli_app(
    session_id="cli-session",
    user="User",
    emoji="🤖",
    stream=True,
    show_step_details=True,
)
