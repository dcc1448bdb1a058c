"""Response time by percentile, a line a strategy with its interval; it takes no quantile."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.record import Columns, QuantileSummary, RunSummary, VariantSummary
from harness.report.charts.marks import CONTEXT, Line, highlighted, key_of, lines_of
from harness.report.charts.page import GREY, SCALE_IN, SMALL, page_for, told_of
from harness.report.charts.scales import milliseconds, percentile_axis, reach
from harness.report.words import apart, fastest, from_baseline, level_text

BODY_IN, AXIS_IN = 3.5, 0.5
RIBBON_ALPHA = 0.18


def draw_percentiles(summary: RunSummary, columns: Columns) -> Figure:
    """From the median outwards, on a scale that gives each further tenth of the turns the same
    room. A line, and its ribbon, ends where n is too small to know more."""
    lines = lines_of(summary.variants)
    told = [v for v in highlighted(summary.variants) if _known(v)]
    others = [v for v in summary.variants if _known(v) and v not in told]
    page = page_for(BODY_IN, _title(summary), summary, key_of(told, lines, bool(others)))
    axes = page.axes(SCALE_IN, 0.12, AXIS_IN, BODY_IN - AXIS_IN - 0.25)
    for variant in others:
        _draw_line(axes, _known(variant), CONTEXT)
    for variant in told:
        _draw_line(axes, _known(variant), lines[variant.name])
        _draw_ribbon(axes, _known(variant), lines[variant.name].colour)
    percentile_axis(axes, [p.quantile for v in summary.variants for p in _known(v)])
    axes.autoscale_view(scalex=False)
    axes.grid(axis="y")
    milliseconds(axes.yaxis)
    axes.set_ylabel("response time, ms")
    if told:
        axes.annotate(
            f"ribbons: {level_text(summary.level)} intervals; lines end where n is too small",
            (0, 1), (0, 3), xycoords="axes fraction", textcoords="offset points",
            fontsize=SMALL, color=GREY,
        )  # fmt: skip
    return page.figure


def _title(summary: RunSummary) -> str:
    ordered = from_baseline(summary.variants)
    best = fastest(ordered)[:1] if apart(ordered) else ordered[-1:]
    told = [told_of(v.p95_ms, v) for v in (*best, *ordered[:1]) if v.p95_ms is not None]
    if not told:
        return "Response time by percentile"
    return f"95th percentile: {', '.join(dict.fromkeys(told))}"


def _known(variant: VariantSummary) -> list[QuantileSummary]:
    return [point for point in variant.percentiles if point.ms is not None]


def _draw_line(axes: Axes, points: Sequence[QuantileSummary], line: Line) -> None:
    known = [(reach(p.quantile), p.ms) for p in points if p.ms is not None]
    drawn = line.drawn([at for at, _ in known], [ms for _, ms in known])
    drawn.set_zorder(line.depth)
    axes.add_line(drawn)


def _draw_ribbon(axes: Axes, points: Sequence[QuantileSummary], colour: str) -> None:
    known = [
        (reach(p.quantile), p.lo_ms, p.hi_ms)
        for p in points
        if p.lo_ms is not None and p.hi_ms is not None
    ]
    if known:
        at, low, high = zip(*known, strict=True)
        axes.fill_between(at, low, high, color=colour, alpha=RIBBON_ALPHA, linewidth=0, zorder=1)
