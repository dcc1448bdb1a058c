"""What each mitigation changes, as intervals against zero; it computes no effect."""

import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harness.record import EffectSummary, Rows, RunSummary
from harness.report.charts.page import BLUE, FAINT, GREY, INK, VERMILION, page_for
from harness.report.words import (
    Reading,
    effect_sentences,
    factor_name,
    interval,
    percentile,
    reading,
)

READING_COLOURS: dict[Reading, str] = {
    "saves": BLUE,
    "costs": VERMILION,
    "cannot tell": GREY,
    "too few rounds": GREY,
}
FINDINGS = ("saves", "costs")
READING_WORDS: dict[Reading, str] = {
    "saves": "saves",
    "costs": "costs (a pair: overlaps)",
    "cannot tell": "cannot tell (interval includes 0)",
    "too few rounds": "too few rounds",
}


def draw_effects(summary: RunSummary, rows: Rows) -> Figure:
    """What each mitigation and each pair changes, an interval a quantile, against zero."""
    effects = sorted(summary.effects, key=lambda effect: effect.factor.count(":"))
    factors = list(dict.fromkeys(effect.factor for effect in effects))
    quantiles = list(dict.fromkeys(effect.quantile for effect in effects))
    places = _places(factors, len(quantiles))
    depth = max(places.values(), default=0.0) + max(1, len(quantiles))
    page = page_for(0.95 + 0.22 * depth, _effects_title(effects), summary)
    axes = page.axes(0.345, 0.42, 0.55, 0.22 * depth, None)
    for factor, place in places.items():
        name, middle = textwrap.fill(factor_name(factor), 37), place + (len(quantiles) - 1) / 2
        axes.text(-0.785, middle, name, transform=axes.get_yaxis_transform(), va="center")
    for effect in effects:
        _draw_effect(axes, effect, places[effect.factor] + quantiles.index(effect.quantile))
    _finish_effects(axes, depth)
    seen = [what for what in READING_WORDS if any(reading(e) == what for e in effects)]
    page.explain([_reading_handle(what) for what in seen], [READING_WORDS[w] for w in seen])
    return page.figure


def _effects_title(effects: Sequence[EffectSummary]) -> str:
    singles = [e for e in effects if ":" not in e.factor]
    if not singles:
        return "No mitigation was varied"
    headline = [e for e in singles if e.quantile == singles[0].quantile]
    where = percentile(headline[0].quantile)
    saving = [e for e in headline if reading(e) == "saves"]
    if not saving:
        return f"No mitigation shows a saving at {where}"
    most = min(saving, key=lambda e: e.estimate_ms)
    sentence = effect_sentences([most])[0]
    rank = ", the largest saving" if len(saving) > 1 else ""
    return sentence[0].upper() + sentence[1:] + rank


def _places(factors: Sequence[str], quantiles: int) -> dict[str, float]:
    """The first row of each effect, counted down the chart, with more room before the pairs."""
    places, row = {}, 0.0
    for before, factor in zip([None, *factors], factors, strict=False):
        if before is not None:
            row += 1.5 if (":" in factor) != (":" in before) else 0.5
        places[factor] = row
        row += quantiles
    return places


def _draw_effect(axes: Axes, effect: EffectSummary, row: float) -> None:
    what = reading(effect)
    colour, found = READING_COLOURS[what], what in FINDINGS
    if effect.lo_ms is not None and effect.hi_ms is not None:
        axes.plot([effect.lo_ms, effect.hi_ms], [row, row], color=colour, linewidth=2.2)
    axes.plot(
        effect.estimate_ms, row, "o", color=colour, markersize=6,
        markerfacecolor=colour if found else "white",
    )  # fmt: skip
    beside = axes.get_yaxis_transform()
    figures = interval(effect.estimate_ms, effect.lo_ms, effect.hi_ms)
    figures = figures.replace("-", "\N{MINUS SIGN}")
    where = percentile(effect.quantile)
    axes.text(-0.03, row, where, transform=beside, ha="right", va="center")
    axes.text(1.04, row, figures, transform=beside, ha="left", va="center", color=colour)


def _finish_effects(axes: Axes, rows: float) -> None:
    axes.axvline(0, color=INK, linewidth=0.9, zorder=0)
    axes.set_ylim(rows - 0.4, -0.7)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.margins(x=0.06)
    axes.set_xlabel("change in response time, ms, with 95% intervals (below 0 saves)")


def _reading_handle(what: Reading) -> Line2D:
    colour, found = READING_COLOURS[what], what in FINDINGS
    return Line2D([], [], color=colour, marker="o", lw=2.2, mfc=colour if found else "white")
