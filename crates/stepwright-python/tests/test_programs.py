"""Programs of people's kind, each with what it prints. `UPDATE=1` writes that."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

#: How often each program of the sample is started.
TIMES = int(os.environ.get("TIMES", "3"))

#: Programs that end in different ways: threads, streams left early, tasks, stores, errors.
SAMPLE = ("01_", "04_", "17_", "18_", "38_")

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_a_program_prints_what_it_is_expected_to(program, run_program):
    printed = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}", "ID", run_program(program))
    expected = program.with_suffix(".out")
    if os.environ.get("UPDATE"):
        expected.write_text(printed)
    assert printed == expected.read_text()


@pytest.mark.parametrize(
    "program", [path for path in PROGRAMS if path.name.startswith(SAMPLE)], ids=lambda path: path.stem
)
def test_a_program_ends_with_exit_code_0_each_time(program, run_program):
    for _ in range(TIMES):
        run_program(program)


def test_there_are_forty_programs_and_more():
    assert len(PROGRAMS) >= 48
