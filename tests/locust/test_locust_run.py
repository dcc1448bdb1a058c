"""Whole runs of the `locust` command: its table, the stored run, its exit codes, its end."""

import json
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.record import read
from harness.record.columns import Columns
from harness.record.run import RunSummary
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

SHORT = ("--set", "turns=2", "--set", "idle_share=0", "-u", "6", "-r", "12")
TWO_WORKERS = ("--processes", "2")
WORKERS: dict[str, tuple[str, ...]] = {"one process": (), "two workers": TWO_WORKERS}
TURNS = b"\nTURN"
VALID, INVALID = 0, 4
"""A machine that does other things meanwhile may make a run INVALID, and none of it is lost."""


@dataclass
class Run:
    """What `locust` printed and told of its table, how it ended, and what is stored."""

    text: str
    code: int
    table: dict[tuple[str, str], dict[str, Any]]
    summary: RunSummary
    columns: Columns

    def counts(self) -> list[int]:
        """started, finished, failed, lost: as the terminal has them."""
        (line,) = re.findall(r"^turns: (.+)$", self.text, re.MULTILINE)
        return [int(digits.replace(",", "")) for digits in re.findall(r"[\d,]+", line)]


def _options(folder: Path, out: Path) -> dict[str, str]:
    return {**fast_profiles(folder), "flow-rate": "5", "out": str(out)}


def _run(text: str, code: int, out: Path, table: Path) -> Run:
    entries = json.loads(table.read_text())
    stored = read(out / "latest")
    return Run(
        text, code, {(e["method"], e["name"]): e for e in entries}, stored.summary, stored.columns
    )


def _ran(folder: Path, *workers: str) -> Run:
    options = _options(folder, folder / "results")
    table = folder / "table"
    command = locust(options, *SHORT, "-t", "2s", "--json-file", str(table), *workers)
    (done,) = ran(command)
    assert done.returncode in (VALID, INVALID), done.stderr
    return _run(done.stderr, done.returncode, folder / "results", table.with_suffix(".json"))


@pytest.fixture(
    scope="module",
    params=[pytest.param(run, marks=pytest.mark.thorough) for run in ((), TWO_WORKERS)],
    ids=["one process", "two workers"],
)
def run(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Run]:
    yield _ran(tmp_path_factory.mktemp("run"), *request.param)


def test_every_turn_started_is_told_stored_and_in_the_table(run: Run) -> None:
    many = len(run.columns.turns.conversation)
    assert many > 20
    assert run.counts() == [many, many, 0, 0]
    assert run.summary.health is not None and run.summary.health.lost == 0
    assert run.table["TURN", "conversation"]["num_requests"] == many
    assert {entry["num_failures"] for entry in run.table.values()} == {0}
    assert "Traceback" not in run.text


def test_every_call_and_step_of_a_turn_is_in_the_table(run: Run) -> None:
    stages = dict.fromkeys(("intent", "session", "pay", "confirm"), "CALL")
    assert set(run.table) == {
        ("TURN", "conversation"),
        ("STEP", "encrypt"),
        *((kind, stage) for stage, kind in stages.items()),
    }
    many = run.table["TURN", "conversation"]["num_requests"]
    assert {entry["num_requests"] for entry in run.table.values()} == {many}


@pytest.mark.thorough
def test_the_tables_percentiles_are_those_of_the_stored_rows_to_a_thousandth(run: Run) -> None:
    stored = np.sort(run.columns.turns.response_ms)
    told = run.table["TURN", "conversation"]["response_times"]
    table = np.repeat(np.array([*told], dtype=float), [*told.values()])
    table.sort()
    assert table == pytest.approx(stored, rel=0.001)


def test_every_conversation_up_to_the_last_was_played_once(run: Run) -> None:
    turns = run.columns.turns
    played = sorted(zip(turns.conversation.tolist(), turns.turn.tolist(), strict=True))
    assert len(played) == len(set(played))
    begun_ = sorted({conversation for conversation, _ in played})
    # The stop may reach one engine a moment before the other.
    assert begun_[:-3] == list(range(len(begun_[:-3])))


def test_bad_input_is_a_line_each_and_exit_code_2() -> None:
    mistakes: dict[str, list[str]] = {
        "--strategy nonsense": ["'nonsense'"],
        "--targets real --seed x --processes 2": ["--targets real", "--seed"],
    }
    runs = ran(*(locust({}, *more.split()) for more in mistakes))
    for words, done in zip(mistakes.values(), runs, strict=True):
        assert done.returncode == 2
        assert done.stdout == ""
        lines = done.stderr.splitlines()
        assert len(lines) == len(words)
        assert all(line.startswith("tollbench: ") for line in lines)
        assert all(any(word in line for line in lines) for word in words)


@pytest.mark.thorough
@pytest.mark.parametrize("workers", WORKERS.values(), ids=WORKERS)
@pytest.mark.parametrize(
    "how", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_no_process_is_left_behind(
    tmp_path: Path, workers: tuple[str, ...], how: signal.Signals
) -> None:
    out = tmp_path / "results"
    command = locust(_options(tmp_path, out), *SHORT, *workers)
    with begun(command) as process:
        until(process, TURNS)
        below = descendants(process.pid)
        assert len(below) == (6 if workers else 3)
        watched = watch(below)
        process.send_signal(how)
        assert all_end(watched)
        _, rest = process.communicate(timeout=LIMIT_S)
    if how == signal.SIGINT:
        assert process.returncode in (VALID, INVALID)
        assert " started = " in rest
    else:
        assert process.returncode == -how
    # What was measured is kept, whoever was left to keep it.
    assert any(len(read(run).columns.turns.turn) for run in out.iterdir() if not run.is_symlink())


@pytest.mark.thorough
@pytest.mark.parametrize(
    "victim",
    ["harness.cli.engine", pytest.param("--processes", marks=pytest.mark.slow)],
    ids=["engine", "worker"],
)
def test_a_run_that_lost_an_engine_is_invalid_and_adds_up(tmp_path: Path, victim: str) -> None:
    out = tmp_path / "results"
    command = locust(_options(tmp_path, out), *SHORT, "-t", "8s", *TWO_WORKERS)
    with begun(command) as process:
        until(process, TURNS)
        pid = next(
            pid
            for pid in descendants(process.pid)
            if victim in Path(f"/proc/{pid}/cmdline").read_text()
        )
        (opened,) = watch([pid])
        signal.pidfd_send_signal(opened, signal.SIGKILL)
        assert all_end([opened])
        _, rest = process.communicate(timeout=LIMIT_S)
    assert process.returncode == INVALID
    assert "INVALID" in rest
    summary = read(out / "latest").summary
    assert not summary.valid
    engines = summary.engines
    assert engines is not None and len(engines) == 2
    assert sum(bool(engine.died) for engine in engines) == 1
    for engine in engines:
        ended = engine.finished + engine.failed
        assert engine.started == ended + engine.running + engine.lost
        assert engine.due >= engine.started > 0


@pytest.mark.slow
def test_the_same_seed_is_the_same_schedule_with_any_number_of_workers(tmp_path: Path) -> None:
    """Also while the users ramp up. How much of it is played hangs on when the stop is heard."""
    ramp = ("--set", "turns=2", "-u", "4", "-r", "1", "-t", "6s", "--seed", "7")
    dues: list[dict[int, float]] = []
    for n, workers in enumerate(((), ("--processes", "4"))):
        out = tmp_path / str(n)
        (done,) = ran(locust(_options(tmp_path, out), *ramp, *workers))
        assert done.returncode in (VALID, INVALID), done.stderr
        turns = read(out / "latest").columns.turns
        first = turns.turn == 0
        starts = zip(turns.conversation[first].tolist(), turns.due_s[first].tolist(), strict=True)
        dues.append(dict(starts))
    shared = min(map(len, dues)) - 3
    assert shared > 25
    for other in dues[1:]:
        assert [other.get(n) for n in range(shared)] == [dues[0][n] for n in range(shared)]
