# Images, videos, audio and files go into runs, through steps, and out again.
from stepwright import Agent, Audio, File, Image, Step, StepInput, StepOutput, Video, Workflow

PIXEL = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c020000000b"
                      "4944415478da6364f80f00010501012718e3660000000049454e44ae426082")


def look(step_input: StepInput) -> StepOutput:
    kinds = sorted(medium["kind"] for medium in step_input.media)
    return StepOutput(content=kinds, images=[Image(content=PIXEL, mime_type="image/png")])


def see(step_input: StepInput) -> StepOutput:
    return StepOutput(content=[medium["kind"] for medium in step_input.media],
                      files=[File("https://example.org/report.pdf", name="report")])


workflow = Workflow("Media", [Step("Look", executor=look), Step("See", executor=see)])
output = workflow.run(
    "what is it?",
    images=[Image(content=PIXEL, mime_type="image/png")],
    videos=[Video("https://example.org/a.mp4")],
    audio=[Audio("https://example.org/a.mp3")],
    files=["https://example.org/a.pdf"],
)
print(output.step_results[0].content, output.content)
print([(file["name"], file["source"]) for file in output.files])
shown = Workflow("Show", [Agent("Eye")]).run("What is it?", images=[Image(content=PIXEL, mime_type="image/png")])
print(shown.content)
try:
    Image("https://example.org/a.png", filepath="a.png")
except ValueError as error:
    print(error)
