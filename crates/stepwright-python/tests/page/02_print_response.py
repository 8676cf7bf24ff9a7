# Prints formatted output to terminal
workflow.print_response(
    input="Write about AI trends",
    markdown=True,
)
