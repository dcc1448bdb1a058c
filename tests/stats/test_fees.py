"""Fee schedules and where they cross, against the article's figures and against brute force."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.record import FeeSummary
from harness.stats.fees import break_evens, fee_minor, floor_ends_minor, with_minimum_minor


def schedule(
    name: str,
    rate: float = 0.0,
    fixed: float = 0.0,
    minimum: float = 0.0,
    monthly: int = 0,
) -> FeeSummary:
    return FeeSummary(
        name=name,
        rate=rate,
        fixed_minor=fixed,
        minimum_minor=minimum,
        monthly_minimum_minor=monthly,
        provenance="assumed",
    )


WECHAT = schedule("wechat", rate=0.006, minimum=10)
FLAT = schedule("flat", fixed=30)
ALIPAY = schedule("alipay", rate=0.0038, monthly=5_000_000)


def test_the_floor_of_wechat_binds_below_16_67() -> None:
    end = floor_ends_minor(WECHAT)
    assert end is not None
    assert round(end) == 1667
    assert fee_minor(WECHAT, end - 1) == 10 < fee_minor(WECHAT, end + 1)


@pytest.mark.parametrize("fee", [FLAT, ALIPAY, schedule("both", rate=0.01, fixed=5, minimum=5)])
def test_a_schedule_whose_minimum_never_binds_has_no_floor(fee: FeeSummary) -> None:
    assert floor_ends_minor(fee) is None


def test_wechat_and_flat_meet_at_50_and_swap_places_there() -> None:
    (meeting,) = break_evens([WECHAT, FLAT], 100, 100_000)
    assert meeting.amount_minor == pytest.approx(5000)
    assert (meeting.cheaper_below, meeting.cheaper_above) == ("wechat", "flat")


def test_a_crossing_on_the_floor_is_found() -> None:
    (meeting,) = break_evens([WECHAT, schedule("slow", rate=0.008)], 100, 100_000)
    assert meeting.amount_minor == pytest.approx(1250)
    assert (meeting.cheaper_below, meeting.cheaper_above) == ("slow", "wechat")


@pytest.mark.parametrize(
    ("why", "other"),
    [
        ("equal everywhere", schedule("same", rate=0.006, minimum=10)),
        ("equal up to a point", schedule("steeper", rate=0.012, minimum=10)),
        ("beyond the range", schedule("far", fixed=1000)),
        ("at its very end", schedule("end", fixed=600)),
    ],
)
def test_schedules_that_only_touch_do_not_cross(why: str, other: FeeSummary) -> None:
    assert break_evens([WECHAT, other], 100, 100_000) == []


schedules = st.builds(
    schedule,
    st.just("x"),
    rate=st.sampled_from([0.0, 0.001, 0.0038, 0.006, 0.029]),
    fixed=st.sampled_from([0.0, 5.0, 30.0, 213.0]),
    minimum=st.sampled_from([0.0, 10.0, 35.0]),
)


@given(schedules, schedules)
def test_between_neighbouring_break_evens_the_same_one_stays_cheaper(
    one: FeeSummary, other: FeeSummary
) -> None:
    edges = [100.0, *(at.amount_minor for at in break_evens([one, other], 100, 100_000)), 100_000.0]
    amounts = [100 * 1000 ** (n / 200) for n in range(201)]
    for low, high in pairwise(edges):
        gaps = [
            fee_minor(one, amount) - fee_minor(other, amount)
            for amount in amounts
            if low + 1e-6 < amount < high - 1e-6
        ]
        assert all(gap > -1e-6 for gap in gaps) or all(gap < 1e-6 for gap in gaps)


@pytest.mark.parametrize(
    ("payments", "of_fees", "of_volume"),
    [
        (1_000, 5000.0, 38.0),
        (100_000, 50.0, 38.0),
        (1_000_000, 38.0, 38.0),
        (10, 500_000.0, 1900.0),
    ],
)
def test_a_monthly_minimum_has_two_readings(
    payments: int, of_fees: float, of_volume: float
) -> None:
    told = with_minimum_minor(ALIPAY, 10_000, payments)
    assert told == pytest.approx((of_fees, of_volume))
