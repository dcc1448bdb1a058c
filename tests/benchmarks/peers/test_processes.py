"""No process of the benchmark outlives its context."""

import sys
import time
from pathlib import Path

import pytest

from tests.benchmarks.peers.processes import GENERATOR, Done, run, started
from tests.benchmarks.peers.sample import NoFigures

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="cores are pinned on Linux")

SHELL = ["sh", "-c", "sleep 60 & echo $!; wait"]
"""A process with a child of its own."""


def test_a_command_that_takes_too_long_gives_no_figures(tmp_path: Path) -> None:
    with pytest.raises(NoFigures, match=r"did not end within 0\.05 s"):
        run(["sleep", "60"], GENERATOR, 0.05, tmp_path)


def test_what_a_process_started_ends_with_it(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), started(SHELL, GENERATOR, tmp_path) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        raise ZeroDivisionError
    assert process.returncode != 0
    until = time.monotonic() + 10.0  # Whoever is killed may take a moment to be gone.
    while _runs(child) and time.monotonic() < until:
        time.sleep(0.01)
    assert not _runs(child)


def test_a_command_runs_on_its_core_and_its_processor_time_is_told(tmp_path: Path) -> None:
    work = "import os; sum(range(3_000_000)); print(os.sched_getaffinity(0))"
    done = run([sys.executable, "-S", "-c", work], GENERATOR, 30.0, tmp_path)
    assert (done.code, done.out) == (0, f"{{{GENERATOR}}}\n")
    assert done.cpu_s > 0


def test_the_last_words_are_one_line() -> None:
    assert Done(2, "", "", 0.0).last_words == "exit code 2"
    assert Done(2, "out\n", "one\ntwo \n", 0.0).last_words == "exit code 2: two"


def _runs(pid: int) -> bool:
    """A zombie that nobody has waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
