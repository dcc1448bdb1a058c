"""Response time against how many turns were in flight; it counts nothing."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harness.record import Columns, InFlight, RunSummary, VariantSummary
from harness.report.charts.marks import lines_of
from harness.report.charts.page import INK, PAPER, SCALE_IN, Key, page_for
from harness.report.charts.scales import milliseconds
from harness.report.words import apart, from_baseline, label, level_text, percentile

BODY_IN, AXIS_IN = 3.2, 0.5
QUANTILES = (0.5, 0.95)
MARKERS = ("o", "s")


def draw_in_flight(summary: RunSummary, columns: Columns) -> Figure:
    """The median and p95 of turns that found so many others in flight when they were due: at the
    baseline and with everything on, or of each provider. Each mark is as wide as its group."""
    shown = _shown(summary)
    lines = lines_of(summary.variants)
    level = level_text(summary.level)
    key = Key(
        [Line2D([], [], color=lines[v.name].colour, linewidth=2) for v in shown]
        + [_mark(INK, q) for q in QUANTILES],
        [label(v) for v in shown] + [f"{percentile(q)}, with {level} interval" for q in QUANTILES],
    )
    page = page_for(BODY_IN, "Response time by turns in flight when due", summary, key)
    axes = page.axes(SCALE_IN, 0.12, AXIS_IN, BODY_IN - AXIS_IN - 0.08)
    for variant in shown:
        groups = [g for g in summary.in_flight if g.variant == variant.name]
        for quantile in QUANTILES:
            _draw(axes, groups, quantile, lines[variant.name].colour)
    axes.margins(x=0.03)
    axes.grid(axis="y")
    milliseconds(axes.xaxis)
    milliseconds(axes.yaxis)
    axes.set_xlabel("turns in flight when due")
    axes.set_ylabel("response time, ms")
    return page.figure


def _shown(summary: RunSummary) -> list[VariantSummary]:
    told = {group.variant for group in summary.in_flight}
    ordered = [v for v in from_baseline(summary.variants) if v.name in told]
    return ordered if apart(ordered) else [*ordered[:1], *ordered[1:][-1:]]


def _mark(colour: str, quantile: float) -> Line2D:
    hollow = quantile != QUANTILES[0]
    return Line2D(
        [], [], color=colour, linewidth=1.4, marker=MARKERS[hollow], markersize=5,
        markerfacecolor=PAPER if hollow else colour,
    )  # fmt: skip


def _draw(axes: Axes, groups: Sequence[InFlight], quantile: float, colour: str) -> None:
    known = [
        (group, point, point.ms)
        for group in sorted(groups, key=lambda group: group.least)
        for point in group.quantiles
        if point.quantile == quantile and point.ms is not None
    ]
    line = _mark(colour, quantile)
    line.set_data([_middle(group) for group, _, _ in known], [ms for _, _, ms in known])
    axes.add_line(line)
    for group, point, ms in known:
        axes.plot([group.least - 0.5, group.most + 0.5], [ms, ms], color=colour, alpha=0.35)
        if point.lo_ms is not None and point.hi_ms is not None:
            ends = [point.lo_ms, point.hi_ms]
            axes.plot([_middle(group)] * 2, ends, color=colour, linewidth=1.4)


def _middle(group: InFlight) -> float:
    return (group.least + group.most) / 2
