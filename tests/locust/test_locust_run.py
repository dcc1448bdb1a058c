"""Whole runs of the `locust` command: its table, its count of turns, its exit codes, its end."""

import re
import signal
from pathlib import Path

import pytest

from tests.locust.processes import (
    LIMIT_S,
    all_end,
    begun,
    descendants,
    fast_profiles,
    locust,
    ran,
    until,
    watch,
)

pytestmark = pytest.mark.socket

SHORT = ("--param", "turns=2", "--param", "idle_share=0", "-u", "6", "-r", "12")
TWO_WORKERS = ("--processes", "2")
WORKERS: dict[str, tuple[str, ...]] = {"one process": (), "two workers": TWO_WORKERS}
BEGUN, TURNS = b"All users spawned", b"\nTURN"


@pytest.fixture
def fast(tmp_path: Path) -> dict[str, str]:
    return _fast(tmp_path)


def _fast(folder: Path) -> dict[str, str]:
    return {**fast_profiles(folder), "flow-rate": "5"}


def _table(text: str) -> dict[tuple[str, str], tuple[int, int]]:
    """Requests and failures by type and name, from the last table."""
    last = text[text.rindex("Type     Name", 0, text.index("percentiles (approx")) :]
    found = re.findall(r"^(TURN|CALL|STEP) +(\S+) +(\d+) +(\d+)\(", last, re.MULTILINE)
    return {(kind, name): (int(many), int(failed)) for kind, name, many, failed in found}


def _percentiles(text: str) -> list[int]:
    """Of turns and calls, in ms."""
    table = text[text.index("percentiles (approx") :]
    rows = re.findall(r"^(?:TURN|CALL) +\S+((?: +\d+){11}) +\d+$", table, re.MULTILINE)
    return [int(cell) for row in rows for cell in row.split()]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What runs of a few seconds printed; they passed."""
    options = _fast(tmp_path_factory.mktemp("profiles"))
    short = (*SHORT, "-t", "4s", "--only-summary")
    done = ran(*(locust(options, *short, *workers) for workers in WORKERS.values()))
    assert [run.returncode for run in done] == [0, 0], [run.stderr for run in done]
    return dict(zip(WORKERS, (run.stderr for run in done), strict=True))


@pytest.fixture(params=WORKERS)
def told(runs: dict[str, str], request: pytest.FixtureRequest) -> str:
    return runs[request.param]


def test_every_turn_started_is_in_the_table_with_its_stages(told: str) -> None:
    (counts,) = re.findall(
        r"^tollbench: turns: (\d+) started = (\d+) finished = (\d+) fired$", told, re.MULTILINE
    )
    table = _table(told)
    many = table["TURN", "conversation"][0]
    assert many > 0
    assert [int(count) for count in counts] == [many] * 3
    stages = {name for kind, name in table if kind == "CALL"}
    assert stages == {"intent", "session", "pay", "confirm"}
    assert set(table.values()) == {(many, 0)}  # the baseline makes each call once a turn
    assert "Traceback" not in told


def test_response_times_keep_the_digits_that_locust_drops(told: str) -> None:
    cells = [cell for cell in _percentiles(told) if cell >= 100]
    assert len(cells) > 20
    assert any(cell % 10 for cell in cells)


def test_bad_input_is_one_line_and_exit_code_2() -> None:
    mistakes: dict[str, tuple[str, ...]] = {
        "'nonsense'": ("--strategy", "nonsense"),
        "'nowhere'": ("--scenario", "nowhere"),
        "--seed": ("--seed", "x", *TWO_WORKERS),
    }
    runs = ran(*(locust({}, *more) for more in mistakes.values()))
    for word, done in zip(mistakes, runs, strict=True):
        assert done.returncode == 2
        assert done.stdout == ""
        (line,) = done.stderr.splitlines()
        assert line.startswith("tollbench: ")
        assert word in line


@pytest.mark.thorough
@pytest.mark.parametrize("workers", WORKERS.values(), ids=WORKERS)
@pytest.mark.parametrize(
    ("when", "how"),
    [
        (BEGUN, signal.SIGKILL),
        pytest.param(TURNS, signal.SIGINT, marks=pytest.mark.thorough),
    ],
)
def test_no_process_is_left_behind(
    fast: dict[str, str], workers: tuple[str, ...], when: bytes, how: signal.Signals
) -> None:
    command = locust(fast, *SHORT, *workers)
    with begun(command) as process:
        until(process, when)
        below = descendants(process.pid)
        assert len(below) == (5 if workers else 2)
        watched = watch(below)
        process.send_signal(how)
        assert all_end(watched)
        _, rest = process.communicate(timeout=LIMIT_S)
        assert process.returncode == (0 if how == signal.SIGINT else -how)
    assert ("finished = " in rest) == (how == signal.SIGINT)


@pytest.mark.thorough
def test_a_killed_worker_makes_the_run_invalid(fast: dict[str, str]) -> None:
    command = locust(fast, *SHORT, "-t", "3s", *TWO_WORKERS)
    with begun(command) as process:
        until(process, BEGUN)
        (worker, *_) = [pid for pid in descendants(process.pid) if descendants(pid)]
        watched = watch(descendants(worker))
        watch_killed = watch([worker])
        signal.pidfd_send_signal(watch_killed[0], signal.SIGKILL)
        assert all_end([*watched, *watch_killed])
        _, rest = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 4
    assert "INVALID" in rest
    assert "1 of 2 engines gave no account" in rest
