workflow.run(input="Research AI trends", run_id="run-xyz-123")
