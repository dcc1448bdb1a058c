"""Whether turns fail in one run that did not in another; it looks at no time that anything took."""

import math
from collections.abc import Iterable
from typing import Literal

import msgspec
import numpy as np

from harness.record import Columns, IntArray, Turns, Verdict
from harness.stats.run_diff import Asked, acting_rounds
from harness.stats.verdict import holm

LEAST_ROUNDS = 6
"""Fewer may all differ to one side by chance in more than 5 % of runs: in 2 of 2^5."""

MOST_STEPS = 20_000_000
"""Of an exact count: a tenth of a second."""

ROUNDING = 1e-12
"""1 - level is not exact in floats."""


class FailureRow(msgspec.Struct, frozen=True, kw_only=True):
    """The turns of a strategy without an answer in run A and in run B: those that failed, and those
    cut off in flight. A decline is an answer."""

    strategy: str
    a_failed: int
    b_failed: int
    a_turns: int
    b_turns: int
    a_only: int | None = None
    """Of paired runs: turns that failed in A, and in B were answered."""
    b_only: int | None = None
    unit: Literal["round", "turn"] | None = None
    """What replicates; turns where there are too few rounds, as if each failed for itself."""
    p: float | None = None
    """Of failures so unevenly shared, were both runs as likely to have each; null where the runs
    are not paired: then nothing is judged."""
    p_holm: float | None = None
    """The same, of several strategies."""
    verdict: Verdict = "unknown"


def diff_failures(a: Columns, b: Columns, asked: Asked) -> list[FailureRow]:
    """A row for each strategy, all of them judged together.

    More failures are a regression, or cannot be told from chance; no more than before are none.
    """
    acting = acting_rounds(a.turns, b.turns, asked)
    rows = [_row(strategy, a.turns, b.turns, acting, asked.paired) for strategy in asked.strategies]
    places = [place for place, row in enumerate(rows) if row.p is not None]
    raised = holm([p for row in rows if (p := row.p) is not None])
    for place, p in zip(places, raised, strict=True):
        rows[place] = _judged(rows[place], p, 1 - asked.level)
    return rows


def with_failures(verdict: Verdict, rows: Iterable[FailureRow]) -> Verdict:
    """One verdict for times and failures: more failures than before are no gain in time."""
    found = {row.verdict for row in rows}
    if "regressed" in found:
        return "regressed"
    open_ = "cannot tell" in found and verdict in ("improved", "unchanged")
    return "cannot tell" if open_ else verdict


def sign_flip_p(differences: IntArray) -> float:
    """The chance that so many differences, were each as likely to have the other sign, add up to as
    much or more, either way (Fisher, The Design of Experiments, 1935, 21).

    It is exact for any differences, also of few units and where failures come in bursts; where each
    is 1 it is McNemar's exact test. Where counting would take long it is Hoeffding's bound (1963),
    which is never less.
    """
    sizes = np.abs(differences[differences != 0])
    total, seen = int(sizes.sum()), abs(int(differences.sum()))
    if seen == 0:
        return 1.0
    if sizes.size * total > MOST_STEPS:
        squares = float(np.sum(sizes.astype(np.float64) ** 2))
        return min(1.0, 2 * math.exp(-(seen**2) / (2 * squares)))
    # Of what the positive ones add up to. All together then add up to twice that less the total.
    chances = np.zeros(total + 1)
    chances[0] = 1.0
    for size in sizes.tolist():
        half = chances / 2
        chances = half.copy()
        chances[size:] += half[:-size]
    return min(1.0, 2 * float(chances[(total + seen) // 2 :].sum()))


def _row(
    strategy: str, a: Turns, b: Turns, acting: tuple[IntArray, IntArray], paired: bool
) -> FailureRow:
    ours, theirs = a.variant.holds(strategy), b.variant.holds(strategy)
    failed = [np.flatnonzero(of & turns.unanswered) for of, turns in ((ours, a), (theirs, b))]
    row = FailureRow(
        strategy=strategy,
        a_failed=failed[0].size,
        b_failed=failed[1].size,
        a_turns=int(ours.sum()),
        b_turns=int(theirs.sum()),
    )
    if not paired:
        return row
    a_turns, b_turns = _named(a, failed[0]), _named(b, failed[1])
    a_only, b_only = len(a_turns - b_turns), len(b_turns - a_turns)
    rounds = np.unique(np.concatenate([acting[0][ours], acting[1][theirs]]))
    by_round = rounds.size >= LEAST_ROUNDS
    differences = np.repeat(np.array([-1, 1], dtype=np.int64), [a_only, b_only])
    if by_round:
        counts = [_counts(rounds, acting[n][failed[n]]) for n in (0, 1)]
        differences = counts[1] - counts[0]
    return msgspec.structs.replace(
        row,
        a_only=a_only,
        b_only=b_only,
        unit="round" if by_round else "turn",
        p=sign_flip_p(differences),
    )


def _named(turns: Turns, of: IntArray) -> set[tuple[int, int, int]]:
    """These turns, by what the same turn is called in the other run."""
    names = (turns.round[of], turns.conversation[of], turns.turn[of])
    return set(zip(*(name.tolist() for name in names), strict=True))


def _counts(rounds: IntArray, of: IntArray) -> IntArray:
    """How many of these lie in each of the rounds, which ascend."""
    return np.bincount(np.searchsorted(rounds, of), minlength=rounds.size).astype(np.int64)


def _judged(row: FailureRow, p: float, alpha: float) -> FailureRow:
    verdict: Verdict = "unchanged"
    if row.b_failed > row.a_failed:
        verdict = "regressed" if p <= alpha + ROUNDING else "cannot tell"
    elif row.b_failed < row.a_failed and p <= alpha + ROUNDING:
        verdict = "improved"
    return msgspec.structs.replace(row, p_holm=p, verdict=verdict)
