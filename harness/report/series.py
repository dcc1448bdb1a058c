"""A run of one round in words: its batches, and its strategies side by side; it takes no figure."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from harness.record import RunSummary, Shift, ShiftPoint
from harness.report.costs import print_hanging
from harness.report.tables import print_heading
from harness.report.words import (
    Change,
    chosen,
    is_black_box,
    label,
    level_text,
    pays_apart,
    percentile,
    told,
)
from harness.stats.batches import is_series
from harness.stats.critical_path import OWN_TIME

AT = (0.5, 0.95, 0.99)
"""The percentiles at which strategies are told apart; a page has the whole curve."""

WHOLE_CALL = "chat"
"""The one call of an app under test, from the message to the answer."""


def batch_count(summary: RunSummary) -> int:
    """How many batches act as the rounds of a run of one round; 0 where nothing does."""
    if not is_series(summary):
        return 0
    most = max((len(figures.medians_ms) for figures in summary.round_figures), default=0)
    return most if most > 1 else 0


def round_word(summary: RunSummary) -> str:
    """What repeats in it."""
    return "batch" if batch_count(summary) else "round"


def rounds_text(summary: RunSummary) -> str:
    """`20 rounds`, `13/20 rounds` of a run that was cut off, `1 round` or `1 round, 20 batches`."""
    told = "1 round" if summary.rounds == 1 else f"{summary.rounds} rounds"
    if summary.rounds_finished != summary.rounds:
        told = f"{summary.rounds_finished}/{summary.rounds} rounds"
    batches = batch_count(summary)
    return f"{told}, {batches} batches" if batches else told


def series_note(summary: RunSummary) -> str:
    """What intervals stand on, where there are no rounds."""
    batches = batch_count(summary)
    if batches:
        return (
            f"one round at one open rate is one series: {batches} batches of equal time act as its "
            "rounds (batch means)"
        )
    return (
        "one round, without batches that could act as rounds: nothing tells how alike turns are "
        "that follow each other, and intervals take them to be independent"
    )


def black_box_note(summary: RunSummary) -> str:
    """What the stages of an app under test are, and what its own time is; empty of other runs."""
    if not is_black_box(summary.variants):
        return ""
    if any(set(v.critical_ms) - {WHOLE_CALL, OWN_TIME} for v in summary.variants):
        return (
            "own time is the app's overhead and the way to it: what is left of its answer beside "
            "the calls that it waited for"
        )
    return "nothing tells what the app did within a turn: the mocks behind it told of no call"


def side_by_side(summary: RunSummary) -> list[Shift]:
    """What each strategy of a run of one round changed, or each value of a keyword; nothing where a
    run varied factors, or compared payment providers."""
    if pays_apart(summary.variants) or not (is_series(summary) or chosen(summary.variants)):
        return []
    return [shift for shift in summary.shifts if _points(shift)]


def side_sentences(summary: RunSummary) -> list[str]:
    """`pre-warming less baseline: p50 -388 ms [-397, -379], faster; p99 12 ms [-80, 90], cannot
    tell`, one a strategy."""
    names = {variant.name: label(variant) for variant in summary.variants}
    return [
        f"{names.get(shift.variant, shift.variant)} less "
        f"{names.get(shift.baseline, shift.baseline)}: {'; '.join(map(_said, _points(shift)))}"
        for shift in side_by_side(summary)
    ]


def side_note(summary: RunSummary) -> str:
    return (
        f"The {level_text(summary.level)} bounds hold for all percentiles of a strategy together; "
        "below 0 is faster."
    )


def print_side_by_side(summary: RunSummary, console: Console) -> None:
    """The answer of a run that played several strategies at one rate."""
    print_heading("Strategies side by side", console)
    for sentence in side_sentences(summary):
        print_hanging("-", Text(sentence), console)
    console.print(Text(side_note(summary), style="dim"))


def _points(shift: Shift) -> Sequence[ShiftPoint]:
    return [point for point in shift.points if point.quantile in AT]


def _said(point: ShiftPoint) -> str:
    figures = told(Change(point.ms, point.lo_ms, point.hi_ms), "ms")
    return f"{percentile(point.quantile)} {figures}, {_word(point)}"


def _word(point: ShiftPoint) -> str:
    if point.lo_ms is None or point.hi_ms is None:
        return "unknown"
    if point.hi_ms < 0:
        return "faster"
    return "slower" if point.lo_ms > 0 else "cannot tell"
