"""How many turns were answered by when, a line for each strategy or provider; it ranks nobody."""

from collections.abc import Iterable, Sequence
from itertools import cycle
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, PercentFormatter
from numpy.typing import NDArray

from harness.record import FAILED, FlowRow, Rows, RunSummary, VariantSummary
from harness.report.charts.page import (
    BLUE,
    FAINT,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PAYER_COLOURS,
    page_for,
    told_of,
)
from harness.report.words import fastest, from_baseline, label, pays_apart

# Broad lines lie below thin ones and dashes are staggered, so that curves that coincide all stay
# in sight.
STRATEGY_LINES = {
    (False, False): (INK, 1.1),
    (False, True): (BLUE, 1.9),
    (True, False): (ORANGE, 2.7),
    (True, True): (GREEN, 3.6),
}
BUDGETS_S = (1, 3, 5)
TICKS_S = (0.1, 0.2, 0.5, 1, 1.5, 2, 3, 4, 5, 7, 10, 20, 50, 100)
MOST_POINTS = 500


def draw_ecdf(summary: RunSummary, rows: Rows) -> Figure:
    """The share of turns answered within x, a line a strategy; a failed turn is never answered."""
    legend_in = 0.4 + 0.2 * ((len(summary.variants) + 1) // 2)
    page = page_for(4.25 + legend_in, _ecdf_title(summary), summary)
    axes = page.axes(0.085, 0.89, 0.5 + legend_in, 3.4, None)
    times, lines = _response_times(rows.flows), _lines(summary.variants)
    for variant in sorted(from_baseline(summary.variants), key=_printed_p50):
        answered, turns = times.get(variant.name, (np.array([]), 0))
        if len(answered):
            _draw_steps(axes, variant, answered, turns, lines[variant.name])
    known = [answered for answered, _ in times.values() if len(answered)]
    _finish_ecdf(axes, known)
    if known:
        what = "provider" if pays_apart(summary.variants) else "strategy"
        page.figure.legend(
            loc="lower left", bbox_to_anchor=(0.075, page.foot_in / page.figure.get_figheight()),
            ncols=2, frameon=False, title=f"p50 and {what}", alignment="left",
        )  # fmt: skip
    return page.figure


def _ecdf_title(summary: RunSummary) -> str:
    first, best = from_baseline(summary.variants)[:1], fastest(summary.variants)
    told = [told_of(v.p50_ms, v) for v in (*best[:1], *first) if v.p50_ms is not None]
    if not told:
        return "Response time of every turn, by strategy"
    return f"Median response time: {', '.join(dict.fromkeys(told))}"


def _printed_p50(variant: VariantSummary) -> float:
    return np.inf if variant.p50_ms is None else round(variant.p50_ms)


def _response_times(flows: Iterable[FlowRow]) -> dict[str, tuple[NDArray[np.float64], int]]:
    """A strategy's sorted response times of answered turns, in seconds, and its count of turns."""
    answered: dict[str, list[float]] = {}
    turns: dict[str, int] = {}
    for flow in flows:
        turns[flow.variant] = turns.get(flow.variant, 0) + 1
        times = answered.setdefault(flow.variant, [])
        if flow.outcome not in FAILED:
            times.append(flow.response_ms / 1000)
    return {name: (np.sort(np.array(answered[name])), n) for name, n in turns.items()}


class _Line(NamedTuple):
    colour: str
    width: float
    dashed: bool


def _lines(variants: Sequence[VariantSummary]) -> dict[str, _Line]:
    """How each variant is drawn: by what is on in it, or by its place among the providers."""
    if pays_apart(variants):
        colours = dict(zip((v.name for v in variants), cycle(PAYER_COLOURS), strict=False))
        return {name: _Line(colour, 1.8, False) for name, colour in colours.items()}
    return {
        v.name: _Line(*STRATEGY_LINES[v.prewarm, v.token_cache], v.parallel_confirm)
        for v in variants
    }


def _draw_steps(
    axes: Axes,
    variant: VariantSummary,
    answered: NDArray[np.float64],
    turns: int,
    line: _Line,
) -> None:
    ranks = np.arange(len(answered))
    if len(ranks) > MOST_POINTS:
        ranks = np.linspace(0, len(answered) - 1, MOST_POINTS).round().astype(np.int64)
    width = line.width
    median = "" if variant.p50_ms is None else f"{variant.p50_ms:.0f} ms  "
    axes.plot(
        np.concatenate((answered[:1], answered[ranks])),
        np.concatenate(([0.0], (ranks + 1) / turns)),
        drawstyle="steps-post",
        color=line.colour,
        linewidth=width,
        linestyle=(2.2 * width, (6, 2.4)) if line.dashed else "solid",
        zorder=3 - 0.1 * width,
        label=f"{median}{label(variant)}",
    )


def _finish_ecdf(axes: Axes, times: Sequence[NDArray[np.float64]]) -> None:
    axes.set_xscale("log")
    axes.set_xticks(TICKS_S)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    quickest = min((t[0] for t in times), default=BUDGETS_S[0])
    slowest = max((t[-1] for t in times), default=BUDGETS_S[-1])
    axes.set_xlim(min(quickest, BUDGETS_S[0]) * 0.93, max(slowest, BUDGETS_S[-1]) * 1.05)
    axes.set_ylim(0, 1)
    axes.set_xlabel("response time from the due time, s (log scale)")
    axes.set_ylabel("share of all turns answered")
    for budget in BUDGETS_S:
        axes.axvline(budget, color=GREY, linewidth=0.9, linestyle=(0, (1, 2)), zorder=0)
        axes.annotate(
            f"{budget} s budget", (budget, 1), (0, 4), textcoords="offset points",
            xycoords=("data", "axes fraction"), ha="center", color=GREY, fontsize=8,
        )  # fmt: skip
    axes.set_yticks([0, 0.25, 0.5, 0.75, 0.95, 1])
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
