print(run_output.content, last_output == run_output)
