# Outputs, events and errors can be pickled.
import pickle

from stepwright import StepError, Workflow


def greet(name: str) -> dict:
    return {"hello": name}


def fail(name: str) -> str:
    raise ValueError(name)


workflow = Workflow("Greeting", [greet], store_events=True)
output = workflow.run("Ada")
again = pickle.loads(pickle.dumps(output))
print(again == output, again.content, again.status, len(again.events) == len(output.events))
event = pickle.loads(pickle.dumps(output.events[0]))
print(event == output.events[0], event.event, event.workflow_name)
print(pickle.loads(pickle.dumps(output.step_results)) == output.step_results)
try:
    Workflow("Failing", [fail]).run("Ada")
except StepError as error:
    again = pickle.loads(pickle.dumps(error))
    print(again, again.step, again.code == error.code)
