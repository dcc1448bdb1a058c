"""A change of a figure in words, with as many digits as show it; it judges none."""

import math

from harness.stats.difference import Difference


def signed(ms: float, lo: float | None = None, hi: float | None = None, each: str = "") -> str:
    """`+5.9 ms [5.7, 6.1]`, or with `each` `+5.9 ms a turn [5.7, 6.1]`: two digits of the change,
    and as many decimals of its bounds."""
    decimals = _decimals(ms or max(abs(lo or 0.0), abs(hi or 0.0)))
    figure = f"{ms:+z.{decimals}f} ms{each}"
    if lo is None or hi is None:
        return figure
    return f"{figure} [{lo:z.{decimals}f}, {hi:z.{decimals}f}]"


def percents(change: Difference) -> str:
    """`-9.8% [-10.7, -8.8]` of a change whose percent is known; two decimals below 1 %."""
    assert change.percent is not None
    decimals = 1 if abs(change.percent) >= 1 else 2
    figure = f"{change.percent:+z.{decimals}f}%"
    if change.percent_lo is None or change.percent_hi is None:
        return figure
    return f"{figure} [{change.percent_lo:z.{decimals}f}, {change.percent_hi:z.{decimals}f}]"


def from_to(then_ms: float, now_ms: float) -> str:
    """`3349 -> 3355`, with as many decimals as show the change, three at most."""
    change_ms = now_ms - then_ms
    for decimals in range(3):
        shown_ms = round(now_ms, decimals) - round(then_ms, decimals)
        if abs(shown_ms - change_ms) <= _SHOWN * abs(change_ms):
            return f"{then_ms:.{decimals}f} -> {now_ms:.{decimals}f}"
    return f"{then_ms:.3f} -> {now_ms:.3f}"


_SHOWN = 0.1
"""What is shown of a change is off by this share of it at most."""


def _decimals(ms: float) -> int:
    return min(3, max(0, 1 - math.floor(math.log10(abs(ms))))) if abs(ms) >= 0.0005 else 0
