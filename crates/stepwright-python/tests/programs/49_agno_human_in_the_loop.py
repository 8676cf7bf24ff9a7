# After Agno's cookbook, "human in the loop": a person confirms, rejects with feedback, and routes.
from stepwright import Router, SqliteDb, Step, StepInput, Workflow

drafts = []


def draft(step_input: StepInput) -> str:
    drafts.append(step_input.content)
    return f"draft {len(drafts)}"


def send(text: str) -> str:
    return f"sent {text}"


def made() -> Workflow:
    return Workflow(
        "Mail",
        [
            Step("Draft", executor=draft, requires_output_review="Is it good?"),
            Router(
                "How?",
                None,
                [Step("Mail", executor=send), Step("Post", executor=lambda text: f"posted {text}")],
                human_review={"route_selection": "How shall it go out?"},
            ),
        ],
        db=SqliteDb("mail.db"),
    )


output = made().run("an offer", run_id="r-1")
asked = output.requirements[0]
print(asked["requires"], asked["message"], asked["output"]["content"])
output = made().continue_run("r-1", {asked["id"]: "make it shorter"})
asked = output.requirements[0]
print(asked["requires"], asked["output"]["content"])
output = made().continue_run("r-1", {asked["id"]: True})
asked = output.requirements[0]
print(asked["requires"], asked["choices"])
answer = {"decision": "select", "choices": ["Post"]}
print(made().continue_run("r-1", {asked["id"]: answer}, answered_by="ada").content)
