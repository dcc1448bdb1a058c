"""How many turns were answered by when, a line for each strategy or provider; it ranks nobody."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from harness.record import Columns, FloatArray, RunSummary, Turns, VariantSummary
from harness.report.charts.marks import Line, lines_of
from harness.report.charts.page import GREY, SCALE_IN, SMALL, Key, page_for, told_of
from harness.report.charts.scales import log_seconds
from harness.report.words import fastest, from_baseline, label, pays_apart

BODY_IN, AXIS_IN = 3.5, 0.5
BUDGETS_S = (1, 3, 5)
MOST_POINTS = 250


def draw_ecdf(summary: RunSummary, columns: Columns) -> Figure:
    """The share of turns answered within x, a line a strategy; a failed turn is never answered."""
    times, lines = _response_times(columns.turns), lines_of(summary.variants)
    ordered = sorted(from_baseline(summary.variants), key=_printed_p50)
    shown = [v for v in ordered if np.isfinite(times.get(v.name, np.array([]))).any()]
    what = "provider" if pays_apart(summary.variants) else "strategy"
    marks = [lines[v.name].drawn() for v in shown]
    key = Key(marks, list(map(_told, shown)), f"median and {what}")
    page = page_for(BODY_IN, _title(summary), summary, key)
    axes = page.axes(SCALE_IN, 0.14, AXIS_IN, BODY_IN - AXIS_IN - 0.25)
    for variant in shown:
        _draw_steps(axes, times[variant.name], lines[variant.name])
    _finish(axes, [times[v.name] for v in shown])
    return page.figure


def _title(summary: RunSummary) -> str:
    first, best = from_baseline(summary.variants)[:1], fastest(summary.variants)
    told = [told_of(v.p50_ms, v) for v in (*best[:1], *first) if v.p50_ms is not None]
    if not told:
        return "Response time of every turn, by strategy"
    return f"Median response time: {', '.join(dict.fromkeys(told))}"


def _printed_p50(variant: VariantSummary) -> float:
    return np.inf if variant.p50_ms is None else round(variant.p50_ms)


def _told(variant: VariantSummary) -> str:
    median = "" if variant.p50_ms is None else f"{variant.p50_ms:.0f} ms, "
    return f"{median}{label(variant)}"


def _response_times(turns: Turns) -> dict[str, FloatArray]:
    """A strategy's response times in seconds, sorted; turns never answered come last, infinite."""
    seconds = turns.answered_ms / 1000
    return {
        name: np.sort(seconds[turns.variant.codes == code])
        for code, name in enumerate(turns.variant.names)
    }


def _draw_steps(axes: Axes, times: FloatArray, line: Line) -> None:
    answered = times[np.isfinite(times)]
    ranks = np.arange(len(answered))
    if len(ranks) > MOST_POINTS:
        ranks = np.linspace(0, len(answered) - 1, MOST_POINTS).round().astype(np.int64)
    drawn = line.drawn(
        np.concatenate((answered[:1], answered[ranks])).tolist(),
        np.concatenate(([0.0], (ranks + 1) / len(times))).tolist(),
    )
    drawn.set_drawstyle("steps-post")
    drawn.set_zorder(line.depth)
    axes.add_line(drawn)


def _finish(axes: Axes, times: Sequence[FloatArray]) -> None:
    quickest = min((t[0] for t in times), default=BUDGETS_S[0])
    slowest = max((t[np.isfinite(t)][-1] for t in times), default=BUDGETS_S[-1])
    low_s, high_s = min(quickest, BUDGETS_S[0]) * 0.93, max(slowest, BUDGETS_S[-1]) * 1.05
    axes.set_xscale("log")
    axes.set_xlim(low_s, high_s)
    log_seconds(axes.xaxis, low_s, high_s)
    axes.set_ylim(0, 1)
    axes.set_xlabel("response time from the due time, s (log scale; dotted: budgets)")
    axes.set_ylabel("share of all turns answered")
    for budget in BUDGETS_S:
        axes.axvline(budget, color=GREY, linewidth=0.9, linestyle=(0, (1, 2)), zorder=0)
        axes.annotate(
            f"{budget} s", (budget, 1), (0, 4), textcoords="offset points",
            xycoords=("data", "axes fraction"), ha="center", color=GREY, fontsize=SMALL,
        )  # fmt: skip
    axes.set_yticks([0, 0.25, 0.5, 0.75, 0.95, 1])
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(axis="y")
