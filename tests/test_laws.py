"""Laws: a time for every draw and back, rising, and exact where a law can be told by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import draws
from harness.laws import Empirical, Law, Lognormal, Stalling

USUAL = Lognormal(300.0, 800.0)
STALLING = Stalling(USUAL, 0.03, Lognormal(2500.0, 6000.0))
SEEN = Empirical([(0.0, 10.0), (0.25, 20.0), (0.5, 20.0), (0.9, 100.0), (1.0, 400.0)])
LAWS: dict[str, Law] = {
    "lognormal": USUAL,
    "stalling": STALLING,
    "stalls far away": Stalling(Lognormal(1.0, 1.01), 0.2, Lognormal(1e4, 1.2e4)),
    "stalls mostly": Stalling(Lognormal(5.0, 30.0), 0.9, Lognormal(10.0, 11.0)),
    "empirical": SEEN,
}

units = st.floats(1e-9, 1 - 1e-9)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
@given(u=units)
def test_as_much_lies_below_a_quantile_as_was_asked_for(law: Law, u: float) -> None:
    if law is SEEN and 0.25 <= u <= 0.5:
        assert law.cdf(law.quantile(u)) == 0.5  # All of them took the same time.
    else:
        assert law.cdf(law.quantile(u)) == pytest.approx(u, abs=1e-9)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
@given(u=units, v=units)
def test_worse_luck_never_takes_less_time(law: Law, u: float, v: float) -> None:
    low, high = sorted((u, v))
    assert law.quantile(low) <= law.quantile(high) * (1 + 1e-12)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
@given(u=units, factor=st.floats(0.001, 1000))
def test_a_stretched_law_takes_longer_by_any_luck(law: Law, u: float, factor: float) -> None:
    assert law.times(factor).quantile(u) == pytest.approx(law.quantile(u) * factor, rel=1e-9)


@given(u=units)
def test_a_lognormal_is_that_of_the_draws_to_the_last_bit(u: float) -> None:
    assert USUAL.quantile(u) == draws.lognormal(u, 300.0, 800.0)


@given(u=units)
def test_stalls_like_all_others_change_nothing(u: float) -> None:
    assert Stalling(USUAL, 0.4, USUAL).quantile(u) == pytest.approx(USUAL.quantile(u), rel=1e-12)


def test_the_share_that_stalls_lies_beyond_all_others_where_nothing_overlaps() -> None:
    law = LAWS["stalls far away"]
    assert law.quantile(0.4) == pytest.approx(1.0, rel=1e-9)
    assert law.quantile(0.9) == pytest.approx(1e4, rel=1e-9)
    assert law.cdf(100.0) == pytest.approx(0.8, rel=1e-12)


def test_between_two_quantiles_the_logarithm_rises_evenly() -> None:
    assert SEEN.quantile(0.7) == pytest.approx(math.sqrt(20 * 100))
    assert SEEN.quantile(0.95) == pytest.approx(200)
    assert [SEEN.quantile(u) for u in (0.0, 0.25, 0.3, 1.0)] == [10, 20, 20, 400]
    assert [SEEN.cdf(x) for x in (9.9, 20.0, 400.0, 401.0)] == [0, 0.5, 1, 1]


def test_what_always_takes_the_same_time_is_a_step() -> None:
    always = Lognormal(4.0, 4.0)
    assert [always.quantile(u) for u in (0.01, 0.5, 0.99)] == [4, 4, 4]
    assert [always.cdf(x) for x in (0.0, 3.9, 4.0)] == [0, 0, 1]
