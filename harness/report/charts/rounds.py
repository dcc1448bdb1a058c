"""Each round's difference from the baseline, strategy by strategy; it takes no median."""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from harness.record import Columns, RoundFigures, RunSummary, VariantSummary
from harness.report.charts.marks import lines_of
from harness.report.charts.page import INK, WIDTH_IN, page_for
from harness.report.charts.scales import milliseconds
from harness.report.series import round_word
from harness.report.words import from_baseline, label

PANEL_IN, LEFT_IN, AXIS_IN = 0.95, 0.68, 0.5
BETWEEN_IN, RIGHT_IN = 0.1, 0.14
LINE_IN = 0.17
ROOM = 1.15


class _Panel(NamedTuple):
    variant: VariantSummary
    rounds: list[int]
    differences_ms: list[float]

    @property
    def middle(self) -> float:
        return (max(self.differences_ms) + min(self.differences_ms)) / 2

    @property
    def spread(self) -> float:
        return max(self.differences_ms) - min(self.differences_ms)


def in_rounds(summary: RunSummary) -> list[RoundFigures]:
    """Those with a difference in more than one round, which is the least that can drift."""
    return [
        figures
        for figures in summary.round_figures
        if sum(ms is not None for ms in figures.differences_ms) > 1
    ]


def draw_rounds(summary: RunSummary, columns: Columns) -> Figure:
    """A panel a strategy, a dot a round, in their order. All panels span equally many ms, each
    about its own middle, so that scatter and drift compare."""
    panels = _panels(summary)
    titles = [textwrap.wrap(label(p.variant), 24) for p in panels]
    lines = max(map(len, titles), default=1)
    head_in, rows = 0.08 + LINE_IN * lines, -(-len(panels) // 2)
    body_in = rows * (head_in + PANEL_IN) + AXIS_IN
    repeats = round_word(summary)
    title = f"Median response time less the baseline's, {repeats} by {repeats}, ms"
    page = page_for(body_in, title if panels else "No rounds to compare", summary)
    span = ROOM * max((p.spread for p in panels), default=0.0) or 1.0
    colours = lines_of(summary.variants)
    width_in = (WIDTH_IN - 2 * LEFT_IN - BETWEEN_IN - RIGHT_IN) / 2
    for place, (panel, heading) in enumerate(zip(panels, titles, strict=True)):
        row, column = divmod(place, 2)
        left_in = LEFT_IN + column * (width_in + LEFT_IN + BETWEEN_IN)
        above_in = body_in - (row + 1) * (head_in + PANEL_IN)
        axes = page.axes(left_in, WIDTH_IN - left_in - width_in, above_in, PANEL_IN)
        _draw(axes, panel, colours[panel.variant.name].colour, span, summary.rounds)
        axes.set_title("\n".join(heading), loc="left", fontsize=9.5, pad=4)
        last = place + 2 >= len(panels)
        axes.tick_params(axis="x", labelbottom=last)
        if last:
            axes.set_xlabel(repeats)
    return page.figure


def _panels(summary: RunSummary) -> list[_Panel]:
    found = {figures.variant: figures.differences_ms for figures in in_rounds(summary)}
    return [
        _Panel(variant, *_known(found[variant.name]))
        for variant in from_baseline(summary.variants)
        if variant.name in found
    ]


def _known(differences: Sequence[float | None]) -> tuple[list[int], list[float]]:
    known = [(place + 1, ms) for place, ms in enumerate(differences) if ms is not None]
    return [round_ for round_, _ in known], [ms for _, ms in known]


def _draw(axes: Axes, panel: _Panel, colour: str, span: float, rounds: int) -> None:
    axes.plot(panel.rounds, panel.differences_ms, color=colour, linewidth=0.7, alpha=0.5, zorder=1)
    axes.plot(panel.rounds, panel.differences_ms, "o", color=colour, markersize=3.6, zorder=2)
    axes.set_xlim(0.3, max(rounds, panel.rounds[-1]) + 0.7)
    axes.set_ylim(panel.middle - span / 2, panel.middle + span / 2)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(3, steps=(1, 2, 5, 10)))
    milliseconds(axes.yaxis)
    axes.grid(axis="y")
    low, high = axes.get_ylim()
    if low < 0 < high:
        axes.axhline(0, color=INK, linewidth=0.9, zorder=0.6)
