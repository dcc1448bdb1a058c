"""Response time and completed turns against the offered rate; it finds no capacity."""

from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullFormatter, NullLocator

from harness.record import CapacitySummary, Columns, RunSummary, Step
from harness.report.capacity import capacity_sentence
from harness.report.charts.page import (
    BLUE,
    FAINT,
    GREEN,
    GREY,
    INK,
    PAPER,
    PURPLE,
    SCALE_IN,
    VERMILION,
    Key,
    page_for,
)
from harness.report.charts.scales import log_seconds, milliseconds, plain
from harness.report.words import level_text, percentile

UPPER_IN, LOWER_IN, GAP_IN, AXIS_IN = 2.6, 1.2, 0.16, 0.5
COLOURS = (BLUE, GREEN, PURPLE, GREY)
BRACKET_ALPHA = 0.7


def draw_load_curve(summary: RunSummary, columns: Columns) -> Figure:
    """Above p50, p95 and p99 of every rate that was tried, with the SLO; below the turns that it
    completed. Between the highest rate sustained and the lowest that was not it is shaded."""
    capacity = summary.capacity
    steps = sorted(capacity.steps, key=lambda step: step.rate) if capacity else []
    quantiles = sorted({point.quantile for step in steps for point in step.quantiles})
    colours = dict(zip(quantiles, COLOURS, strict=False))
    body_in = AXIS_IN + LOWER_IN + GAP_IN + UPPER_IN + 0.1
    page = page_for(body_in, _title(summary), summary, _key(capacity, colours, summary.level))
    upper = page.axes(SCALE_IN, 0.12, AXIS_IN + LOWER_IN + GAP_IN, UPPER_IN)
    lower = page.axes(SCALE_IN, 0.12, AXIS_IN, LOWER_IN, upper)
    for quantile, colour in colours.items():
        _draw_quantile(upper, steps, quantile, colour)
    _draw_completed(lower, steps)
    for axes in (upper, lower):
        _draw_bracket(axes, capacity)
    _finish(upper, lower, capacity)
    return page.figure


def _title(summary: RunSummary) -> str:
    sentence = "no rate was tried" if summary.capacity is None else capacity_sentence(summary)
    return sentence[0].upper() + sentence[1:]


def _key(capacity: CapacitySummary | None, colours: dict[float, str], level: float) -> Key:
    if capacity is None or not capacity.steps:
        return Key()
    marks: list[Artist] = [Line2D([], [], color=c, linewidth=1.8) for c in colours.values()]
    marks += [_dot(INK, held) for held in (True, False)]
    words = [*map(percentile, colours), "sustained", "not sustained"]
    if capacity.sustained_rate is not None and capacity.failed_rate is not None:
        marks.append(Patch(facecolor=FAINT, alpha=BRACKET_ALPHA))
        words.append("capacity lies here")
    return Key(marks, words, f"response time with {level_text(level)} intervals")


def _dot(colour: str, sustained: bool) -> Line2D:
    return Line2D(
        [], [], color=colour, linestyle="none", marker="o", markersize=5.5, markeredgewidth=1.4,
        markerfacecolor=colour if sustained else PAPER, zorder=3,
    )  # fmt: skip


def _draw_quantile(axes: Axes, steps: Sequence[Step], quantile: float, colour: str) -> None:
    known = [
        (step, point)
        for step in steps
        for point in step.quantiles
        if point.quantile == quantile and point.ms is not None
    ]
    rates = [step.rate for step, _ in known]
    axes.plot(rates, [(p.ms or 0) / 1000 for _, p in known], color=colour, linewidth=1.4, zorder=2)
    for step, point in known:
        if point.lo_ms is not None and point.hi_ms is not None:
            ends = [point.lo_ms / 1000, point.hi_ms / 1000]
            axes.plot([step.rate] * 2, ends, color=colour, linewidth=1.4, zorder=2)
        dot = _dot(colour, step.sustained)
        dot.set_data([step.rate], [(point.ms or 0) / 1000])
        axes.add_line(dot)


def _draw_completed(axes: Axes, steps: Sequence[Step]) -> None:
    rates = [step.rate for step in steps]
    axes.plot(rates, rates, color=GREY, linewidth=0.9, linestyle=(0, (3, 2)), zorder=1)
    for step in steps:
        dot = _dot(INK, step.sustained)
        dot.set_data([step.rate], [step.completed_rate])
        axes.add_line(dot)


def _draw_bracket(axes: Axes, capacity: CapacitySummary | None) -> None:
    if capacity and capacity.sustained_rate is not None and capacity.failed_rate is not None:
        axes.axvspan(
            capacity.sustained_rate, capacity.failed_rate, facecolor=FAINT, alpha=BRACKET_ALPHA,
            edgecolor="none", zorder=0,
        )  # fmt: skip


def _finish(upper: Axes, lower: Axes, capacity: CapacitySummary | None) -> None:
    rates = sorted({step.rate for step in capacity.steps}) if capacity else []
    upper.set_yscale("log")
    lower.set_xscale("log")
    if capacity:
        slo_s = capacity.slo_ms / 1000
        upper.axhline(slo_s, color=VERMILION, linewidth=1.1, linestyle=(0, (5, 2)), zorder=1)
        upper.annotate(
            f"SLO {slo_s:g} s", (0, slo_s), (3, 3), textcoords="offset points", color=VERMILION,
            xycoords=("axes fraction", "data"),
        )  # fmt: skip
    log_seconds(upper.yaxis, *upper.get_ylim())
    upper.tick_params(axis="x", labelbottom=False)
    upper.set_ylabel("response time, s (log)")
    lower.set_ylabel("completed/s")
    lower.set_xlabel("offered turns/s (log scale; dashed: all of them completed)")
    ticks = _apart(rates)
    lower.set_xticks(ticks, [plain(float(f"{rate:.3g}")) for rate in ticks])
    lower.xaxis.set_minor_locator(NullLocator())
    lower.xaxis.set_minor_formatter(NullFormatter())
    milliseconds(lower.yaxis)
    for axes in (upper, lower):
        axes.grid(axis="y")


def _apart(rates: Sequence[float]) -> list[float]:
    """Those of the rates, from the least, whose labels keep clear of each other."""
    if not rates:
        return []
    least_ratio = (rates[-1] / rates[0]) ** (1 / 9)
    chosen = [rates[0]]
    for rate in rates[1:]:
        if rate / chosen[-1] >= least_ratio:
            chosen.append(rate)
    return chosen
