"""What the neutral servers mean to do, by construction; no socket is opened here."""

import pytest

from tests.benchmarks.peers.delays import (
    DRIFT_S,
    QUICK_S,
    SIGMA,
    TRUTH_MS,
    lognormal,
    stalled,
    steady,
)
from tests.benchmarks.peers.sample import NoFigures, quantiles

PERCENTILES = (0.9, 0.95, 0.99)


@pytest.mark.parametrize("first_late_ms", range(-3, 12))
def test_the_truth_of_the_stalled_server_follows_from_its_construction(first_late_ms: int) -> None:
    """In even steps of 10 ms the percentiles are within 1 % of it, however late the first request
    came by which the server sets its clock."""
    seen = [stalled(max(0.0, at - first_late_ms / 1e3)) for at in steady(100, 12.0)]
    found = quantiles([1e3 * one for one in seen], *PERCENTILES)
    assert found == pytest.approx(list(TRUTH_MS.values()), rel=0.008)


def test_arrivals_at_every_instant_have_exactly_that_truth() -> None:
    seen = [1e3 * stalled(at) for at in steady(2_000, 12.0)]
    assert quantiles(seen, *PERCENTILES) == pytest.approx(list(TRUTH_MS.values()), rel=3e-3)
    assert quantiles(seen, 0.5) == [1e3 * QUICK_S]


@pytest.mark.parametrize(
    ("at_s", "delay_s"),
    [
        (0.0, 0.005),  # the first request of all
        (2.99, 0.005),
        (3.01, 0.99),  # all wait for the end, at 4 s
        (3.5, 0.5),
        (3.99, 0.01),
        (3.998, 0.005),  # two milliseconds are left of the stall: it is not answered faster
        (4.01, 0.005),
        (7.5, 0.5 + DRIFT_S),  # each begins a third of a gap later than four seconds
        (11.5, 0.5 + 2 * DRIFT_S),
    ],
)
def test_whoever_comes_in_the_last_second_of_four_waits_for_its_end(
    at_s: float, delay_s: float
) -> None:
    assert stalled(at_s) == pytest.approx(delay_s)


def test_lognormal_delays_are_the_same_for_the_same_seed() -> None:
    def draws(seed: int) -> list[float]:
        delays = lognormal(seed)
        return [delays(at) for at in range(2_000)]

    assert draws(1) == draws(1) != draws(2)
    p50, p99 = quantiles(draws(1), 0.5, 0.99)
    assert p50 == pytest.approx(1.0, rel=0.03)
    assert p99 == pytest.approx(1.0 * 2.718281828 ** (2.3263 * SIGMA), rel=0.06)


def test_a_quantile_is_a_value_that_was_seen() -> None:
    assert quantiles([3.0, 1.0, 2.0, 4.0], 0.0, 0.25, 0.5, 0.51, 1.0) == [1.0, 1.0, 2.0, 3.0, 4.0]
    with pytest.raises(NoFigures):
        quantiles([], 0.5)
