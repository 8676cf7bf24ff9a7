# After Agno's cookbook, "sequence of steps": a researcher, then a writer, in one session.
from stepwright import Agent, DuckDuckGoTools, SqliteDb, Step, Workflow

researcher = Agent("Researcher", tools=[DuckDuckGoTools()], instructions="Find the key facts of a topic.")
writer = Agent("Writer", instructions=["Write a post from the facts.", "Keep it short."])
workflow = Workflow(
    "Blog Post",
    [Step("Research", agent=researcher, max_retries=1), Step("Write", agent=writer)],
    db=SqliteDb("blog.db"),
    session_id="blog",
)
output = workflow.run("ants")
for result in output.step_results:
    print(result.step_name, "|", result.content)
print(output.metrics.to_dict()["model_calls"], len(workflow.runs()))
