# A team in two modes, as a step, as a tool and as a member.
from stepwright import Agent, Step, Team, Workflow

facts = Agent("Researcher", instructions="Find facts.", description="Finds facts.")
style = Agent("Editor", instructions="Edit.", description="Edits texts.")

desk = Team("Desk", [facts, style], mode="collaborate", instructions="Answer.")
output = Workflow("News", [Step("Report", team=desk)]).run("ants")
print(output.status, output.content)
run = output.step_executor_runs[0]
print(sorted({event.step_id for event in desk.run("bees", stream=True, stream_events=True)
              if event.event == "RunStarted"}))

routed = Team("Front", [(facts, "Knows facts."), (desk, "Knows all.")], mode="route")
print(routed.run("Which?").content)

leader = Agent("Boss", tools=[desk])
print([turn["tool"]["name"] for turn in leader.run("ants").step_executor_runs[0]["turns"] if "tool" in turn])
try:
    Team("Empty", []).run("x")
except ValueError as error:
    print(str(error).splitlines()[0])
