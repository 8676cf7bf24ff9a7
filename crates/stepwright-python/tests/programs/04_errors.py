# What a step raises is the cause; the path of the step, the code and the partial result are there.
import traceback

from stepwright import Step, StepError, Steps, StepOutput, TerminalError, Workflow

attempts = []


def trim(text: str) -> str:
    return text.strip()


def charge(text: str) -> str:
    attempts.append(text)
    amount = int(text)
    return f"charged {amount}"


workflow = Workflow("Pay", [trim, Steps("Order", Step("Charge", executor=charge, max_retries=1, backoff=0))])
try:
    workflow.run(" ten ")
except StepError as error:
    print(error)
    print(error.step, error.code, error.attempts, type(error.__cause__).__name__)
    print(error.output.step_results[0].content, len(attempts))
    text = traceback.format_exc()
    print("amount = int(text)" in text, "in charge" in text)


def closed(text: str) -> str:
    raise TerminalError("the account is closed")


def refused(text: str) -> StepOutput:
    return StepOutput(success=False, error="no money")


for function in (closed, refused):
    attempts.clear()
    step = Step("Pay", executor=function, max_retries=2, backoff=0)
    try:
        Workflow("Pay", [step]).run("1")
    except StepError as error:
        print(error, "|", error.attempts)

skipping = Workflow("Pay", [trim, Step("Charge", executor=charge, skip_on_failure=True)])
output = skipping.run(" ten ")
print(output.status, output.content, output.step_results[1].status)
