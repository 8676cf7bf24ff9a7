# After Agno's cookbook, "early stop": a security check ends the run ahead of the deployment.
from stepwright import Step, StepInput, StepOutput, Workflow


def scan(step_input: StepInput) -> StepOutput:
    if "password" in step_input.input:
        return StepOutput(content="a password is in the code", stop=True)
    return StepOutput(content="clean")


def deploy(step_input: StepInput) -> str:
    return f"deployed, {step_input.previous_step_content}"


workflow = Workflow("Deploy", [Step("Scan", executor=scan), Step("Deploy", executor=deploy)])
for code in ("x = 1", "password = 'x'"):
    output = workflow.run(code)
    print(output.status, len(output.step_results), output.content)
