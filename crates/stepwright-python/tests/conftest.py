from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from model_server import serve

HERE = Path(__file__).parent

#: No program of these tests may take longer: a deadlock is a failure, with the stacks of all threads.
LIMIT = 60


@pytest.fixture(autouse=True)
def no_hanging():
    import faulthandler

    faulthandler.dump_traceback_later(LIMIT * 3, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(scope="session")
def model_server():
    server = serve()
    yield server
    server.shutdown()


def environment(server, **more: str) -> dict[str, str]:
    address = f"http://127.0.0.1:{server.server_port}"
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("STEPWRIGHT_", "PG"))}
    return {
        **kept,
        "STEPWRIGHT_MODEL": "openai-chat:scripted",
        "OPENAI_BASE_URL": f"{address}/v1",
        "OPENAI_API_KEY": "none",
        "STEPWRIGHT_DUCKDUCKGO_URL": address,
        "NO_COLOR": "1",
        "COLUMNS": "80",
        "PYTHONFAULTHANDLER": "1",
        **more,
    }


@pytest.fixture(scope="session")
def environ(model_server):
    return environment(model_server)


@pytest.fixture
def with_model(environ, monkeypatch):
    """The scripted model, for tests in this process."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def run_program(environ, tmp_path):
    """Runs a program in a process of its own, and returns what it printed."""

    def run(program: str | Path, *, code: int = 0, stdin: str = "", **more: str) -> str:
        if isinstance(program, str):
            path = tmp_path / "program.py"
            path.write_text(program)
        else:
            path = program
        done = subprocess.run(
            [sys.executable, str(path)],
            env={**environ, **more},
            cwd=tmp_path,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
        assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    return run


@pytest.fixture(scope="session")
def postgres(tmp_path_factory):
    """The port of a PostgreSQL server with the user, the password and the database of the page."""
    found = [Path(p) for p in ("/usr/lib/postgresql", "/opt/homebrew/opt") if Path(p).is_dir()]
    binaries = [b for root in found for b in sorted(root.glob("*/bin"), reverse=True)]
    initdb = next((b / "initdb" for b in binaries if (b / "initdb").is_file()), None)
    initdb = initdb or (shutil.which("initdb") and Path(shutil.which("initdb")))
    if initdb is None:
        pytest.skip("initdb is not installed")
    home = tmp_path_factory.mktemp("postgres")
    prefix: list[str] = []
    if os.name == "posix" and os.getuid() == 0:
        # The server refuses to be root's.
        shutil.chown(home, "postgres")
        for parent in home.parents:
            if parent.owner() == "root" and str(parent).startswith("/tmp/"):
                parent.chmod(0o711)
        prefix = ["runuser", "-u", "postgres", "--"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])

    def call(*command: str) -> None:
        subprocess.run([*prefix, *command], check=True, capture_output=True, cwd="/", timeout=60)

    at = str(initdb.parent)
    data = str(home / "data")
    call(f"{at}/initdb", "-D", data, "-U", "admin", "-A", "trust", "-N")
    options = f"-p {port} -k {home} -c listen_addresses=127.0.0.1 -c fsync=off"
    call(f"{at}/pg_ctl", "-D", data, "-o", options, "-w", "-l", str(home / "log"), "start")
    try:
        sql = "CREATE ROLE \"user\" LOGIN PASSWORD 'pass'"
        admin = ["-h", "127.0.0.1", "-p", port, "-U", "admin"]
        call(f"{at}/psql", *admin, "-d", "postgres", "-c", sql)
        call(f"{at}/psql", *admin, "-d", "postgres", "-c", 'CREATE DATABASE db OWNER "user"')
        yield port
    finally:
        call(f"{at}/pg_ctl", "-D", data, "-m", "immediate", "stop")
