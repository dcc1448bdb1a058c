"""What each mitigation changes, as intervals against zero; it computes no effect."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from harness.record import Columns, EffectSummary, RunSummary, Verdict
from harness.report.charts.page import (
    BLUE,
    FAINT,
    GREEN,
    GREY,
    INK,
    MARGIN_IN,
    PAPER,
    VERMILION,
    WIDTH_IN,
    Key,
    beside,
    over_lines,
    page_for,
    room_for,
)
from harness.report.charts.scales import milliseconds
from harness.report.words import (
    Unit,
    effect_sentences,
    factor_name,
    interval,
    judged_in,
    level_text,
    percentile,
    switch_word,
    tolerance_text,
)

ROW_IN = 0.2
AXIS_IN = 0.5
LEFT_IN = 0.62
BAND_ALPHA = 0.55
VERDICT_COLOURS: dict[Verdict, str] = {
    "improved": BLUE,
    "regressed": VERMILION,
    "unchanged": GREEN,
    "cannot tell": GREY,
    "unknown": GREY,
}
VERDICT_WORDS: dict[Verdict, str] = {
    "improved": "improved (a pair: reinforce)",
    "regressed": "regressed (a pair: overlap)",
    "unchanged": "unchanged",
    "cannot tell": "cannot tell",
    "unknown": "unknown: too few rounds or turns",
}
EXPLORATORY_WORDS = "cannot tell, so many asked at once"


class _Change(NamedTuple):
    """An effect on the scale that it was judged on."""

    estimate: float
    lo: float | None
    hi: float | None


def draw_effects(summary: RunSummary, columns: Columns) -> Figure:
    """What each mitigation and each interaction changes, an interval a quantile, against zero and
    the tolerance; the primary quantile comes first."""
    effects = sorted(summary.effects, key=lambda effect: effect.factor.count(":"))
    factors = list(dict.fromkeys(effect.factor for effect in effects))
    quantiles = _primary_first(effects, summary.primary)
    places = _places(factors, len(quantiles))
    depth = max(places.values(), default=0.0) + max(1, len(quantiles))
    unit = judged_in(summary.tolerance)
    page = page_for(ROW_IN * depth + AXIS_IN, _title(summary), summary, _key(summary))
    right_in = room_for(_figures(effect, unit) for effect in effects)
    axes = page.axes(LEFT_IN, right_in, AXIS_IN, ROW_IN * depth)
    for factor, place in places.items():
        axes.text(
            MARGIN_IN, place - 1, factor_name(factor), transform=beside(axes), va="center",
            weight="bold" if ":" not in factor else "normal", bbox=over_lines(),
        )  # fmt: skip
    for effect in effects:
        row = places[effect.factor] + quantiles.index(effect.quantile)
        _draw_effect(axes, effect, row, unit, WIDTH_IN - right_in + 0.12)
    _finish(axes, summary, depth, unit)
    return page.figure


def _title(summary: RunSummary) -> str:
    mains = [e for e in summary.effects if ":" not in e.factor]
    headline = [e for e in mains if e.quantile == summary.primary]
    where = percentile(summary.primary)
    if not mains:
        return "No mitigation was varied"
    saving = [e for e in headline if e.verdict == "improved"]
    if not saving:
        return f"No {switch_word(mains)} is known to save at {where}"
    most = min(saving, key=lambda e: _change(e, judged_in(summary.tolerance)).estimate)
    sentence = effect_sentences([most], summary.tolerance)[0]
    rank = ", the largest saving" if len(saving) > 1 else ""
    return sentence[0].upper() + sentence[1:] + rank


def _primary_first(effects: Sequence[EffectSummary], primary: float) -> list[float]:
    quantiles = sorted({effect.quantile for effect in effects})
    return sorted(quantiles, key=lambda quantile: quantile != primary)


def _places(factors: Sequence[str], quantiles: int) -> dict[str, float]:
    """The first row of each effect, counted down the chart below its name, with more room before
    interactions."""
    places, row = {}, 1.0
    for before, factor in pairwise([None, *factors]):
        if before is not None and factor is not None:
            row += 1.9 if (":" in factor) != (":" in before) else 1.4
        places[str(factor)] = row
        row += quantiles
    return places


def _change(effect: EffectSummary, unit: Unit) -> _Change:
    if unit == "%" and effect.percent is not None:
        return _Change(effect.percent, effect.percent_lo, effect.percent_hi)
    return _Change(effect.estimate_ms, effect.lo_ms, effect.hi_ms)


def _draw_effect(
    axes: Axes, effect: EffectSummary, row: float, unit: Unit, figures_in: float
) -> None:
    change, colour = _change(effect, unit), VERDICT_COLOURS[effect.verdict]
    if change.lo is not None and change.hi is not None:
        axes.plot([change.lo, change.hi], [row, row], color=colour, linewidth=2.2)
    axes.add_line(_mark(effect.verdict, effect.exploratory, [change.estimate], [row]))
    weight = "bold" if effect.primary else "normal"
    for at_in, text, tint in (
        (0.2, percentile(effect.quantile), INK),
        (figures_in, _figures(effect, unit), colour),
    ):
        axes.text(at_in, row, text, transform=beside(axes), va="center", color=tint, weight=weight)


def _figures(effect: EffectSummary, unit: Unit) -> str:
    change = _change(effect, unit)
    text = interval(change.estimate, change.lo, change.hi, unit)
    return text.replace("-", "\N{MINUS SIGN}")


def _mark(
    verdict: Verdict, exploratory: bool, x: Sequence[float] = (), y: Sequence[float] = ()
) -> Line2D:
    colour = VERDICT_COLOURS[verdict]
    return Line2D(
        x, y, color=colour, linewidth=2.2, marker="x" if verdict == "unknown" else "o",
        markersize=6, markeredgewidth=1.5, markerfacecolor=PAPER if exploratory else colour,
        zorder=3,
    )  # fmt: skip


def _key(summary: RunSummary) -> Key:
    """The verdicts that occur, and the tolerance where there is one."""
    found = {(e.verdict, e.exploratory) for e in summary.effects}
    key = [
        (_mark(verdict, hollow), EXPLORATORY_WORDS if hollow else words)
        for verdict, words in VERDICT_WORDS.items()
        for hollow in (False, True)
        if (verdict, hollow) in found
    ]
    marks: list[Artist] = [mark for mark, _ in key]
    words = [words for _, words in key]
    if summary.effects and summary.tolerance.amount:
        marks.append(Patch(facecolor=FAINT, alpha=BAND_ALPHA))
        words.append(f"too small to matter: {tolerance_text(summary.tolerance)} either way")
    return Key(marks, words)


def _finish(axes: Axes, summary: RunSummary, depth: float, unit: Unit) -> None:
    least = summary.tolerance.amount
    if least:
        axes.axvspan(-least, least, facecolor=FAINT, alpha=BAND_ALPHA, edgecolor="none", zorder=0)
    axes.axvline(0, color=INK, linewidth=0.9, zorder=0.6)
    axes.set_ylim(depth - 0.4, -0.4)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.margins(x=0.05)
    milliseconds(axes.xaxis)
    level = level_text(summary.effect_level)
    scale = "percent" if unit == "%" else "ms"
    axes.set_xlabel(f"change, {scale}, with {level} intervals (below 0 saves)")
