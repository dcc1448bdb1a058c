"""Whoever stops a run keeps what it had measured, and no process stays behind."""

import os
import signal
from pathlib import Path

import pytest

from tests.cli.processes import PROC, until, watched
from tests.cli.quick import NAMES, write_profiles

pytestmark = pytest.mark.skipif(not PROC.is_dir(), reason="processes are looked up in /proc")

ROUNDS = 400
LONG = ("compare", "--flows", "8000", "--rounds", str(ROUNDS))
WORKERS = (*LONG, "--jobs", "2")
ALONE = (*LONG, "--jobs", "1")
REAL = (*LONG, "--clock", "real", "--rate", "100", "--set", "turns=1", *NAMES)
LOAD = ("load", "conversation", "--rate", "50", "--duration", "600", "--set", "turns=1", *NAMES)

RUNS = {
    # name: (arguments, whether the whole group hears it, how many processes there are)
    "workers, Ctrl-C": (WORKERS, True, 3),
    "workers, one process": (WORKERS, False, 3),
    "no workers": (ALONE, True, 1),
    "real clock, Ctrl-C": (REAL, True, 2),
    "real clock, one process": (REAL, False, 2),
    "load, Ctrl-C": (LOAD, True, 3),
    "load with workers, Ctrl-C": ((*LOAD, "--workers", "2"), True, 4),
}
THOROUGH = (
    "no workers", "workers, one process", "real clock, Ctrl-C", "real clock, one process",
    "load, Ctrl-C", "workers, Ctrl-C", "load with workers, Ctrl-C",
)  # fmt: skip
SOCKETS = [name for name, (args, _, _) in RUNS.items() if args == REAL or args[0] == "load"]


def _marks(run: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.socket] * (run in SOCKETS) + [pytest.mark.thorough] * (run in THOROUGH)


@pytest.mark.parametrize("run", [pytest.param(run, marks=_marks(run)) for run in RUNS])
def test_an_interrupted_run_is_kept_and_not_believed(run: str, tmp_path: Path) -> None:
    args, whole_group, processes = RUNS[run]
    write_profiles(tmp_path, times_faster=20)
    with watched(*args, cwd=tmp_path) as watch:
        watch.until_turns_ended(1)
        watch.interrupt(whole_group)
        done = watch.end()
        assert len(watch.family) == processes
        assert watch.left() == set()
    assert done.code == 4
    summary, rows = done.stored
    assert not summary.valid
    assert summary.invalid_because[0].startswith("interrupted after ")
    assert summary.rounds_finished < ROUNDS
    health = summary.health
    assert len(rows.flows) == health.started == health.finished + health.failed + health.running
    assert health.finished > 0 == health.failed
    assert sum(row.outcome == "running" for row in rows.flows) == health.running
    assert not list(done.latest.glob(".*"))
    assert {row.round for row in rows.spans} == {row.round for row in rows.flows}
    if args == WORKERS:
        assert len(rows.flows) == summary.rounds_finished * 8 * 20
    assert "INVALID" in done.out
    for noise in ("Traceback", "never retrieved", "ERROR"):
        assert noise not in done.err


@pytest.mark.parametrize(
    "args",
    [
        pytest.param(WORKERS, id="workers"),
        pytest.param(REAL, id="mocks", marks=pytest.mark.socket),
    ],
)
def test_a_run_that_is_killed_takes_its_processes_with_it(
    args: tuple[str, ...], tmp_path: Path
) -> None:
    write_profiles(tmp_path, times_faster=20)
    with watched(*args, cwd=tmp_path) as watch:
        watch.until_turns_ended(1)
        assert len(watch.family) > 1
        os.kill(watch.process.pid, signal.SIGKILL)
        watch.process.wait()
        until(lambda: not watch.left())
