"""tollbench itself as a load generator: the command that a user types, and the rows it leaves."""

import sys
from pathlib import Path

import msgspec
import numpy as np

from harness import record
from tests.benchmarks.peers.load import Load
from tests.benchmarks.peers.plan import Measured
from tests.benchmarks.peers.processes import GENERATOR, Done, run
from tests.benchmarks.peers.sample import NoFigures, Sample, quantiles

DUE, SENT = "from the due time", "from the send"

VALID, INVALID = 0, 4
"""The exit codes of a run that left its rows behind."""


class Told(msgspec.Struct):
    """What `tollbench load --json` prints, as far as it is read here."""

    p50_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    started: int
    valid: bool
    invalid_because: list[str]
    results: str


def added(load: Load, folder: Path) -> Measured:
    """What calls took beyond the delay that the server told, counted in both ways."""
    told = _loaded(load, folder)
    columns = record.read(Path(told.results)).columns
    turns, spans = columns.turns, columns.spans
    if not len(turns):
        raise NoFigures(f"no turn was recorded: {_trouble(told)}")
    row = columns.turn_of_span()
    counts = (turns.due_s >= turns.due_s.min() + load.warm_s)[row] & (spans.status == 200)
    counts &= ~np.isnan(spans.injected_ms)
    injected_ms = spans.injected_ms[counts]
    due_ms = turns.response_ms[row][counts] - injected_ms
    sent_ms = (spans.end_s - spans.start_s)[counts] * 1e3 - injected_ms
    shared = {"sent_per_s": told.started / load.duration_s, "valid": float(told.valid)}
    samples = {DUE: _added(due_ms) | shared, SENT: _added(sent_ms) | shared}
    return Measured(samples, _trouble(told))


def stalled(load: Load, folder: Path) -> Measured:
    """Its own percentiles."""
    told = _loaded(load, folder, "--arrivals", "constant")
    known = {"p50_ms": told.p50_ms, "p90_ms": told.p90_ms, "p95_ms": told.p95_ms}
    known |= {"p99_ms": told.p99_ms, "sent": float(told.started)}
    return Measured({"": {key: ms for key, ms in known.items() if ms is not None}}, _trouble(told))


def parse(done: Done) -> Told:
    if done.code not in (VALID, INVALID):
        raise NoFigures(done.last_words)
    return msgspec.json.decode(done.out, type=Told)


def _loaded(load: Load, folder: Path, *more: str) -> Told:
    command = [
        sys.executable, "-P", "-m", "harness.cli", "load", "http", "--url", load.url,
        "--rate", str(load.rate), "--duration", f"{load.duration_s:g}",
        "--json", "--out", str(folder), *more,
    ]  # fmt: skip
    return parse(run(command, GENERATOR, 3 * load.duration_s + 60, folder))


def _added(added_ms: record.FloatArray) -> Sample:
    p50, p99 = quantiles(added_ms.tolist(), 0.5, 0.99)
    return {"p50_ms": p50, "p99_ms": p99}


def _trouble(told: Told) -> str:
    return "" if told.valid else f"INVALID: {'; '.join(told.invalid_because)}"
