"""How long the figures of a run take, and how much memory; it reports, and asserts neither.

`pytest tests/benchmarks --benchmark-only` shows the small run, with `-m slow` the large one.
"""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import pytest

from harness import record
from harness.record import Columns, FloatArray, IntArray, Spans, Text, Turns
from harness.stats.analysis import Findings, Question, analyse
from tests.record.sample import SUMMARY
from tests.stats.by_hand import ALL, THREE

ROUNDS = 20
STAGES = ("intent", "session", "encrypt", "pay", "confirm")
MEANS_MS = (1100.0, 330.0, 0.2, 590.0, 1700.0)

QUESTION = Question(factors=THREE)

ResultT = TypeVar("ResultT")


class Benchmark(Protocol):
    """What is used of pytest-benchmark's fixture, which has no types."""

    extra_info: dict[str, object]

    def pedantic(
        self,
        target: Callable[..., ResultT],
        *,
        args: tuple[object, ...],
        rounds: int,
        iterations: int,
    ) -> ResultT: ...


def made_up_run(turns: int) -> Columns:
    """8 strategies with so many turns each, over 20 rounds, and 4.7 spans a turn: those of a run,
    in the order of the files."""
    rng = np.random.default_rng(1)
    n = 8 * turns
    place = np.arange(n)
    # Round, then strategy, then turn.
    round_, rest = place // (n // ROUNDS), place % (n // ROUNDS)
    each = turns // ROUNDS
    variant, conversation = rest // each, rest % each
    took_ms = np.round(rng.lognormal(0, 0.25, size=(n, len(STAGES))) * MEANS_MS, 6)
    cold = rng.random(n) < 0.7
    took_ms[~cold, 1] = 0.0
    due = np.round(conversation * 0.16 + rng.random(n) * 0.1, 9)
    response_ms = np.round(took_ms.sum(axis=1), 6)
    whole = np.zeros(n, dtype=np.int64)
    names = tuple(strategy.name for strategy in ALL)
    return Columns(
        Turns(
            variant=Text(names, variant),
            round=round_,
            conversation=conversation,
            turn=whole,
            due_s=due,
            start_s=due,
            end_s=np.round(due + response_ms / 1e3, 9),
            response_ms=response_ms,
            service_ms=response_ms,
            outcome=Text(("declined", "paid"), (rng.random(n) < 0.97).astype(np.int64)),
            cold=cold,
            method=Text(("balance",), whole),
            amount_minor=rng.integers(100, 20_000, n),
            currency=Text(("CNY",), whole),
            fee_minor=rng.integers(1, 120, n),
            calls=whole + 4,
            wasted_prewarms=whole,
            stale_tokens=whole,
            corrections=whole,
            guarded=whole,
            human_ms=np.zeros(n),
            token_cost_micro=rng.integers(8_000, 12_000, n),
        ),
        _spans(names, round_, variant, conversation, due, took_ms, cold),
    )


def _spans(
    names: Sequence[str],
    round_: IntArray,
    variant: IntArray,
    conversation: IntArray,
    due: FloatArray,
    took_ms: FloatArray,
    cold: np.ndarray[tuple[int], np.dtype[np.bool_]],
) -> Spans:
    """The stages of each turn one after another, but for the sessions it did not open."""
    ends = np.round(due[:, np.newaxis] + np.cumsum(took_ms, axis=1) / 1e3, 9)
    starts = np.concatenate([due[:, np.newaxis], ends[:, :-1]], axis=1)
    there = np.ones(took_ms.shape, dtype=np.bool_)
    there[:, 1] = cold
    turn, stage = np.nonzero(there)
    start, end = starts[there], ends[there]
    order = np.argsort(STAGES)
    codes = np.argsort(order)[stage]
    zero = np.zeros(turn.size, dtype=np.int64)
    return Spans(
        variant=Text(tuple(names), variant[turn]),
        round=round_[turn],
        conversation=conversation[turn],
        turn=zero,
        span=stage,
        stage=Text(tuple(STAGES[place] for place in order), codes),
        provider=Text(("mock",), zero),
        start_s=start,
        first_byte_s=end,
        first_token_s=end,
        end_s=end,
        injected_ms=(end - start) * 1e3,
        queue_ms=np.zeros(turn.size),
        status=zero + 200,
        attempt=zero + 1,
        critical=np.ones(turn.size, dtype=np.bool_),
    )


def assert_whole(found: Findings, turns: int) -> None:
    assert [one.turns for one in found.variants] == [turns] * 8
    assert len(found.effects) == 7 * 3
    assert len(found.attribution) == 7 + 3 * 3
    assert len(found.shifts) == 7


def test_analysis_of_8_times_1_000_turns(benchmark: Benchmark) -> None:
    columns = made_up_run(1_000)
    found = benchmark.pedantic(analyse, args=(columns, ALL, QUESTION), rounds=5, iterations=1)
    assert_whole(found, 1_000)


@pytest.mark.slow
def test_analysis_of_8_times_100_000_turns(benchmark: Benchmark) -> None:
    columns = made_up_run(100_000)
    found = benchmark.pedantic(analyse, args=(columns, ALL, QUESTION), rounds=2, iterations=1)
    assert_whole(found, 100_000)


_READ_AND_ANALYSE = """
import resource, sys
from pathlib import Path
from harness import record
from harness.stats.analysis import analyse
from tests.benchmarks.test_analysis_speed import ALL, QUESTION
columns = record.read(Path(sys.argv[1])).columns
analyse(columns, ALL, QUESTION)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is in KiB on Linux alone")
def test_reading_and_analysing_8_times_100_000_turns(benchmark: Benchmark, tmp_path: Path) -> None:
    """In a process of its own, whose peak memory is told beside its time."""
    record.write(tmp_path, SUMMARY, made_up_run(100_000))
    peak_kib = benchmark.pedantic(_peak_kib, args=(tmp_path,), rounds=1, iterations=1)
    benchmark.extra_info["peak_mib"] = round(peak_kib / 1024)
    print(f"peak memory of reading and analysing: {peak_kib / 1024:,.0f} MiB")


def _peak_kib(folder: Path) -> int:
    command = [sys.executable, "-c", _READ_AND_ANALYSE, str(folder)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
