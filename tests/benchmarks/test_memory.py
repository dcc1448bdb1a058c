"""What a long run takes while it is stored, analysed and reported: below 1 GB with a million turns.

Slow, so no part of the default run; `pytest tests/benchmarks/test_memory.py -m slow -s` shows what
each step took.
"""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.benchmarks.long_run import PLANS, Step

TURNS = 1_000_000
MOST_MB = 1_000
"""Resident, with the interpreter and all libraries, in megabytes of 1,000,000 bytes."""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is in KiB on Linux alone")
@pytest.mark.parametrize("plan", PLANS)
def test_a_million_turns_stay_below_a_gigabyte(plan: str, tmp_path: Path) -> None:
    stored = _steps(plan, str(TURNS), str(tmp_path))
    assert stored[-1].peak_mb < MOST_MB
    assert _steps("page", str(tmp_path))[-1].peak_mb < MOST_MB
    assert (tmp_path / "report.html").is_file()


def _steps(*arguments: str) -> list[Step]:
    """In a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.long_run", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    print(f"\n{' '.join(arguments[:-1])}\n{done.stdout.decode()}", end="")
    return [msgspec.json.decode(line, type=Step) for line in done.stdout.splitlines()]
