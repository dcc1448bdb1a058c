"""Times counted by size: each percentile is within a thousandth of the exact one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.histogram import MOST_MS, Histogram
from harness.stats.quantiles import quantile

QUANTILES = [0.001, 0.01, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0]

# Rows have whole microseconds, and none lasts for a day.
TIMES = st.integers(0, 10**10).map(lambda microseconds: microseconds / 1e3)


def _of(times_ms: list[float], failed: int = 0) -> Histogram:
    histogram = Histogram()
    histogram.add(np.array(times_ms, dtype=np.float64), failed)
    return histogram


@given(st.lists(TIMES, min_size=1, max_size=60), st.integers(0, 20))
def test_a_percentile_is_within_a_thousandth_of_the_exact_one(
    times_ms: list[float], failed: int
) -> None:
    ordered = np.sort(np.array([*times_ms, *[np.inf] * failed]))
    told = _of(times_ms, failed).quantiles(QUANTILES)
    for q, ms in zip(QUANTILES, told, strict=True):
        exact = quantile(ordered, q)
        if np.isinf(exact):
            assert ms is None
        else:
            assert ms == pytest.approx(exact, rel=0.001, abs=0)


@given(st.lists(st.lists(TIMES, max_size=20), max_size=5))
def test_what_comes_in_parts_or_from_several_is_the_same_as_at_once(
    parts: list[list[float]],
) -> None:
    piecemeal, merged = Histogram(), Histogram()
    for part in parts:
        piecemeal.add(np.array(part, dtype=np.float64), failed=1)
        merged.merge(_of(part, failed=1))
    whole = _of([ms for part in parts for ms in part], failed=len(parts))
    for histogram in (piecemeal, merged):
        assert histogram.quantiles(QUANTILES) == whole.quantiles(QUANTILES)
        assert (histogram.count, histogram.failed) == (whole.count, whole.failed)
        assert histogram.largest_ms == whole.largest_ms


@pytest.mark.parametrize(
    ("times_ms", "failed", "median"),
    [
        ([], 0, None),
        ([], 3, None),
        ([0.0], 0, 0.0),
        ([5.0], 0, 5.0),
        ([5.0], 1, 5.0),
        ([5.0], 2, None),
        ([MOST_MS * 10], 0, MOST_MS),
    ],
)
def test_a_median_of_few_or_of_failed_ones(
    times_ms: list[float], failed: int, median: float | None
) -> None:
    (told,) = _of(times_ms, failed).quantiles([0.5])
    assert told == (None if median is None else pytest.approx(median, rel=0.001))


def test_no_percentile_is_above_the_largest() -> None:
    (largest,) = _of([1234.567]).quantiles([1.0])
    assert largest is not None and largest <= 1234.567
