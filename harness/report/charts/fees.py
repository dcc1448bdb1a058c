"""What a payment costs by its amount, and what it costs against how long it takes, by provider."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator

from harness.record import Columns, FeeSummary, RunSummary
from harness.report.charts.marks import PAYER_COLOURS
from harness.report.charts.page import INK, PAPER, SMALL, Key, page_for
from harness.report.charts.scales import milliseconds
from harness.report.costs import LEAST_MINOR, MOST_MINOR
from harness.stats.fees import break_evens, fee_minor, floor_ends_minor

MARKED_MINOR = (100, 1000, 10_000, 100_000)
POINTS = 241
SLANT = 66
AMOUNT_TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
FEE_TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)
UPPER_IN, GAP_IN, LOWER_IN, AXIS_IN, LEFT_IN = 2.9, 0.85, 2.2, 0.5, 0.72
LEAST_FEE_MINOR = 0.1
"""What a logarithmic axis shows in place of nothing."""


def draw_fees(summary: RunSummary, columns: Columns) -> Figure:
    """Above the fee by amount, with break-evens and floors marked; below each provider's median
    response time, and on it the fees of four amounts."""
    fees = summary.fees
    colours = dict(zip((fee.name for fee in fees), cycle(PAYER_COLOURS), strict=False))
    body_in = UPPER_IN + GAP_IN + LOWER_IN + AXIS_IN
    page = page_for(body_in + 0.1, _title(fees), summary, _key(colours))
    upper = page.axes(LEFT_IN, 0.16, AXIS_IN + LOWER_IN + GAP_IN, UPPER_IN)
    lower = page.axes(LEFT_IN, 0.16, AXIS_IN, LOWER_IN)
    for fee in fees:
        _draw_schedule(upper, fee, colours[fee.name])
    named = {fee.name: fee for fee in fees}
    for at in break_evens(fees, LEAST_MINOR, MOST_MINOR):
        _mark(upper, at.amount_minor, fee_minor(named[at.cheaper_below], at.amount_minor), "o", INK)
    _draw_latencies(lower, summary, colours)
    _finish(upper, lower, fees)
    return page.figure


def _key(colours: Mapping[str, str]) -> Key:
    if not colours:
        return Key()
    lines = [Line2D([], [], color=colour, lw=1.8) for colour in colours.values()]
    spots = [
        Line2D([], [], color=INK, marker=marker, mfc=PAPER, linestyle="none") for marker in "os"
    ]
    return Key([*lines, *spots], [*colours, "break-even, CNY", "its minimum ends, CNY"])


def _title(fees: Sequence[FeeSummary]) -> str:
    if not fees:
        return "No fees to show"
    small, large = (
        min(fees, key=lambda fee: fee_minor(fee, amount)).name
        for amount in (LEAST_MINOR, MOST_MINOR)
    )
    if small == large:
        return f"{small} is the cheapest of {len(fees)} from 1 to 1,000 CNY"
    return f"{small} is the cheapest at 1 CNY, {large} at 1,000 CNY"


def _draw_schedule(axes: Axes, fee: FeeSummary, colour: str) -> None:
    amounts = np.geomspace(LEAST_MINOR, MOST_MINOR, POINTS)
    costs = [max(LEAST_FEE_MINOR, fee_minor(fee, amount)) / 100 for amount in amounts]
    axes.plot(amounts / 100, costs, color=colour, linewidth=1.8)
    end = floor_ends_minor(fee)
    if end and LEAST_MINOR < end < MOST_MINOR:
        _mark(axes, end, fee_minor(fee, end), "s", colour)


def _mark(axes: Axes, amount_minor: float, cost_minor: float, marker: str, colour: str) -> None:
    at = (amount_minor / 100, max(LEAST_FEE_MINOR, cost_minor) / 100)
    axes.plot(*at, marker, color=colour, markerfacecolor=PAPER, markersize=6, zorder=4)
    # Slanted, and break-evens above but floors below: they lie close together.
    above = marker == "o"
    axes.annotate(
        f"{amount_minor / 100:.2f}", at, (-1, 5) if above else (-1, -6),
        textcoords="offset points", fontsize=SMALL, rotation=SLANT if above else -SLANT,
        rotation_mode="anchor", ha="left", va="bottom" if above else "top",
    )  # fmt: skip


def _draw_latencies(axes: Axes, summary: RunSummary, colours: Mapping[str, str]) -> None:
    known = {fee.name: fee for fee in summary.fees}
    for variant in summary.variants:
        if variant.pay not in known or variant.p50_ms is None:
            continue
        costs = [
            max(LEAST_FEE_MINOR, fee_minor(known[variant.pay], amount)) / 100
            for amount in MARKED_MINOR
        ]
        at_s = variant.p50_ms / 1000
        colour = colours[variant.pay]
        axes.plot([at_s] * len(costs), costs, "-o", color=colour, linewidth=1.2, markersize=4)
        if variant.p50_ms_lo is not None and variant.p50_ms_hi is not None:
            ends = [variant.p50_ms_lo / 1000, variant.p50_ms_hi / 1000]
            axes.plot(ends, [costs[-1]] * 2, color=colour, linewidth=2.4)


def _finish(upper: Axes, lower: Axes, fees: Sequence[FeeSummary]) -> None:
    upper.set_xscale("log")
    upper.set_xticks(AMOUNT_TICKS)
    upper.set_xlabel("amount, CNY (log scale)")
    lower.set_xlabel("median response time, s, with its interval")
    lower.set_title("fees of 1, 10, 100 and 1,000 CNY, upwards", fontsize=9.5, loc="left", pad=4)
    costs = [fee_minor(fee, amount) for fee in fees for amount in (LEAST_MINOR, MOST_MINOR)]
    low, high = min(costs, default=1.0), max(costs, default=100.0)
    for axes in (upper, lower):
        axes.set_yscale("log")
        axes.set_yticks(FEE_TICKS)
        axes.set_ylim(max(LEAST_FEE_MINOR, low) / 100 * 0.45, high / 100 * 1.5)
        axes.set_ylabel("fee, CNY (log scale)")
        axes.grid()
    for axis in (upper.xaxis, upper.yaxis, lower.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda cny, _: f"{cny:g}"))
        axis.set_minor_locator(NullLocator())
    milliseconds(lower.xaxis)
    lower.margins(x=0.1)
