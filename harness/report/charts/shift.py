"""How each strategy differs from the baseline, percentile by percentile; it takes no quantile."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.record import Columns, RunSummary, Shift
from harness.report.charts.marks import CONTEXT, Line, highlighted, key_of, lines_of
from harness.report.charts.page import GREY, INK, SCALE_IN, SMALL, page_for
from harness.report.charts.scales import milliseconds, percentile_axis, reach
from harness.report.words import from_baseline, label, level_text

BODY_IN, AXIS_IN = 3.5, 0.5
SIGN_IN = 0.12
BAND_ALPHA = 0.16


def draw_shift(summary: RunSummary, columns: Columns) -> Figure:
    """A line a strategy, below zero where it is faster than the baseline; those that tell the
    story have a band, which holds for the whole line."""
    shifts = {shift.variant: shift for shift in summary.shifts if shift.points}
    lines = lines_of(summary.variants)
    told = [v for v in highlighted(summary.variants) if v.name in shifts]
    others = [v for v in summary.variants if v.name in shifts and v not in told]
    key = key_of(told, lines, bool(others))
    page = page_for(BODY_IN, _title(summary), summary, key)
    axes = page.axes(SCALE_IN + SIGN_IN, 0.12, AXIS_IN, BODY_IN - AXIS_IN - 0.25)
    for variant in others:
        _draw_line(axes, shifts[variant.name], CONTEXT)
    for variant in told:
        _draw_line(axes, shifts[variant.name], lines[variant.name])
        _draw_band(axes, shifts[variant.name], lines[variant.name].colour)
    axes.axhline(0, color=INK, linewidth=0.9, zorder=0.6)
    percentile_axis(axes, [p.quantile for shift in shifts.values() for p in shift.points])
    axes.autoscale_view(scalex=False)
    axes.grid(axis="y")
    milliseconds(axes.yaxis)
    axes.set_ylabel("difference, ms")
    if any(p.lo_ms is not None for v in told for p in shifts[v.name].points):
        band = f"below 0 is faster; bands: {level_text(summary.level)}, for a whole line together"
        axes.annotate(
            band, (0, 1), (0, 3), xycoords="axes fraction", textcoords="offset points",
            fontsize=SMALL, color=GREY,
        )  # fmt: skip
    return page.figure


def _title(summary: RunSummary) -> str:
    baseline = from_baseline(summary.variants)[:1]
    of = label(baseline[0]) if baseline else "baseline"
    return f"Response time less that of {of}, percentile by percentile"


def _draw_line(axes: Axes, shift: Shift, line: Line) -> None:
    drawn = line.drawn([reach(p.quantile) for p in shift.points], [p.ms for p in shift.points])
    drawn.set_zorder(line.depth)
    axes.add_line(drawn)


def _draw_band(axes: Axes, shift: Shift, colour: str) -> None:
    known = [
        (reach(p.quantile), p.lo_ms, p.hi_ms)
        for p in shift.points
        if p.lo_ms is not None and p.hi_ms is not None
    ]
    if known:
        at, low, high = zip(*known, strict=True)
        axes.fill_between(at, low, high, color=colour, alpha=BAND_ALPHA, linewidth=0, zorder=1)
