# A notebook awaits at its top level, and shows outputs as Markdown.
import ast
import asyncio
import re

CELLS = [
    "from stepwright import Workflow",
    "async def web(text: str): return f'the web about {text}'\n"
    "async def archive(text: str): return f'the archive about {text}'",
    "workflow = Workflow('Facts', [web, archive])",
    "output = await workflow.arun('ants')",
    "pieces = [event.event async for event in workflow.arun('bees', stream=True)]",
    "await workflow.aprint_response('ants', show_time=False)",
]


async def notebook() -> None:
    names: dict = {}
    for cell in CELLS:
        code = compile(cell, "<cell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        waiting = eval(code, names)
        if waiting is not None:
            await waiting
    print(names["output"]._repr_markdown_())
    print(names["pieces"])


asyncio.run(notebook())
