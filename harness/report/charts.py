"""A run's charts as SVG and PNG, the only importer of matplotlib; it never computes a verdict."""

import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullFormatter, PercentFormatter
from numpy.typing import NDArray

from harness.record import FAILED, EffectSummary, FlowRow, Rows, RunSummary, SpanRow, VariantSummary
from harness.report.words import (
    Reading,
    effect_sentences,
    factor_name,
    fastest,
    from_baseline,
    interval,
    label,
    percentile,
    reading,
    turn_count,
)

# Okabe and Ito's palette, which readers with any colour vision can tell apart.
BLUE, GREEN, ORANGE, VERMILION, PURPLE = (
    "#0072B2", "#009E73", "#E69F00", "#D55E00", "#CC79A7",
)  # fmt: skip
INK, GREY, FAINT = "#222222", "#767676", "#D5D5D5"

# Broad lines lie below thin ones and dashes are staggered, so that curves that coincide all stay
# in sight.
STRATEGY_LINES = {
    (False, False): (INK, 1.1),
    (False, True): (BLUE, 1.9),
    (True, False): (ORANGE, 2.7),
    (True, True): (GREEN, 3.6),
}
STAGE_COLOURS = {
    "intent": BLUE,
    "session": ORANGE,
    "pay": GREEN,
    "confirm": PURPLE,
    "key": VERMILION,
}
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
STYLE = {
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "hatch.linewidth": 0.6,
    "lines.scale_dashes": False,
    "svg.hashsalt": "tollbench",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
}
WIDTH_IN, ROW_IN, DPI = 8.4, 0.27, 120
BUDGETS_S = (1, 3, 5)
TICKS_S = (0.1, 0.2, 0.5, 1, 1.5, 2, 3, 4, 5, 7, 10, 20, 50, 100)
MOST_POINTS = 500
NEGLIGIBLE_SHARE = 0.002
HATCH = "/////"
SPAN_WORDS = ("on the critical path", "hidden behind it", "first byte")


class _Page(NamedTuple):
    """A figure whose body, `body_in` high, lies between a title and a footnote."""

    figure: Figure
    body_in: float
    foot_in: float

    def axes(
        self, left: float, width: float, above_in: float, height_in: float, sharex: Axes | None
    ) -> Axes:
        """Axes that begin `above_in` inches above the body's foot; left and width are shares."""
        whole = self.figure.get_figheight()
        box = (left, (self.foot_in + above_in) / whole, width, height_in / whole)
        return self.figure.add_axes(box, sharex=sharex)

    def explain(self, handles: Sequence[Artist], words: Sequence[str]) -> None:
        """One row of marks and their meaning at the top of the body."""
        y = (self.foot_in + self.body_in - 0.15) / self.figure.get_figheight()
        self.figure.legend(
            handles, words, loc="center left", bbox_to_anchor=(0.005, y), ncols=4, frameon=False
        )


class _Median(NamedTuple):
    """A strategy's median turn and its spans by stage, without stages too short to see."""

    variant: VariantSummary
    turn: FlowRow
    stages: dict[str, list[SpanRow]]


def draw_all(summary: RunSummary, rows: Rows, folder: Path) -> list[Path]:
    """Write every chart as SVG and PNG into an existing folder and return the paths."""
    return [path for name in CHARTS for path in draw(name, summary, rows, folder)]


def draw(name: str, summary: RunSummary, rows: Rows, folder: Path) -> list[Path]:
    """Write one of `CHARTS` as `<name>.svg` and `<name>.png`; the same run gives the same bytes."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(mpl.RcParams(STYLE))
        figure = CHARTS[name](summary, rows)
        svg, png = folder / f"{name}.svg", folder / f"{name}.png"
        figure.savefig(svg, metadata={"Date": None})
        figure.savefig(png, dpi=DPI)
    return [svg, png]


def draw_ecdf(summary: RunSummary, rows: Rows) -> Figure:
    """The share of turns answered within x, a line a strategy; a failed turn is never answered."""
    legend_in = 0.4 + 0.2 * ((len(summary.variants) + 1) // 2)
    page = _page(4.25 + legend_in, _ecdf_title(summary), summary)
    axes = page.axes(0.085, 0.89, 0.5 + legend_in, 3.4, None)
    times = _response_times(rows.flows)
    for variant in sorted(from_baseline(summary.variants), key=_printed_p50):
        answered, turns = times.get(variant.name, (np.array([]), 0))
        if len(answered):
            _draw_steps(axes, variant, answered, turns)
    known = [answered for answered, _ in times.values() if len(answered)]
    _finish_ecdf(axes, known)
    if known:
        page.figure.legend(
            loc="lower left", bbox_to_anchor=(0.075, page.foot_in / page.figure.get_figheight()),
            ncols=2, frameon=False, title="p50 and strategy", alignment="left",
        )  # fmt: skip
    return page.figure


def draw_effects(summary: RunSummary, rows: Rows) -> Figure:
    """What each mitigation and each pair changes, an interval a quantile, against zero."""
    effects = sorted(summary.effects, key=lambda effect: effect.factor.count(":"))
    factors = list(dict.fromkeys(effect.factor for effect in effects))
    quantiles = list(dict.fromkeys(effect.quantile for effect in effects))
    places = _places(factors, len(quantiles))
    depth = max(places.values(), default=0.0) + max(1, len(quantiles))
    page = _page(0.95 + 0.22 * depth, _effects_title(effects), summary)
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


def draw_waterfall(summary: RunSummary, rows: Rows) -> Figure:
    """The stages of a median turn: at the baseline, and with everything on that was tried."""
    ordered = from_baseline(summary.variants)
    medians = [_median(variant, rows) for variant in (*ordered[:1], *ordered[1:][-1:])]
    shown = [median for median in medians if median is not None and median.stages]
    above_in = 0.7 + sum(ROW_IN * len(m.stages) + 0.5 for m in shown)
    page = _page(above_in, _waterfall_title(shown), summary)
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
    _finish_waterfall(panels, [m.turn.response_ms for m in shown])
    return page.figure


CHARTS: dict[str, Callable[[RunSummary, Rows], Figure]] = {
    "ecdf": draw_ecdf,
    "effects": draw_effects,
    "waterfall": draw_waterfall,
}


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


def _page(body_in: float, title: str, summary: RunSummary) -> _Page:
    """An empty body with what is seen above it and what it rests on below it."""
    heading, note = textwrap.wrap(title, 78), _provenance(summary)
    head_in, foot_in = 0.2 + 0.2 * len(heading), 0.2 + 0.14 * len(note)
    height_in = head_in + body_in + foot_in
    figure = Figure(figsize=(WIDTH_IN, height_in))
    figure.text(
        0.015, 1 - 0.12 / height_in, "\n".join(heading), va="top", fontsize=11.5, weight="bold"
    )
    figure.text(
        0.015, 0.1 / height_in, "\n".join(note), va="bottom", fontsize=7.5,
        color=GREY if summary.valid else VERMILION,
    )  # fmt: skip
    return _Page(figure, body_in, foot_in)


def _provenance(summary: RunSummary) -> list[str]:
    reasons = "; ".join(summary.invalid_because)
    facts = [
        "valid run" if summary.valid else f"INVALID RUN: {reasons}",
        summary.scenario,
        f"{summary.clock} clock, {summary.endpoints} endpoints",
        f"seed {summary.seed}",
    ]
    if summary.variants:
        facts.append(f"{turn_count([v.turns for v in summary.variants])} a strategy")
    facts.append(f"{summary.rounds_finished} of {summary.rounds} rounds")
    facts += [f"{summary.health.failed} failed"] if summary.health.failed else []
    return textwrap.wrap("  |  ".join(facts), 142)


def _ecdf_title(summary: RunSummary) -> str:
    first, best = from_baseline(summary.variants)[:1], fastest(summary.variants)
    told = [_told(v.p50_ms, v) for v in (*best[:1], *first) if v.p50_ms is not None]
    if not told:
        return "Response time of every turn, by strategy"
    return f"Median response time: {', '.join(dict.fromkeys(told))}"


def _told(ms: float, variant: VariantSummary) -> str:
    return f"{ms:.0f}\N{NO-BREAK SPACE}ms under {label(variant)}"


def _printed_p50(variant: VariantSummary) -> float:
    return np.inf if variant.p50_ms is None else round(variant.p50_ms)


def _response_times(flows: Iterable[FlowRow]) -> dict[str, tuple[NDArray[np.float64], int]]:
    """A strategy's sorted response times of answered turns, in seconds, and its count of turns."""
    answered: dict[str, list[float]] = {}
    turns: dict[str, int] = {}
    for flow in flows:
        turns[flow.variant] = turns.get(flow.variant, 0) + 1
        times = answered.setdefault(flow.variant, [])
        if flow.outcome not in FAILED:
            times.append(flow.response_ms / 1000)
    return {name: (np.sort(np.array(answered[name])), n) for name, n in turns.items()}


def _draw_steps(
    axes: Axes, variant: VariantSummary, answered: NDArray[np.float64], turns: int
) -> None:
    ranks = np.arange(len(answered))
    if len(ranks) > MOST_POINTS:
        ranks = np.linspace(0, len(answered) - 1, MOST_POINTS).round().astype(np.int64)
    colour, width = STRATEGY_LINES[variant.prewarm, variant.token_cache]
    median = "" if variant.p50_ms is None else f"{variant.p50_ms:.0f} ms  "
    axes.plot(
        np.concatenate((answered[:1], answered[ranks])),
        np.concatenate(([0.0], (ranks + 1) / turns)),
        drawstyle="steps-post",
        color=colour,
        linewidth=width,
        linestyle=(2.2 * width, (6, 2.4)) if variant.parallel_confirm else "solid",
        zorder=3 - 0.1 * width,
        label=f"{median}{label(variant)}",
    )


def _finish_ecdf(axes: Axes, times: Sequence[NDArray[np.float64]]) -> None:
    axes.set_xscale("log")
    axes.set_xticks(TICKS_S)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    quickest = min((t[0] for t in times), default=BUDGETS_S[0])
    slowest = max((t[-1] for t in times), default=BUDGETS_S[-1])
    axes.set_xlim(min(quickest, BUDGETS_S[0]) * 0.93, max(slowest, BUDGETS_S[-1]) * 1.05)
    axes.set_ylim(0, 1)
    axes.set_xlabel("response time from the due time, s (log scale)")
    axes.set_ylabel("share of all turns answered")
    for budget in BUDGETS_S:
        axes.axvline(budget, color=GREY, linewidth=0.9, linestyle=(0, (1, 2)), zorder=0)
        axes.annotate(
            f"{budget} s budget", (budget, 1), (0, 4), textcoords="offset points",
            xycoords=("data", "axes fraction"), ha="center", color=GREY, fontsize=8,
        )  # fmt: skip
    axes.set_yticks([0, 0.25, 0.5, 0.75, 0.95, 1])
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(axis="y", color=FAINT, linewidth=0.6)


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
    told = [_told(m.turn.response_ms, m.variant) for m in shown]
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
    total = median.turn.response_ms
    axes.axvline(total, color=INK, linewidth=1.2)
    axes.annotate(
        f"{total:.0f} ms", (total, 1), (0, 4), textcoords="offset points", fontsize=9.5,
        xycoords=("data", "axes fraction"), ha="center", weight="bold",
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


def _finish_waterfall(panels: Sequence[Axes], totals: Sequence[float]) -> None:
    if not panels:
        return
    left = min(0.0, *(axes.dataLim.x0 for axes in panels))
    panels[0].set_xlim(left, max(totals) * 1.16)
    for axes in panels:
        axes.grid(axis="x", color=FAINT, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.tick_params(axis="x", labelbottom=axes is panels[-1])
    panels[-1].set_xlabel("time since the turn was due, ms (one actual turn a panel)")
