"""The types of the package, as type checkers see them."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PACKAGE = Path(importlib.util.find_spec("stepwright").origin).parent
TYPED = HERE / "typed.py"


def expected() -> set[int]:
    lines = TYPED.read_text().splitlines()
    return {number for number, line in enumerate(lines, 1) if "# expect:" in line}


def call(*command: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, cwd=HERE, timeout=300
    )


def test_mypy_strict_accepts_the_package():
    pytest.importorskip("mypy")
    done = call("mypy", "--strict", "--cache-dir=/dev/null", "-p", "stepwright")
    assert done.returncode == 0, done.stdout


def test_mypy_strict_finds_the_mistakes_of_a_program_and_no_others():
    pytest.importorskip("mypy")
    done = call("mypy", "--strict", "--cache-dir=/dev/null", str(TYPED))
    found = {int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line}
    assert found == expected(), done.stdout


def test_pyright_finds_the_mistakes_of_a_program_and_no_others():
    pytest.importorskip("pyright")
    done = call("pyright", "--outputjson", "--pythonpath", sys.executable, str(TYPED))
    if not done.stdout.startswith("{"):
        pytest.skip("pyright needs Node from the network")
    told = json.loads(done.stdout)["generalDiagnostics"]
    found = {one["range"]["start"]["line"] + 1 for one in told if one["severity"] == "error"}
    assert found == expected(), done.stdout


def test_the_stubs_and_the_extension_have_the_same_names():
    import ast

    from stepwright import _native

    tree = ast.parse((PACKAGE / "_native.pyi").read_text())
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    for name, node in classes.items():
        members = {m.name for m in node.body if isinstance(m, ast.FunctionDef)}
        real = {m for m in vars(getattr(_native, name)) if not m.startswith("_")}
        assert {m for m in members if not m.startswith("_")} == real, name


def test_everything_public_has_a_docstring_and_help_reads_well():
    import pydoc

    import stepwright

    for name in stepwright.__all__:
        documented = getattr(stepwright, name)
        assert documented.__doc__, name
        for member, value in vars(documented).items() if isinstance(documented, type) else ():
            if not member.startswith("_") and callable(value) and not isinstance(value, type):
                assert value.__doc__, f"{name}.{member}"
    text = pydoc.render_doc(stepwright.Workflow, renderer=pydoc.plaintext)
    assert "Steps, where their runs are kept, and what holds for all of them." in text


def test_the_examples_in_docstrings_print_what_they_say():
    import doctest
    import pkgutil

    import stepwright

    tried = 0
    for module in pkgutil.iter_modules(stepwright.__path__, "stepwright."):
        if module.name.rsplit(".", 1)[1].startswith("_") or module.ispkg:
            continue
        flags = doctest.IGNORE_EXCEPTION_DETAIL
        result = doctest.testmod(importlib.import_module(module.name), optionflags=flags)
        assert result.failed == 0
        tried += result.attempted
    assert tried > 20
