"""More failures are no gain in time: a rise is told exactly, and never taken for chance unsaid."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.record import Columns, Outcome, Rows, Tolerance, Verdict, columns_of
from harness.stats.failures import FailureRow, diff_failures, sign_flip_p, with_failures
from harness.stats.run_diff import Asked
from tests.stats.test_run_diff import flow

TURNS = 10


def run_of(failed: Sequence[int], outcome: Outcome = "error", name: str = "base") -> Columns:
    """In each round the first so many of ten turns."""
    return columns_of(
        Rows(
            [
                flow(name, n + TURNS * round_, round_, 100.0, outcome if n < count else "paid")
                for round_, count in enumerate(failed)
                for n in range(TURNS)
            ],
            [],
        )
    )


def asked(*, paired: bool = True, names: Sequence[str] = ("base",)) -> Asked:
    return Asked(strategies=names, quantiles=[0.5], tolerance=Tolerance(), paired=paired)


def found(a: Sequence[int], b: Sequence[int], *, paired: bool = True) -> FailureRow:
    (row,) = diff_failures(run_of(a), run_of(b), asked(paired=paired))
    return row


@settings(max_examples=40)
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=8))
def test_its_p_is_that_of_all_signs_there_could_be(differences: list[int]) -> None:
    seen = abs(sum(differences))
    sums = [
        sum(sign * size for sign, size in zip(signs, differences, strict=True))
        for signs in product((-1, 1), repeat=len(differences))
    ]
    share = sum(abs(one) >= seen for one in sums) / len(sums)
    assert sign_flip_p(np.array(differences)) == pytest.approx(share)


@pytest.mark.parametrize(
    ("one", "other", "p"), [(5, 0, 0.0625), (6, 0, 0.03125), (9, 1, 0.021484375), (3, 3, 1.0)]
)
def test_of_single_turns_it_is_mcnemars_exact_test(one: int, other: int, p: float) -> None:
    assert sign_flip_p(np.repeat([1, -1], [one, other])) == pytest.approx(p)


def test_where_counting_would_take_long_its_bound_is_no_less(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    differences = np.array([3, -1, 2, 4, 1, 2, -1, 3, 5, 1])
    exact = sign_flip_p(differences)
    monkeypatch.setattr("harness.stats.failures.MOST_STEPS", 0)
    assert exact <= sign_flip_p(differences) < 1


@pytest.mark.parametrize(
    ("a", "b", "unit", "verdict"),
    [
        ([0] * 10, [3, 4] * 5, "round", "regressed"),
        ([0] * 10, [0] * 9 + [1], "round", "cannot tell"),
        # A burst is one event, however many turns it takes with it.
        ([0] * 10, [0] * 9 + [10], "round", "cannot tell"),
        ([1] * 10, [1] * 10, "round", "unchanged"),
        ([1, 0] * 5, [0, 1] * 5, "round", "unchanged"),
        ([2] * 10, [0] * 10, "round", "improved"),
        ([2] + [0] * 9, [0] * 10, "round", "unchanged"),
        ([0] * 5, [3, 4, 3, 4, 3], "turn", "regressed"),
        ([0] * 5, [1] * 5, "turn", "cannot tell"),
        ([0] * 6, [1] * 6, "round", "regressed"),
    ],
)
def test_a_rise_is_a_regression_or_cannot_be_told_and_nothing_else(
    a: list[int], b: list[int], unit: str, verdict: Verdict
) -> None:
    row = found(a, b)
    assert (row.unit, row.verdict) == (unit, verdict)
    assert (row.a_failed, row.b_failed) == (sum(a), sum(b))
    assert (row.a_turns, row.b_turns) == (TURNS * len(a), TURNS * len(b))
    assert row.a_only is not None and row.b_only is not None
    assert row.b_only - row.a_only == sum(b) - sum(a)


def test_a_turn_cut_off_in_flight_has_failed_and_one_declined_has_not() -> None:
    none = run_of([0] * 8)
    outcomes: tuple[Outcome, ...] = ("running", "unknown", "declined")
    for outcome in outcomes:
        (row,) = diff_failures(none, run_of([2] * 8, outcome), asked())
        assert row.b_failed == (0 if outcome == "declined" else 16)


def test_without_pairing_failures_are_told_and_not_judged() -> None:
    row = found([0] * 10, [5] * 10, paired=False)
    assert (row.b_failed, row.p, row.verdict) == (50, None, "unknown")
    assert with_failures("unchanged", [row]) == "unchanged"


def test_of_several_strategies_each_has_to_show_more() -> None:
    names = [f"s{n}" for n in range(4)]
    a, b = (
        columns_of(
            Rows(
                [
                    flow(name, n + TURNS * r, r, 100.0, "error" if n < count else "paid")
                    for name in names
                    for r in range(6)
                    for n in range(TURNS)
                ],
                [],
            )
        )
        for count in (0, 1)
    )
    rows = diff_failures(a, b, asked(names=names))
    assert {row.p for row in rows} == {2 / 2**6}
    assert {row.verdict for row in rows} == {"cannot tell"}


@pytest.mark.parametrize(
    ("times", "failures", "both"),
    [
        ("improved", "regressed", "regressed"),
        ("unchanged", "cannot tell", "cannot tell"),
        ("unknown", "cannot tell", "unknown"),
        ("regressed", "improved", "regressed"),
        ("unchanged", "improved", "unchanged"),
    ],
)
def test_failures_can_only_worsen_what_times_say(
    times: Verdict, failures: Verdict, both: Verdict
) -> None:
    row = FailureRow(
        strategy="base", a_failed=0, b_failed=0, a_turns=1, b_turns=1, verdict=failures
    )
    assert with_failures(times, [row]) == both


def test_unchanged_code_that_fails_in_bursts_is_rarely_called_a_regression() -> None:
    rng = np.random.default_rng(7)

    def failed() -> list[int]:
        bursts = np.where(rng.random(10) < 0.3, rng.integers(1, TURNS + 1, 10), 0)
        return [int(burst) for burst in bursts]

    alarms = sum(found(failed(), failed()).verdict == "regressed" for _ in range(200))
    assert alarms <= 10
