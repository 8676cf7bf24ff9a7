"""Programs of people's kind, each with what it prints. `UPDATE=1` writes that."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_a_program_prints_what_it_is_expected_to(program, run_program):
    printed = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}", "ID", run_program(program))
    expected = program.with_suffix(".out")
    if os.environ.get("UPDATE"):
        expected.write_text(printed)
    assert printed == expected.read_text()
