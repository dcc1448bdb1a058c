"""Axes that several charts share: percentiles by what is left beyond, seconds and milliseconds."""

import math
from collections.abc import Iterable

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

PERCENTILE_TICKS = (0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999)
SECONDS = (0.1, 0.2, 0.5, 1, 1.5, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 100, 200, 500)


def reach(quantile: float) -> float:
    """Where a quantile stands: each further unit leaves a tenth of the turns beyond it."""
    return -math.log10(1 - quantile)


def percentile_axis(axes: Axes, quantiles: Iterable[float]) -> None:
    """From the least to the most of these quantiles, placed by `reach`."""
    shown = list(quantiles) or [0.5, 0.99]
    low, high = reach(min(shown)), reach(max(shown))
    room = 0.03 * (high - low) or 0.1
    axes.set_xlim(low - room, high + room)
    ticks = [q for q in PERCENTILE_TICKS if low - room <= reach(q) <= high + room]
    axes.set_xticks([reach(q) for q in ticks], [f"{100 * q:g}" for q in ticks])
    axes.set_xlabel("percentile (log scale of the turns beyond it)")
    axes.grid(axis="x")


def milliseconds(axis: Axis) -> None:
    """Plain figures, about five of them."""
    axis.set_major_formatter(FuncFormatter(lambda ms, _: plain(ms)))


def log_seconds(axis: Axis, low_s: float, high_s: float) -> None:
    """Ticks at round seconds on a log scale."""
    axis.set_ticks([s for s in SECONDS if low_s <= s <= high_s])
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds:g}"))


def plain(figure: float) -> str:
    """`-1200`, with the sign that is as wide as a digit."""
    return f"{round(figure, 6):g}".replace("-", "\N{MINUS SIGN}")
