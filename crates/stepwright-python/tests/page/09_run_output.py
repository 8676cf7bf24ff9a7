response = workflow.run(input="Your message")

# Access response data
print(response.content)           # Final output content
print(response.workflow_id)       # Workflow identifier
print(response.workflow_name)     # Workflow name
print(response.run_id)            # Unique run identifier
print(response.session_id)        # Session UUID
print(response.status)            # Run status
print(response.created_at)        # Timestamp
