"""The stages of a median turn, one bar a call; it averages nothing: each panel is one real turn."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from harness.record import FAILED, FlowRow, Rows, RunSummary, SpanRow, VariantSummary
from harness.report.charts.page import (
    BLUE,
    FAINT,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    page_for,
    told_of,
)
from harness.report.words import from_baseline, label

STAGE_COLOURS = {
    "intent": BLUE,
    "session": ORANGE,
    "pay": GREEN,
    "confirm": PURPLE,
    "key": VERMILION,
    "refresh": ORANGE,
    "notify": SKY,
    "refund": GREEN,
    "reason": VERMILION,
    "score": SKY,
}
ROW_IN = 0.27
NEGLIGIBLE_SHARE = 0.002
HATCH = "/////"
SPAN_WORDS = ("on the critical path", "hidden behind it", "first byte")


class _Median(NamedTuple):
    """A strategy's median turn and its spans by stage, without stages too short to see."""

    variant: VariantSummary
    turn: FlowRow
    stages: dict[str, list[SpanRow]]


def draw_waterfall(summary: RunSummary, rows: Rows) -> Figure:
    """The stages of a median turn: at the baseline, and with everything on that was tried."""
    ordered = from_baseline(summary.variants)
    medians = [_median(variant, rows) for variant in (*ordered[:1], *ordered[1:][-1:])]
    shown = [median for median in medians if median is not None and median.stages]
    above_in = 0.7 + sum(ROW_IN * len(m.stages) + 0.5 for m in shown)
    page = page_for(above_in, _waterfall_title(shown), summary)
    panels: list[Axes] = []
    above_in -= 0.2
    for median in shown:
        height_in = ROW_IN * len(median.stages)
        above_in -= height_in + 0.5
        panels.append(page.axes(0.1, 0.87, above_in, height_in, panels[0] if panels else None))
        _draw_turn(panels[-1], median)
    solid, hidden = Patch(fc=GREY, ec=GREY), Patch(fc="white", ec=GREY, hatch=HATCH)
    tick = Line2D([], [], color=INK, marker="|", linestyle="none", ms=9, mew=1.2)
    page.explain([solid, hidden, tick], SPAN_WORDS)
    human = any(m.turn.human_ms for m in shown)
    _finish_waterfall(panels, [m.turn.response_ms + m.turn.human_ms for m in shown], human)
    return page.figure


def median_turn(variant: str, flows: Iterable[FlowRow]) -> FlowRow | None:
    """The turn whose response time is the p50 order statistic, or the paid turn nearest in rank.

    Turns that failed rank last; nobody is the median when that is where the middle lies.
    """
    ranked = sorted(
        (flow for flow in flows if flow.variant == variant),
        key=lambda flow: (flow.outcome in FAILED, flow.response_ms),
    )
    middle = (len(ranked) - 1) // 2
    if not ranked or ranked[middle].outcome in FAILED:
        return None
    paid = [rank for rank, flow in enumerate(ranked) if flow.outcome == "paid"]
    return ranked[min(paid, key=lambda rank: abs(rank - middle), default=middle)]


def _median(variant: VariantSummary, rows: Rows) -> _Median | None:
    turn = median_turn(variant.name, rows.flows)
    if turn is None:
        return None
    key = (turn.conversation, turn.round, turn.turn, turn.variant)
    spans = [s for s in rows.spans if (s.conversation, s.round, s.turn, s.variant) == key]
    stages: dict[str, list[SpanRow]] = {}
    for span in sorted(spans, key=lambda s: (s.start_s, s.span)):
        stages.setdefault(span.stage, []).append(span)
    least_s = NEGLIGIBLE_SHARE * turn.response_ms / 1000
    drawn = {k: own for k, own in stages.items() if sum(s.end_s - s.start_s for s in own) > least_s}
    return _Median(variant, turn, drawn)


def _waterfall_title(shown: Sequence[_Median]) -> str:
    if not shown:
        return "No median turn to show: none ran, or half were never answered"
    told = [told_of(m.turn.response_ms, m.variant) for m in shown]
    return f"The median turn takes {', '.join(told)}"


def _draw_turn(axes: Axes, median: _Median) -> None:
    for row, spans in enumerate(median.stages.values()):
        for span in spans:
            _draw_span(axes, span, row, median.turn.due_s)
        took = f"{1000 * sum(s.end_s - s.start_s for s in spans):.0f} ms"
        took += f", {len(spans)} calls" if len(spans) > 1 else ""
        end_ms = 1000 * (max(s.end_s for s in spans) - median.turn.due_s)
        axes.annotate(
            took, (end_ms, row), (4, 0), textcoords="offset points", va="center", fontsize=8
        )
    axes.set_ylim(len(median.stages) - 0.4, -0.6)
    axes.set_yticks(range(len(median.stages)), list(median.stages))
    axes.tick_params(axis="y", length=0)
    axes.set_title(label(median.variant), loc="left", fontsize=9.5, weight="bold", pad=5)
    total = median.turn.response_ms + median.turn.human_ms
    axes.axvline(total, color=INK, linewidth=1.2)
    axes.annotate(
        f"{median.turn.response_ms:.0f} ms", (total, 1), (0, 4), textcoords="offset points",
        fontsize=9.5, xycoords=("data", "axes fraction"), ha="center", weight="bold",
    )  # fmt: skip


def _draw_span(axes: Axes, span: SpanRow, row: int, due_s: float) -> None:
    start, width = 1000 * (span.start_s - due_s), 1000 * (span.end_s - span.start_s)
    colour = STAGE_COLOURS.get(span.stage, GREY)
    axes.barh(
        row, width, left=start, height=0.62, edgecolor=colour, linewidth=0.8,
        facecolor=colour if span.critical else "white", hatch=None if span.critical else HATCH,
    )  # fmt: skip
    first_byte = 1000 * (span.first_byte_s - due_s)
    if start + 0.02 * width < first_byte < start + 0.98 * width:
        axes.plot([first_byte, first_byte], [row - 0.31, row + 0.31], color=INK, linewidth=1.2)


def _finish_waterfall(panels: Sequence[Axes], totals: Sequence[float], human: bool) -> None:
    if not panels:
        return
    left = min(0.0, *(axes.dataLim.x0 for axes in panels))
    panels[0].set_xlim(left, max(totals) * 1.16)
    for axes in panels:
        axes.grid(axis="x", color=FAINT, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.tick_params(axis="x", labelbottom=axes is panels[-1])
    note = "; the user's time to approve is in no total" if human else ""
    panels[-1].set_xlabel(f"time since the turn was due, ms (one actual turn a panel{note})")
