"""The distributions agree with printed tables and with the rules that tie them together."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats.distributions import (
    clopper_pearson,
    enclosing_places,
    fewest_values,
    ks_uniform,
    t_quantile,
    t_two_sided,
    z_quantile,
)

levels = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99, 0.999])


@pytest.mark.parametrize(
    ("df", "t"),
    # The 97.5 % column of any printed table of Student's t.
    [
        (1, 12.706),
        (2, 4.3027),
        (3, 3.1824),
        (4, 2.7764),
        (5, 2.5706),
        (7, 2.3646),
        (9, 2.2622),
        (19, 2.0930),
        (29, 2.0452),
        (99, 1.9842),
        (1_000_000, 1.9600),
    ],
)
def test_t_is_that_of_the_table(df: int, t: float) -> None:
    assert t_quantile(0.975, df) == pytest.approx(t, abs=5e-4)


def test_z_is_that_of_the_table() -> None:
    assert z_quantile(0.975) == pytest.approx(1.959964, abs=1e-6)


def test_t_without_a_degree_of_freedom_is_refused() -> None:
    with pytest.raises(ValueError, match="degree of freedom"):
        t_quantile(0.975, 0)


@given(levels, st.integers(1, 500))
def test_a_two_sided_p_is_the_level_turned_round(level: float, df: int) -> None:
    assert t_two_sided(t_quantile((1 + level) / 2, df), df) == pytest.approx(1 - level, rel=1e-9)


def test_a_two_sided_p_has_no_sign_and_takes_many_at_once() -> None:
    found = t_two_sided(np.array([-2.093, 0.0, 2.093, math.inf]), 19)
    assert found.tolist() == pytest.approx([0.05, 1, 0.05, 0], abs=1e-4)
    assert t_two_sided(-math.inf, 19) == 0


@pytest.mark.parametrize(
    ("k", "n", "lo", "hi"),
    # None of n: 1 - 0.025^(1/n). The others from printed tables.
    [
        (0, 60, 0, 0.0596),
        (5, 100, 0.0164, 0.1128),
        (3, 64, 0.0098, 0.1309),
        (10, 10, 0.6915, 1),
        (1, 1, 0.025, 1),
    ],
)
def test_the_interval_of_a_share_is_the_exact_one(k: int, n: int, lo: float, hi: float) -> None:
    assert clopper_pearson(k, n) == pytest.approx((lo, hi), abs=1e-4)


@given(st.integers(1, 300), st.data(), levels)
def test_a_share_has_the_mirrored_interval_of_the_rest(
    n: int, data: st.DataObject, level: float
) -> None:
    k = data.draw(st.integers(0, n))
    lo, hi = clopper_pearson(k, n, level)
    assert lo <= k / n <= hi
    assert clopper_pearson(n - k, n, level) == pytest.approx((1 - hi, 1 - lo))


@pytest.mark.parametrize(("k", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_what_is_no_share_is_refused(k: int, n: int) -> None:
    with pytest.raises(ValueError, match="no share"):
        clopper_pearson(k, n)


@pytest.mark.parametrize(
    ("n", "distance"),
    # The two-sided 5 % point of the exact distribution, from printed tables (Massey 1951).
    [(10, 0.409), (20, 0.294), (35, 0.224), (50, 0.1884), (100, 0.1340)],
)
def test_the_5_percent_point_of_kolmogorov_is_that_of_the_table(n: int, distance: float) -> None:
    astray = np.maximum(0, np.arange(1, n + 1) / n - distance)
    assert ks_uniform(astray) == pytest.approx(0.05, abs=0.003)
    assert ks_uniform(1 - astray) == pytest.approx(0.05, abs=0.003)


def test_even_values_look_uniform_and_heaped_ones_do_not() -> None:
    even = (np.arange(200) + 0.5) / 200
    assert ks_uniform(even[::-1]) > 0.999
    assert ks_uniform(even**1.5) < 0.001


def test_uniform_values_are_called_uniform_19_times_in_20() -> None:
    rng = np.random.default_rng(5)
    alarms = sum(ks_uniform(rng.random(60)) < 0.05 for _ in range(1000))
    assert 30 <= alarms <= 72


def test_no_values_have_no_distribution() -> None:
    with pytest.raises(ValueError, match="no values"):
        ks_uniform(np.array([]))


@pytest.mark.parametrize(("q", "fewest"), [(0.5, 6), (0.95, 72), (0.99, 368), (0.999, 3688)])
def test_so_many_values_enclose_a_quantile_at_all(q: float, fewest: int) -> None:
    assert math.ceil(fewest_values(q, 0.95)) == fewest
    assert fewest_values(1 - q, 0.95) == pytest.approx(fewest_values(q, 0.95))
    with pytest.raises(ValueError, match="too few"):
        enclosing_places(fewest - 1, q, 0.95)


@given(
    st.sampled_from([0.01, 0.3, 0.5, 0.95, 0.99]),
    st.floats(1, 1e5),
    st.sampled_from([0.8, 0.95, 0.99]),
)
def test_places_are_those_of_a_fraction_of_a_value_too(
    q: float, times: float, level: float
) -> None:
    n = fewest_values(q, level) * times
    lower, upper = enclosing_places(n, q, level)
    assert 1 - 1e-6 <= lower <= n * q + 1 and n * q <= upper <= n + 1e-6 * n
    mirrored = enclosing_places(n, 1 - q, level)
    assert mirrored == pytest.approx((n + 1 - upper, n + 1 - lower), rel=1e-6, abs=1e-4)


def test_twice_the_values_enclose_a_smaller_share() -> None:
    widths = [
        (upper - lower) / n
        for n in (72, 72.5, 80.25, 100, 1000, 1e6)
        for lower, upper in [enclosing_places(n, 0.95, 0.95)]
    ]
    assert widths == sorted(widths, reverse=True)
