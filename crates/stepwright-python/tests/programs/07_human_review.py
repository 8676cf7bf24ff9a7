# A run waits for a person, and goes on in another workflow object with the same store.
from stepwright import SqliteDb, Step, Workflow


def publish(text: str) -> str:
    return f"published {text}"


def made() -> Workflow:
    step = Step("Publish", executor=publish, requires_confirmation=True)
    return Workflow("Blog", [step], db=SqliteDb("blog.db"))


output = made().run("ants", run_id="r-1")
print(output.status, output.requirements[0]["id"], output.requirements[0]["message"])
output = made().continue_run("r-1", {"Publish!confirm": True}, answered_by="ada")
print(output.status, output.content)

output = made().run("bees", run_id="r-2")
print(made().cancel_run("r-2"), made().get_run("r-2").status)
print(made().get_run("r-3"), made().get_last_run_output().run_id)
