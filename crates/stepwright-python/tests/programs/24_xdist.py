# Tests of workflows run in the processes of pytest-xdist.
import pathlib
import re
import subprocess
import sys

pathlib.Path("test_flows.py").write_text(
    """
import pytest
from stepwright import Step, StepError, Workflow

def half(number: int) -> int:
    if number % 2:
        raise ValueError("odd")
    return number // 2

workflow = Workflow("H", [Step("Half", executor=half)])

@pytest.mark.parametrize("number", range(20))
def test_half(number):
    if number % 2:
        with pytest.raises(StepError, match="odd"):
            workflow.run(number)
    else:
        assert workflow.run(number).content == number // 2
"""
)
command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", "test_flows.py"]
done = subprocess.run(command, capture_output=True, text=True)
print(done.returncode, re.findall("[0-9]+ passed", done.stdout))
