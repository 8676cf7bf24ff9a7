# Workers of gunicorn, each with runs of its own.
import os
import pathlib
import subprocess
import sys
import time
import urllib.request

pathlib.Path("served.py").write_text(
    """
from stepwright import Step, Workflow

def greet(name: str) -> str:
    return f"Hello {name}"

workflow = Workflow("G", [Step("Greet", executor=greet)])

def app(environ, start_response):
    text = workflow.run(environ["QUERY_STRING"]).content
    start_response("200 OK", [("content-type", "text/plain")])
    return [text.encode()]
"""
)
command = [sys.executable, "-m", "gunicorn", "-w", "2", "-b", "unix:served.sock", "served:app"]
log = open("served.log", "w")
server = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": "."})


def asked(name: str) -> str:
    import http.client
    import socket

    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect("served.sock")
    connection.request("GET", f"/?{name}")
    return connection.getresponse().read().decode()


while not pathlib.Path("served.sock").exists():
    assert server.poll() is None, pathlib.Path("served.log").read_text()
    time.sleep(0.05)
print({asked(name) for name in ("Ada", "Bob", "Ada", "Bob")} == {"Hello Ada", "Hello Bob"})
server.terminate()
print(server.wait(30))
