# Get specific run by ID
run_output = workflow.get_run(run_id="run-xyz-123")

# Get the last run output
last_output = workflow.get_last_run_output()
