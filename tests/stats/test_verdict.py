"""Verdicts: what each position of an interval says, and how many rounds would say more."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.record import Verdict
from harness.stats.verdict import NO_TELLING, holm, judge, overall, rounds_needed

finite = st.floats(-1e6, 1e6)
chances = st.lists(st.floats(0, 1), max_size=30)


@pytest.mark.parametrize(
    ("lo", "hi", "verdict"),
    [
        (6, 9, "regressed"),
        (5, 9, "cannot tell"),
        (1, 9, "cannot tell"),
        (-9, 9, "cannot tell"),
        (-9, -1, "cannot tell"),
        (-9, -5, "cannot tell"),
        (-9, -6, "improved"),
        (-5, 5, "unchanged"),
        (1, 2, "unchanged"),
        (5, 5, "unchanged"),
        (None, None, "unknown"),
        (6, None, "unknown"),
    ],
)
def test_an_interval_against_a_tolerance_of_5(
    lo: float | None, hi: float | None, verdict: Verdict
) -> None:
    assert judge(lo, hi, -5, 5) == verdict


@pytest.mark.parametrize(
    ("lo", "hi", "verdict"),
    [(0, 0, "unchanged"), (0, 1, "cannot tell"), (1e-9, 1, "regressed"), (-1, -1e-9, "improved")],
)
def test_without_a_tolerance_any_change_matters(lo: float, hi: float, verdict: Verdict) -> None:
    assert judge(lo, hi, 0, 0) == verdict


MIRROR: dict[Verdict, Verdict] = {"regressed": "improved", "improved": "regressed"}


@given(finite, finite, st.floats(0, 1e6))
def test_a_verdict_mirrors(a: float, b: float, edge: float) -> None:
    lo, hi = sorted((a, b))
    verdict = judge(lo, hi, -edge, edge)
    assert judge(-hi, -lo, -edge, edge) == MIRROR.get(verdict, verdict)


@given(finite, finite, st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_wider_interval_says_less_and_never_the_opposite(
    a: float, b: float, edge: float, more: float
) -> None:
    lo, hi = sorted((a, b))
    assert judge(lo - more, hi + more, -edge, edge) in (judge(lo, hi, -edge, edge), "cannot tell")


@pytest.mark.parametrize(
    ("verdicts", "all_together"),
    [
        (["unchanged", "improved", "regressed", "unknown"], "regressed"),
        (["improved", "cannot tell", "unknown"], "unknown"),
        (["improved", "cannot tell"], "cannot tell"),
        (["unchanged", "improved"], "improved"),
        (["unchanged"] * 3, "unchanged"),
        ([], "unknown"),
    ],
)
def test_one_verdict_for_several(verdicts: list[Verdict], all_together: Verdict) -> None:
    for order in itertools.permutations(verdicts):
        assert overall(order) == all_together


@pytest.mark.parametrize(
    ("estimate", "lo", "hi", "needed"),
    [
        (10, -10, 30, 320),  # half as far from the edge as the interval reaches: 16 times as many
        (10, 4, 16, 29),
        (-10, -30, 10, 320),
        (0, -10, 10, 80),  # within: until it fits between both edges
        (2, -8, 12, 223),
        (4, -1000, 30, None),
        (5, -10, 20, None),  # on the edge: nothing tells
        (5.001, -10, 20, None),
    ],
)
def test_rounds_that_would_decide_against_a_tolerance_of_5(
    estimate: float, lo: float, hi: float, needed: int | None
) -> None:
    assert rounds_needed(estimate, lo, hi, -5, 5, 20) == needed


@given(finite, st.floats(0.01, 1e6), st.floats(0.01, 1e6), st.floats(0, 100), st.integers(5, 100))
def test_so_many_rounds_decide_if_the_interval_narrows_with_their_root(
    estimate: float, below: float, above: float, edge: float, rounds: int
) -> None:
    lo, hi = estimate - below, estimate + above
    needed = rounds_needed(estimate, lo, hi, -edge, edge, rounds)
    if needed is None or judge(lo, hi, -edge, edge) != "cannot tell":
        return
    assert rounds < needed <= NO_TELLING * rounds + 1
    narrower = math.sqrt(rounds / (needed * 1.001))
    lo, hi = estimate - below * narrower, estimate + above * narrower
    assert judge(lo, hi, -edge, edge) != "cannot tell"


@pytest.mark.parametrize(
    ("ps", "adjusted"),
    [
        ([], []),
        ([0.03], [0.03]),
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.01, 0.02, 0.02, 0.02], [0.04, 0.06, 0.06, 0.06]),
        ([0.5, 0.9, 0], [1, 1, 0]),
    ],
)
def test_holm_takes_the_least_p_times_all_then_times_one_fewer(
    ps: Sequence[float], adjusted: Sequence[float]
) -> None:
    assert holm(ps) == pytest.approx(adjusted)


@given(chances)
def test_holm_keeps_the_order_and_lies_between_a_p_and_all_times_it(ps: list[float]) -> None:
    found = holm(ps)
    for p, adjusted in zip(ps, found, strict=True):
        assert p <= adjusted <= min(1.0, p * len(ps)) + 1e-12
    order = np.argsort(ps, kind="stable")
    assert np.all(np.diff(np.array(found)[order]) >= 0)
