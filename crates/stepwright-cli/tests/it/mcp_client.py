"""Talks to `stepwright mcp` with the Python SDK, and prints what it sees."""

import asyncio
import json
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import ElicitResult

answers = []


async def elicit(context, params):
    answers.append(params.message)
    return ElicitResult(action="accept", content={"decision": "approve"})


async def progress(value, total, message):
    print("progress", message)


async def talk(session):
    await session.initialize()
    tools = (await session.list_tools()).tools
    print("tools", " ".join(sorted(tool.name for tool in tools)))
    for name, arguments in json.loads(sys.argv[2]):
        result = await session.call_tool(name, arguments, progress_callback=progress)
        failed = getattr(result, "is_error", None) or getattr(result, "isError", None)
        text = " ".join(getattr(block, "text", "") for block in result.content)
        print("failed" if failed else "result", name, text.replace("\n", " "))
    for message in answers:
        print("asked", message)


async def main():
    kind, target = sys.argv[1].split("=", 1)
    asks = elicit if "--no-elicitation" not in sys.argv else None
    if kind == "stdio":
        command = json.loads(target)
        parameters = StdioServerParameters(command=command[0], args=command[1:])
        async with stdio_client(parameters) as streams:
            async with ClientSession(*streams[:2], elicitation_callback=asks) as session:
                await talk(session)
    else:
        from mcp.client.streamable_http import streamable_http_client

        async with streamable_http_client(target) as streams:
            async with ClientSession(*streams[:2], elicitation_callback=asks) as session:
                await talk(session)


asyncio.run(main())
