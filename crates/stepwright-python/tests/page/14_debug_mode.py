# Enable for a specific run
response = workflow.run(
    input="Your message",
    debug_mode=True,
)

# See detailed execution logs
