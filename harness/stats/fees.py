"""What a payment costs by amount: fee schedules, their break-evens, and minima a month; no data."""

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise
from typing import NamedTuple

from harness.record import FeeSummary


class BreakEven(NamedTuple):
    """At this amount two schedules cost the same; `cheaper` is the dearer one's rival above it."""

    amount_minor: float
    cheaper_below: str
    cheaper_above: str


def fee_minor(fee: FeeSummary, amount_minor: float) -> float:
    """In minor units, before it is rounded to a whole one: max(minimum, rate * amount + fixed)."""
    return max(fee.minimum_minor, fee.rate * amount_minor + fee.fixed_minor)


def floor_ends_minor(fee: FeeSummary) -> float | None:
    """The amount below which only the minimum is paid; None where there is no such floor."""
    above = fee.minimum_minor - fee.fixed_minor
    return above / fee.rate if fee.rate and above > 0 else None


def break_evens(fees: Sequence[FeeSummary], low_minor: float, high_minor: float) -> list[BreakEven]:
    """Every amount strictly between the two at which a pair of schedules crosses, in rising order.
    Schedules that cost the same over a whole stretch do not cross there."""
    found = [
        crossing
        for one, other in combinations(fees, 2)
        for crossing in _crossings(one, other, low_minor, high_minor)
    ]
    return sorted(found)


def with_minimum_minor(
    fee: FeeSummary, amount_minor: float, payments: float
) -> tuple[float, float]:
    """What a payment costs when so many like it are made in a month, by both readings of the
    monthly minimum: of fees, and of volume, when what is short of it is charged all the same."""
    own = fee_minor(fee, amount_minor)
    least = fee.monthly_minimum_minor / payments
    return max(own, least), max(own, fee.rate * least)


def _crossings(one: FeeSummary, other: FeeSummary, low: float, high: float) -> Iterator[BreakEven]:
    bends = [end for end in map(floor_ends_minor, (one, other)) if end and low < end < high]
    corners = sorted({low, *bends, high})
    gaps = [fee_minor(one, at) - fee_minor(other, at) for at in corners]
    signs = _signs(gaps)
    for (left, right), (gap, next_gap), (sign, next_sign) in zip(
        pairwise(corners), pairwise(gaps), pairwise(signs), strict=True
    ):
        # Between two corners both schedules are straight lines, and so is their difference.
        if sign * next_sign < 0:
            at = left + (right - left) * gap / (gap - next_gap)
            below, above = (one, other) if sign < 0 else (other, one)
            yield BreakEven(at, below.name, above.name)


def _signs(gaps: Sequence[float]) -> list[int]:
    """Of each gap; one of zero takes the sign before it, so that a touch is no crossing and a
    crossing right at a corner is found once."""
    signs: list[int] = []
    for gap in gaps:
        before = signs[-1] if signs else 0
        signs.append(before if abs(gap) < 1e-9 else (gap > 0) - (gap < 0))
    return signs
