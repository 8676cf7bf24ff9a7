"""The snippets of Agno's page "Running Workflows", with nothing changed but their imports.

A snippet takes agents and a workflow for granted, which `prelude.py` defines. `NAME.before.py` and
`NAME.after.py` are not of the page: they do what it assumes, and print what it only assigns.
`UPDATE=1` writes what the programs print.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parent / "page"
SNIPPETS = sorted(PAGE.glob("[0-9][0-9]_*.py"))
SNIPPETS = [path for path in SNIPPETS if path.stem.count(".") == 0]


def part(path: Path, suffix: str) -> str:
    other = path.with_suffix(suffix)
    return other.read_text() if other.exists() else ""


def settled(text: str) -> str:
    """Replaces what differs from run to run."""
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}", "ID", text)
    text = re.sub(r"\b\d+(\.\d+)?(ms|s)\b", "TIME", text)
    text = re.sub(r"\b1[789]\d{8}\b", "SECONDS", text)
    return re.sub(r"Status: (PENDING|RUNNING|COMPLETED)", "Status: ANY", text)


def test_the_page_has_sixteen_snippets():
    assert len(SNIPPETS) == 16


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda path: path.stem)
def test_a_snippet_of_the_page_runs_with_other_imports(snippet, run_program, request):
    program = (
        (PAGE / "prelude.py").read_text()
        + part(snippet, ".before.py")
        + snippet.read_text()
        + part(snippet, ".after.py")
    )
    # The page waits five seconds between two looks.
    program = program.replace("asyncio.sleep(5)", "asyncio.sleep(0.05)")
    more = {}
    if "PostgresDb" in program:
        more["PGPORT"] = request.getfixturevalue("postgres")
    printed = settled(run_program(program, stdin=part(snippet, ".in"), **more))
    if "08" in snippet.stem:
        printed = re.sub(r"(Still waiting\.\.\.\n)+", "", printed)
    if "14" in snippet.stem:
        # The details are for people; that there are some is tested.
        assert "DEBUG stepwright" in printed
        printed = "".join(re.findall(r"(?m)^True .*$", printed))
    expected = snippet.with_suffix(".out")
    if os.environ.get("UPDATE"):
        expected.write_text(printed)
    assert printed == expected.read_text()
