"""How much of each mitigation's change lies in which stage; it takes nothing apart itself."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from harness.record import Attribution, Columns, RunSummary, StagePart
from harness.report.charts.marks import STAGE_COLOURS
from harness.report.charts.page import (
    GREY,
    INK,
    MARGIN_IN,
    WIDTH_IN,
    Key,
    beside,
    over_lines,
    page_for,
    room_for,
)
from harness.report.charts.scales import milliseconds
from harness.report.words import factor_name, interval, level_text

ROW_IN, AXIS_IN = 0.2, 0.5
BAR = 0.68
"""Of a row's height."""
NEGLIGIBLE_SHARE = 0.01
"""Of the largest part on the chart."""


def attributed(summary: RunSummary) -> list[Attribution]:
    """The changes that the chart shows: those of each mitigation at the mean."""
    return [
        a
        for a in summary.attribution
        if a.quantile is None and not a.given and ":" not in a.factor and a.parts
    ]


def draw_attribution(summary: RunSummary, columns: Columns) -> Figure:
    """A bar a stage, left of zero what it saves and right what it costs; together they are the
    change of the mean, beside the mitigation's name. Stages too small to see share one row."""
    shown = attributed(summary)
    largest = max((abs(part.ms) for of in shown for part in of.parts), default=0.0)
    rows = [_rows(of, NEGLIGIBLE_SHARE * largest) for of in shown]
    depth = sum(len(parts) + 1.4 for parts in rows) - 0.4 if rows else 1.0
    title = "Which stages of the critical path the changes lie in"
    page = page_for(ROW_IN * depth + AXIS_IN, title, summary, _key(shown, summary.level))
    widest = max((len(part.stage) for parts in rows for part in parts), default=0)
    right_in = room_for(_figures(part) for parts in rows for part in parts)
    axes = page.axes(0.3 + 0.078 * widest, right_in, AXIS_IN, ROW_IN * depth)
    at_in, row = WIDTH_IN - right_in + 0.12, 0.0
    for of, parts in zip(shown, rows, strict=True):
        _draw_name(axes, of, row, at_in)
        for part in parts:
            row += 1
            _draw_part(axes, part, row, at_in)
        row += 1.4
    _finish(axes, depth)
    return page.figure


def _rows(of: Attribution, least_ms: float) -> list[StagePart]:
    """The stages from the largest part down, and the sum of the negligible ones."""
    large = [part for part in of.parts if abs(part.ms) > least_ms]
    rest = sum(part.ms for part in of.parts if part not in large)
    shown = sorted(large, key=lambda part: -abs(part.ms))
    return [*shown, StagePart(stage="other", ms=rest)] if abs(rest) >= 0.5 else shown


def _key(shown: Sequence[Attribution], level: float) -> Key:
    if not any(part.lo_ms is not None for of in shown for part in of.parts):
        return Key()
    return Key([Line2D([], [], color=INK, linewidth=1.2)], [f"{level_text(level)} interval"])


def _draw_name(axes: Axes, of: Attribution, row: float, figures_in: float) -> None:
    for at_in, text in (
        (MARGIN_IN, factor_name(of.factor)),
        (figures_in, f"{_signed(of.total_ms)} in all"),
    ):
        axes.text(
            at_in, row, text, transform=beside(axes), va="center", weight="bold", bbox=over_lines()
        )


def _draw_part(axes: Axes, part: StagePart, row: float, figures_in: float) -> None:
    colour = STAGE_COLOURS.get(part.stage, GREY)
    axes.add_patch(Rectangle((0, row - BAR / 2), part.ms, BAR, facecolor=colour, zorder=2))
    axes.text(0.2, row, part.stage, transform=beside(axes), va="center")
    if part.lo_ms is not None and part.hi_ms is not None:
        axes.plot([part.lo_ms, part.hi_ms], [row, row], color=INK, linewidth=1.2, zorder=3)
    axes.text(figures_in, row, _figures(part), transform=beside(axes), va="center")


def _figures(part: StagePart) -> str:
    if part.lo_ms is None or part.hi_ms is None:
        return _signed(part.ms)
    return interval(part.ms, part.lo_ms, part.hi_ms).replace("-", "\N{MINUS SIGN}")


def _signed(ms: float) -> str:
    return f"{ms:+.0f}".replace("-", "\N{MINUS SIGN}")


def _finish(axes: Axes, depth: float) -> None:
    axes.autoscale_view(scaley=False)
    axes.axvline(0, color=INK, linewidth=0.9, zorder=2.5)
    axes.set_ylim(depth - 0.4, -0.6)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.margins(x=0.05)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    milliseconds(axes.xaxis)
    axes.set_xlabel("change of the mean response time, ms (below 0 saves)")
