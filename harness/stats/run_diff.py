"""What changed from one run to another, strategy by strategy; whether the runs are alike, and what
a reader makes of it, is not told here."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np

from harness.record import Columns, FloatArray, IntArray, QuantileSummary, Tolerance, Turns, Verdict
from harness.stats.batches import batches_of, rounds_of
from harness.stats.difference import LEVEL, Difference, difference, settled
from harness.stats.quantiles import RoundInterval, Sample, enough, round_quantile_intervals
from harness.stats.strategies import quantile_summaries
from harness.stats.verdict import overall

SAME_S = 0.001
"""The real clock's start is a float of its own in every run."""


class Primary(NamedTuple):
    """The one row that was the question."""

    strategy: str
    quantile: float


class DiffRow(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy's quantile in run B less that in run A; negative is faster.

    A figure is null where it is infinite, or where n is too small for it to mean anything; see
    `known`.
    """

    strategy: str
    quantile: float
    a_turns: int
    b_turns: int
    a: QuantileSummary
    b: QuantileSummary
    ms: float | None = None
    lo_ms: float | None = None
    hi_ms: float | None = None
    percent: float | None = None
    percent_lo: float | None = None
    percent_hi: float | None = None
    p: float | None = None
    p_holm: float | None = None
    primary: bool = False
    verdict: Verdict = "unknown"
    exploratory: bool = False
    rounds_needed: int | None = None
    known: bool = True
    """False where a run has too few turns for this quantile: there is nothing to judge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of two runs; declared before anything is looked at."""

    strategies: Sequence[str]
    quantiles: Sequence[float]
    tolerance: Tolerance
    paired: bool
    series: bool = False
    """Each is one round that varies no factor: where long enough, its batches act as its rounds."""
    primary: Primary | None = None
    level: float = LEVEL
    seed: int = 1


def diff_runs(a: Columns, b: Columns, asked: Asked) -> list[DiffRow]:
    """A row for each strategy and quantile, all of them judged together.

    The primary row, if there is one, is judged by its own interval, and all others by Holm's step.
    Where one run never answered at a quantile and the other did, as its whole interval tells, that
    is decided without a figure.
    """
    rows, found = [], []
    acting = acting_rounds(a.turns, b.turns, asked)
    for strategy in asked.strategies:
        ours = sample_of(a, strategy, acting[0])
        theirs = sample_of(b, strategy, acting[1])
        differences = _differences(ours, theirs, asked)
        for row in _bare_rows(strategy, ours, theirs, asked):
            change = differences.get(row.quantile) if row.known else None
            rows.append(row)
            found.append(change)
    places = [place for place, change in enumerate(found) if change is not None]
    judged = settled(
        [change for change in found if change is not None],
        [rows[place].primary for place in places],
        asked.level,
    )
    for place, change in zip(places, judged, strict=True):
        rows[place] = _told(rows[place], change)
    return rows


def verdict_of(rows: Sequence[DiffRow]) -> Verdict:
    """One verdict for all rows that have turns enough. Any regression counts; beyond that, where
    there is a primary row, it alone."""
    known = [row for row in rows if row.known]
    if any(row.verdict == "regressed" for row in known):
        return "regressed"
    declared = [row.verdict for row in rows if row.primary]
    return overall(declared or [row.verdict for row in known])


def same_schedule(a: Turns, b: Turns) -> bool:
    """Whether the same conversations were due at the same times, to the millisecond."""
    ours, theirs = _first_dues(a), _first_dues(b)
    return ours.keys() == theirs.keys() and all(
        np.array_equal(ours[name][0], theirs[name][0])
        and np.allclose(ours[name][1], theirs[name][1], rtol=0, atol=SAME_S)
        for name in ours
    )


def acting_rounds(a: Turns, b: Turns, asked: Asked) -> tuple[IntArray, IntArray]:
    """What acts as the round of each turn; of paired series the same spans of time in both."""
    if not asked.series:
        return a.round, b.round
    if not asked.paired:
        return rounds_of(a), rounds_of(b)
    batches = batches_of([a, b])
    return (a.round, b.round) if batches is None else (batches.of(a), batches.of(b))


def batch_counts(a: Turns, b: Turns, asked: Asked) -> list[int]:
    """How many batches act as the rounds of A and of B; 0 where it has none, and
    nothing where they are no series."""
    if not asked.series:
        return []
    counts = [np.unique(acting).size for acting in acting_rounds(a, b, asked)]
    return [count if count > 1 else 0 for count in counts]


def sample_of(columns: Columns, strategy: str, rounds: IntArray | None = None) -> Sample:
    """The response times of one strategy, infinite where a turn never answered; in their own
    rounds, or in these."""
    turns = columns.turns
    of = turns.variant.holds(strategy)
    return Sample(turns.answered_ms[of], (turns.round if rounds is None else rounds)[of])


def _first_dues(turns: Turns) -> dict[str, tuple[IntArray, FloatArray]]:
    """When each conversation of each strategy was due, in the order of their numbers."""
    first, found = turns.turn == 0, {}
    for name in turns.variant.names:
        of = np.flatnonzero(first & turns.variant.holds(name))
        of = of[np.argsort(turns.conversation[of], kind="stable")]
        found[name] = (turns.conversation[of], turns.due_s[of])
    return found


def _differences(a: Sample, b: Sample, asked: Asked) -> dict[float, Difference]:
    paired = asked.paired and np.array_equal(np.unique(a.rounds), np.unique(b.rounds))
    found = difference(
        a,
        b,
        paired=paired,
        quantiles=asked.quantiles,
        tolerance=asked.tolerance,
        level=asked.level,
        seed=asked.seed,
    )
    return {change.quantile: change for change in found}


def _bare_rows(strategy: str, a: Sample, b: Sample, asked: Asked) -> list[DiffRow]:
    """The rows without their change, but for one that is infinite."""
    turns = a.values_ms.size, b.values_ms.size
    return [
        DiffRow(
            strategy=strategy,
            quantile=q,
            a_turns=turns[0],
            b_turns=turns[1],
            a=ours,
            b=theirs,
            primary=asked.primary == (strategy, q),
            known=enough(turns[0], q) and enough(turns[1], q),
            verdict=_where_never_answered(*intervals),
        )
        for q, ours, theirs, *intervals in zip(
            asked.quantiles,
            quantile_summaries(a, asked.quantiles),
            quantile_summaries(b, asked.quantiles),
            round_quantile_intervals(a, asked.quantiles),
            round_quantile_intervals(b, asked.quantiles),
            strict=True,
        )
    ]


def _where_never_answered(a: RoundInterval, b: RoundInterval) -> Verdict:
    """Decided where one interval is finite and the other infinite from end to end."""
    if a.hi is None or b.hi is None or a.lo is None or b.lo is None:
        return "unknown"
    if math.isfinite(a.hi) and math.isinf(b.lo):
        return "regressed"
    return "improved" if math.isfinite(b.hi) and math.isinf(a.lo) else "unknown"


def _told(row: DiffRow, change: Difference) -> DiffRow:
    return msgspec.structs.replace(
        row,
        ms=change.ms,
        lo_ms=change.lo_ms,
        hi_ms=change.hi_ms,
        percent=change.percent,
        percent_lo=change.percent_lo,
        percent_hi=change.percent_hi,
        p=change.p,
        p_holm=change.p_holm,
        verdict=change.verdict,
        exploratory=change.exploratory,
        rounds_needed=change.rounds_needed,
    )
