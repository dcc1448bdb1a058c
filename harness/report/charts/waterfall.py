"""The stages of a median turn, one bar a call; it averages nothing: each panel is one real turn."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from harness.record import Columns, IntArray, RunSummary, Spans, Turns, VariantSummary
from harness.report.charts.marks import STAGE_COLOURS
from harness.report.charts.page import (
    CHARACTER_IN,
    GREY,
    INK,
    PAPER,
    SMALL,
    WIDTH_IN,
    Key,
    beside,
    over_lines,
    page_for,
    told_of,
)
from harness.report.charts.scales import milliseconds
from harness.report.words import from_baseline, label

ROW_IN, AXIS_IN = 0.19, 0.5
HEAD = 1.5
"""What a turn's heading takes, in rows."""
BAR = 0.68
"""Of a row's height."""
CHARACTER_SHARE = 0.018
"""Of the axis that a character takes."""
NEGLIGIBLE_SHARE = 0.002
HATCH = "/////"
WORDS = ("on the critical path", "hidden behind it", "first byte")


class _Call(NamedTuple):
    """A span in ms since its turn was due."""

    start: float
    first_byte: float
    end: float
    critical: bool


class _Median(NamedTuple):
    """A strategy's median turn and its calls by stage, without stages too short to see."""

    variant: VariantSummary
    response_ms: float
    human_ms: float
    stages: dict[str, list[_Call]]


def draw_waterfall(summary: RunSummary, columns: Columns) -> Figure:
    """The stages of a median turn of each strategy, all on one scale."""
    medians = [_median(variant, columns) for variant in from_baseline(summary.variants)]
    shown = [median for median in medians if median is not None and median.stages]
    solid, hidden = Patch(fc=GREY, ec=GREY), Patch(fc=PAPER, ec=GREY, hatch=HATCH)
    tick = Line2D([], [], color=INK, marker="|", linestyle="none", ms=8, mew=1.2)
    key = Key([solid, hidden, tick], WORDS) if shown else None
    depth = sum(HEAD + len(m.stages) for m in shown) or 1.0
    page = page_for(ROW_IN * depth + AXIS_IN, _title(shown), summary, key)
    names = [stage for m in shown for stage in m.stages]
    left_in = 0.24 + CHARACTER_IN * max(map(len, names), default=0)
    axes = page.axes(left_in, 0.14, AXIS_IN, ROW_IN * depth)
    _finish(axes, shown, depth)
    above = 0.0
    for median in shown:
        _draw_turn(axes, median, above + HEAD, left_in)
        above += HEAD + len(median.stages)
    return page.figure


def median_turn(variant: str, turns: Turns) -> int | None:
    """The row of the turn whose response time is the p50 order statistic, or of the paid turn
    nearest in rank.

    Turns that failed rank last; nobody is the median when that is where the middle lies.
    """
    own = np.flatnonzero(turns.variant.holds(variant))
    ranked = own[np.argsort(turns.answered_ms[own], kind="stable")]
    middle = (len(ranked) - 1) // 2
    if not len(ranked) or turns.unanswered[ranked[middle]]:
        return None
    paid = np.flatnonzero(turns.outcome.holds("paid")[ranked])
    return int(ranked[paid[np.argmin(np.abs(paid - middle))] if len(paid) else middle])


def _median(variant: VariantSummary, columns: Columns) -> _Median | None:
    turns, spans = columns.turns, columns.spans
    row = median_turn(variant.name, turns)
    if row is None:
        return None
    due_s, response_ms = turns.due_s[row], float(turns.response_ms[row])
    stages: dict[str, list[_Call]] = {}
    for span in _spans_of(turns, row, variant.name, spans).tolist():
        times = (spans.start_s[span], spans.first_byte_s[span], spans.end_s[span])
        start, first_byte, end = (1000 * float(at_s - due_s) for at_s in times)
        call = _Call(start, first_byte, end, bool(spans.critical[span]))
        stages.setdefault(spans.stage.names[spans.stage.codes[span]], []).append(call)
    least_ms = NEGLIGIBLE_SHARE * response_ms
    drawn = {stage: own for stage, own in stages.items() if _took_ms(own) > least_ms}
    return _Median(variant, response_ms, float(turns.human_ms[row]), drawn)


def _spans_of(turns: Turns, row: int, variant: str, spans: Spans) -> IntArray:
    """Its spans' rows in the order in which they began."""
    own = np.flatnonzero(spans.round == turns.round[row])
    for column, wanted in (
        (spans.conversation, turns.conversation[row]),
        (spans.turn, turns.turn[row]),
        (spans.variant.holds(variant), True),
    ):
        own = own[column[own] == wanted]
    return own[np.lexsort((spans.span[own], spans.start_s[own]))]


def _took_ms(calls: Sequence[_Call]) -> float:
    return sum(call.end - call.start for call in calls)


def _title(shown: Sequence[_Median]) -> str:
    if not shown:
        return "No median turn to show: none ran, or half were never answered"
    told = [told_of(m.response_ms, m.variant) for m in (*shown[:1], *shown[1:][-1:])]
    return f"The median turn takes {', '.join(told)}"


def _draw_turn(axes: Axes, median: _Median, top: float, left_in: float) -> None:
    """Rows down from `top`, below a line that says whose turn it is and what it took."""
    total, bottom = median.response_ms + median.human_ms, top + len(median.stages)
    axes.plot([total, total], [top, bottom], color=INK, linewidth=1.2, zorder=2)
    for row, (stage, calls) in enumerate(median.stages.items()):
        middle = top + row + 0.5
        for call in calls:
            _draw_call(axes, call, middle, STAGE_COLOURS.get(stage, GREY))
        axes.text(
            left_in - 0.08, middle, stage, transform=beside(axes), ha="right",
            va="center_baseline",
        )  # fmt: skip
        _draw_duration(axes, calls, middle, total)
    for x_in, text, side in (
        (left_in, label(median.variant), "left"),
        (WIDTH_IN - 0.14, f"{median.response_ms:.0f} ms", "right"),
    ):
        axes.text(
            x_in, top - 0.55, text, transform=beside(axes), ha=side, va="center_baseline",
            weight="bold",
        )  # fmt: skip


def _draw_call(axes: Axes, call: _Call, middle: float, colour: str) -> None:
    width, upper = call.end - call.start, middle - BAR / 2
    bar = Rectangle(
        (call.start, upper), width, BAR, edgecolor=colour, linewidth=0.8, zorder=3,
        facecolor=colour if call.critical else PAPER, hatch=None if call.critical else HATCH,
    )  # fmt: skip
    axes.add_patch(bar)
    if call.start + 0.02 * width < call.first_byte < call.start + 0.98 * width:
        axes.plot([call.first_byte] * 2, [upper, upper + BAR], color=INK, linewidth=1.2, zorder=4)


def _draw_duration(axes: Axes, calls: Sequence[_Call], middle: float, total: float) -> None:
    took, end = f"{_took_ms(calls):.0f} ms", max(call.end for call in calls)
    took += f", {len(calls)} calls" if len(calls) > 1 else ""
    character = CHARACTER_SHARE * (axes.get_xlim()[1] - axes.get_xlim()[0])
    hides_line = end + character / 2 < total < end + character * (1 + len(took))
    axes.annotate(
        took, (end, middle), (4, 0), textcoords="offset points", va="center_baseline",
        fontsize=SMALL, zorder=5,
        bbox=over_lines() if hides_line else None,
    )  # fmt: skip


def _finish(axes: Axes, shown: Sequence[_Median], depth: float) -> None:
    calls = [call for m in shown for own in m.stages.values() for call in own]
    totals = [m.response_ms + m.human_ms for m in shown]
    # A call may end after its turn: what is left to do then keeps no user waiting.
    ends = [call.end for call in calls]
    low = min([0.0, *(call.start for call in calls)])
    axes.set_xlim(low, max([*totals, *ends], default=1.0) * 1.17)
    axes.set_ylim(depth, 0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    milliseconds(axes.xaxis)
    note = "; approval by the user is in no total" if any(m.human_ms for m in shown) else ""
    axes.set_xlabel(f"ms since the turn was due (one actual turn each{note})")
