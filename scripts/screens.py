#!/usr/bin/env python3
"""Writes the screenshots of the documentation: real commands in a terminal emulator, as SVG files.

    scripts/screens.py               writes docs/screens
    scripts/screens.py --look DIR    writes every scene at 40, 80 and 200 columns, light, dark and without colour,
                                     and PNG files of them if `chromium` is installed
    scripts/screens.py --scene NAME  only this scene

It needs the command (`cargo build -p stepwright-cli`; another one is named by STEPWRIGHT), and installs `pyte`, the
emulator, below `target`. A model is played by a server of this script, which writes its words one by one.
"""

import argparse
import fcntl
import http.server
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PYTE = "pyte==0.8.2"
# The longest time until a text is seen.
PATIENCE = 60

try:
    import pyte
except ImportError:
    home = TARGET / "screens"
    if not (home / "installed").exists():
        print("Installing `pyte` below `target`.", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        subprocess.run([home / "bin/pip", "install", "--quiet", PYTE], check=True)
        (home / "installed").touch()
    os.execv(home / "bin/python", [home / "bin/python", *sys.argv])

sys.path.insert(0, str(ROOT / "scripts/screens"))
from svg import Screen, draw  # noqa: E402

ANSWERS = {
    "history": "The bridge was begun in 1928 and opened four years later. Fourteen hundred people worked on it, and "
               "the last rivet was driven on a Sunday in May.",
    "money": "It cost more than twice what was planned. The town paid for it with a loan over forty years, and every "
             "car paid a toll until 1971.",
    "summary": "# The bridge\n\nBuilt from **1928 to 1932** by 1400 people, for more than twice what was planned.\n\n"
               "| Year | Event |\n|---|---|\n| 1928 | begun |\n| 1932 | opened |\n| 1971 | the toll ends |\n",
    "visitors": "It is **518 metres** long:\n\n- 40 000 cars cross it each day\n- it is painted every nine years\n",
}


class Model(http.server.BaseHTTPRequestHandler):
    """The chat of Ollama. It chooses an answer by the instructions."""

    # Two thirds of an answer are written before it waits for `hold`; then `held` is set.
    hold, held = threading.Event(), threading.Event()

    def log_message(self, *_):
        pass

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or "{}")
        said = next((text for word, text in ANSWERS.items() if word in json.dumps(asked)), "I do not know.")
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.end_headers()
        words = re.findall(r"\S+\s*", said)
        for nth, word in enumerate(words):
            if nth == len(words) * 2 // 3:
                self.held.set()
                self.hold.wait(PATIENCE)
            time.sleep(0.02)
            self.line({"message": {"role": "assistant", "content": word}, "done": False})
        self.line({"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop",
                   "prompt_eval_count": 120, "eval_count": len(words)})

    def line(self, value):
        try:
            self.wfile.write(json.dumps({"model": "scripted", **value}).encode() + b"\n")
            self.wfile.flush()
        except OSError:
            pass


class Terminal:
    """A command at a terminal of this size."""

    def __init__(self, folder, columns, rows, colour, address):
        self.folder, self.columns, self.colour, self.address = folder, columns, colour, address
        self.screen = Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.child = self.fd = None

    def start(self, line):
        environment = {"PATH": f"{self.folder}/bin:/usr/bin:/bin", "HOME": str(self.folder), "TERM": "xterm-256color",
                       "LANG": "C.UTF-8", "OLLAMA_HOST": self.address, "STEPWRIGHT_DB": str(self.folder / "runs.db")}
        if not self.colour:
            environment["NO_COLOR"] = "1"
        self.child, self.fd = pty.fork()
        if self.child == 0:
            os.chdir(self.folder)
            os.execve("/bin/sh", ["sh", "-c", f"stty cols {self.columns} rows {self.screen.lines}; exec {line}"],
                      environment)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", self.screen.lines, self.columns, 0, 0))
        self.feed(f"\x1b[2m$\x1b[0m {line}\r\n".encode())

    def feed(self, data):
        self.stream.feed(data)

    def read(self, seconds):
        """Takes in what comes within this time. False if the command has ended."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        # Programs ask where the cursor stands before they read a line.
        if b"\x1b[6n" in data:
            self.feed(data)
            os.write(self.fd, f"\x1b[{self.screen.cursor.y + 1};{self.screen.cursor.x + 1}R".encode())
            return True
        self.feed(data)
        return bool(data)

    def until(self, text):
        """Waits until this text is seen, spaces and line breaks aside."""
        bare = re.sub(r"[\s│]", "", text)
        ends = time.monotonic() + PATIENCE
        while bare not in re.sub(r"[\s│]", "", "".join(self.screen.display)):
            if time.monotonic() > ends or not self.read(0.1):
                shown = "\n".join(self.screen.text_rows())
                raise SystemExit(f"error: `{text}` was not seen in:\n{shown}")
        # The rest of the same frame. A live tree is never silent.
        self.watch(0.4)

    def watch(self, seconds):
        """Takes in what comes during this time."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            self.read(0.1)

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self):
        """Reads until the command has ended."""
        ends = time.monotonic() + PATIENCE
        while self.read(0.1):
            if time.monotonic() > ends:
                raise SystemExit("error: the command does not end")
        os.waitpid(self.child, 0)
        os.close(self.fd)
        self.child = None

    def run(self, line):
        self.start(line)
        self.end()

    def stop(self):
        if self.child:
            os.kill(self.child, signal.SIGKILL)
            os.waitpid(self.child, 0)
            os.close(self.fd)
            self.child = None


def live(at):
    Model.hold.clear()
    Model.held.clear()
    (at.folder / "busy").touch()
    at.start("stepwright run bridge.yaml --run-id r-7 --allow-shell")
    at.until("attempt 2")
    Model.held.wait(PATIENCE)
    at.watch(1)
    return "A run of three branches: two write at the same time, one is tried again"


def prepared(at):
    """A run that has come to its question, and left it."""
    hidden = Terminal(at.folder, 100, 60, False, at.address)
    Model.hold.set()
    hidden.start("stepwright run bridge.yaml --run-id r-7 --allow-shell")
    hidden.until("y/n")
    hidden.type("\x04")
    hidden.end()
    hidden.run("stepwright run talk.yaml 'How long is it?' --run-id r-8 --user-id ada")
    hidden.start("stepwright run fails.yaml --allow-shell --run-id r-9")
    hidden.end()


def question(at):
    Model.hold.set()
    at.start("stepwright run bridge.yaml --run-id r-7 --allow-shell")
    at.until("y/n")
    return "A run that asks a question at the terminal"


def stream(at):
    Model.hold.set()
    at.start("stepwright run bridge.yaml --run-id r-7 --allow-shell --stream")
    at.until("y/n")
    at.type("y\r")
    at.end()
    return "A run with --stream: a panel for each step"


def show(at):
    prepared(at)
    at.run("stepwright show r-7")
    return "A stored run that waits for an answer"


def runs(at):
    prepared(at)
    at.run("stepwright runs")
    at.run("stepwright show r-9")
    at.run("stepwright sessions")
    return "The stored runs"


def top(at):
    prepared(at)
    at.start("stepwright top")
    at.until("Ctrl-C leaves")
    return "All runs, redrawn each second"


def explain(at):
    prepared(at)
    at.run("stepwright explain r-9")
    at.run("stepwright explain SW0101")
    return "A run explained"


def check(at):
    at.run("stepwright check broken.yaml")
    return "The mistakes in a file, each with its line"


def chat(at):
    Model.hold.set()
    at.start("stepwright chat talk.yaml --no-history --session-id s-1")
    at.until("You ›")
    at.type("How long is it?\r")
    at.until("nine years")
    at.until("You ›")
    at.type("/stats\r")
    at.until("did you mean")
    at.type("/help\r")
    at.until("These words quit")
    return "A conversation with commands"


SCENES = {scene.__name__: scene for scene in (live, question, stream, show, runs, top, explain, check, chat)}
# The pictures of the documentation.
DOCUMENTED = ["live", "check"]


def picture(scene, columns, rows, colour, command, address):
    """Plays a scene. Returns the screen and its title."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "bin").mkdir()
        (folder / "bin/stepwright").symlink_to(command)
        for file in (ROOT / "scripts/screens").glob("*.yaml"):
            shutil.copy(file, folder)
        terminal = Terminal(folder, columns, rows, colour, address)
        try:
            return terminal.screen, SCENES[scene](terminal)
        finally:
            Model.hold.set()
            terminal.stop()


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--look", type=Path, metavar="DIR")
    arguments.add_argument("--scene", action="append", choices=SCENES)
    arguments = arguments.parse_args()
    command = Path(os.environ.get("STEPWRIGHT", TARGET / "debug/stepwright")).resolve()
    if not command.exists():
        raise SystemExit(f"error: {command} does not exist\nhelp: cargo build -p stepwright-cli")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    looks = [(80, True)] if not arguments.look else [(40, True), (80, True), (200, True), (80, False), (40, False)]
    to = arguments.look or ROOT / "docs/screens"
    to.mkdir(parents=True, exist_ok=True)
    for scene in arguments.scene or (SCENES if arguments.look else DOCUMENTED):
        for columns, colour in looks:
            # A high terminal keeps the whole scene on the screen.
            screen, title = picture(scene, columns, 30 if scene == "top" else 130, colour, command, address)
            for theme in ("light", "dark"):
                name = f"{scene}-{columns}-{theme}" if arguments.look else f"{scene}-{theme}"
                name += "" if colour else "-plain"
                (to / f"{name}.svg").write_text(draw(screen, theme, title))
            if arguments.look:
                (to / f"{scene}-{columns}{'' if colour else '-plain'}.txt").write_text(
                    "\n".join(screen.text_rows()) + "\n")
            print(scene, columns, "in colour" if colour else "without colour")
    if arguments.look and shutil.which("chromium"):
        for file in sorted(to.glob("*.svg")):
            width, height = re.search(r'width="(\d+)" height="(\d+)"', file.read_text()).groups()
            subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                            f"--screenshot={file.with_suffix('.png')}", f"--window-size={width},{height}", str(file)],
                           check=False, capture_output=True)


if __name__ == "__main__":
    main()
