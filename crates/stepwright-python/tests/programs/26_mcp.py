# An agent with the tools of an MCP server, which is a program.
import pathlib
import sys

from stepwright import Agent, McpServer, Workflow

pathlib.Path("server.py").write_text(
    """
import json, sys
TOOL = {"name": "shout", "description": "Shouts.", "inputSchema": {
    "type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}}
for line in sys.stdin:
    request = json.loads(line)
    if "id" not in request:
        continue
    method, given = request["method"], request.get("params") or {}
    if method == "initialize":
        result = {"protocolVersion": given["protocolVersion"], "capabilities": {"tools": {}},
                  "serverInfo": {"name": "shouter", "version": "1"}}
    elif method == "tools/list":
        result = {"tools": [TOOL]}
    elif method == "tools/call":
        text = given["arguments"]["text"].upper()
        result = {"content": [{"type": "text", "text": text}]}
    else:
        result = {}
    print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}), flush=True)
"""
)
shouter = McpServer("shouter", [sys.executable, "server.py"], timeout=20)
agent = Agent("Clerk", tools=[shouter])
for _ in range(2):
    output = Workflow("Shout", [agent]).run("ants")
    print([(t["tool"]["name"], t["tool"]["text"]) for t in output.step_executor_runs[0]["turns"] if "tool" in t])
try:
    McpServer("nothing")
except ValueError as error:
    print(error)
