# The page defines the function, and does not call it.
import asyncio as _asyncio

_asyncio.run(process_workflow())
