"""Every turn of a run in the order in which it was due, and which strategy it belonged to; it
smooths nothing."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from harness.record import Columns, FloatArray, IntArray, RunSummary, Turns, VariantSummary
from harness.report.charts.page import BLUE, FAINT, GREY, PAPER, SMALL, VERMILION, Key, page_for
from harness.report.charts.scales import SECONDS
from harness.report.words import FACTORS, apart, factor_name, from_baseline, switched_on

MAP_IN, ROW_IN, GAP_IN, AXIS_IN = 2.4, 0.17, 0.3, 0.5
LEAST_COLUMNS, MOST_COLUMNS, LEVELS = 30, 160, 40
TURNS_A_COLUMN = 25
MOST_MARKED_ROUNDS = 40
LONGEST_NAME = 30
FAINTEST = 0.2
"""The opacity of a cell with one turn: it must still be seen."""
INITIALS = {"prewarm": "P", "token_cache": "T", "parallel_confirm": "C"}

Image = npt.NDArray[np.float64]


class _Order(NamedTuple):
    """The turns as they were due, round after round."""

    rows: IntArray
    starts: IntArray
    """The place of each round's first turn."""
    rounds: IntArray

    def columns(self, most: int) -> IntArray:
        """Which of so many columns each turn stands in, all of them as wide."""
        turns = len(self.rows)
        return np.arange(turns) * min(turns, most) // max(1, turns)


def draw_heat(summary: RunSummary, columns: Columns) -> Figure:
    """Above the response times of all strategies together, a column a stretch of the run; below
    it a row a strategy, with its turns where they came: interleaved rows are filled evenly."""
    turns, shown = columns.turns, from_baseline(summary.variants)
    order = _order(turns)
    names = _names(shown)
    failed = bool(turns.failed.any())
    strip_in = ROW_IN * (len(names) + failed)
    page = page_for(
        AXIS_IN + strip_in + GAP_IN + MAP_IN + 0.08,
        "Response time of every turn, in the order they were due", summary,
        _key(failed, turns),
    )  # fmt: skip
    left_in = max(0.6, 0.2 + 0.08 * max(map(len, names), default=0))
    upper = page.axes(left_in, 0.12, AXIS_IN + strip_in + GAP_IN, MAP_IN)
    lower = page.axes(left_in, 0.12, AXIS_IN, max(strip_in, ROW_IN), upper)
    _draw_map(upper, turns, order)
    _draw_strip(lower, [v.name for v in shown], names, turns, order)
    _finish(upper, lower, order, shown)
    return page.figure


def _order(turns: Turns) -> _Order:
    rows = np.lexsort((turns.due_s, turns.round))
    rounds, starts = np.unique(turns.round[rows], return_index=True)
    return _Order(rows, starts, rounds)


def _names(shown: Sequence[VariantSummary]) -> list[str]:
    """Initials for strategies, whose labels are long."""
    if len(shown) == 1:
        return ["turns"]
    if apart(shown):
        return [_shortened(variant.name) for variant in shown]
    initials = _initials(shown)
    return [
        "".join(initials[factor] for factor in switched_on(v)) or "none"
        if v.name in ("baseline", "+".join(switched_on(v)))
        else v.name
        for v in shown
    ]


def _shortened(name: str) -> str:
    """Without its middle, which names of models have most in common."""
    half = LONGEST_NAME // 2
    return name if len(name) <= LONGEST_NAME else f"{name[: half - 1]}…{name[-half:]}"


def _initials(shown: Sequence[VariantSummary]) -> dict[str, str]:
    """A letter a mitigation; of a flag of the user's own its first one, or its whole name where
    another goes by that letter."""
    initials: dict[str, str] = dict(INITIALS)
    for factor in dict.fromkeys(factor for v in shown for factor in switched_on(v)):
        letter = factor[0].upper()
        initials.setdefault(factor, f" {factor} " if letter in initials.values() else letter)
    return initials


def _key(failed: bool, turns: Turns) -> Key:
    marks, words = [Patch(facecolor=BLUE)], ["turns: the stronger, the more"]
    if turns.cold.any():
        marks.append(Patch(facecolor=GREY))
        words.append("cold: a session had to be opened")
    if failed:
        marks.append(Patch(facecolor=VERMILION))
        words.append("failed, above in no cell")
    return Key(marks, words)


def _draw_map(axes: Axes, turns: Turns, order: _Order) -> None:
    answered = ~turns.unanswered[order.rows]
    if not answered.any():
        axes.set_ylim(0, 1)
        axes.set_yticks([])
        return
    logs = np.log10(np.maximum(turns.response_ms[order.rows][answered] / 1000, 1e-6))
    low, high = float(logs.min()) - 0.01, float(logs.max()) + 0.01
    level = ((logs - low) / (high - low) * LEVELS).astype(np.int64)
    column = order.columns(max(LEAST_COLUMNS, min(MOST_COLUMNS, len(order.rows) // TURNS_A_COLUMN)))
    counts = np.zeros((LEVELS, int(column[-1]) + 1))
    np.add.at(counts, (level, column[answered]), 1)
    image = _painted(np.log1p(counts) / np.log1p(counts.max()), counts > 0)
    image[..., :3] = to_rgb(BLUE)
    _show(axes, image, (0, len(order.rows), low, high))
    inside = [s for s in SECONDS if low <= np.log10(s) <= high]
    axes.set_yticks([float(np.log10(s)) for s in inside], [f"{s:g}" for s in inside])


def _draw_strip(
    axes: Axes, variants: Sequence[str], names: Sequence[str], turns: Turns, order: _Order
) -> None:
    failed, cold = turns.failed[order.rows], turns.cold[order.rows]
    column = order.columns(MOST_COLUMNS)
    rows = max(1, len(names) + bool(failed.any()))
    image = np.zeros((rows, max(1, int(column.max(initial=0)) + 1), 4))
    for row, variant in enumerate(variants):
        own = turns.variant.holds(variant)[order.rows]
        image[row] = _strip(*(_counts(column[w], image) for w in (own, own & cold)))
    if failed.any():
        counts = _counts(column[failed], image)
        image[-1] = _painted(counts / counts.max(), counts > 0)
        image[-1, :, :3] = to_rgb(VERMILION)
    _show(axes, image[::-1], (0, max(1, len(order.rows)), rows - 0.5, -0.5))
    axes.set_ylim(rows - 0.5, -0.5)
    for row in range(1, rows):
        axes.axhline(row - 0.5, color=PAPER, linewidth=1.5)
    axes.set_yticks(range(len(names)), names, fontsize=SMALL)
    if failed.any():
        axes.set_yticks(range(rows), [*names, "failed"], fontsize=SMALL)
    axes.tick_params(axis="y", length=0)


def _counts(column: IntArray, image: Image) -> FloatArray:
    """Turns in each column of the image."""
    return np.bincount(column, minlength=image.shape[1]).astype(np.float64)


def _strip(turns: FloatArray, cold: FloatArray) -> Image:
    """A strategy's row: as strong as it has turns in a column, as grey as they are cold."""
    strip = _painted(turns / max(1.0, turns.max()), turns > 0)
    share = (cold / np.maximum(turns, 1))[:, None]
    strip[:, :3] = share * np.array(to_rgb(GREY)) + (1 - share) * np.array(to_rgb(BLUE))
    return strip


def _painted(shades: FloatArray, anything: npt.NDArray[np.bool_]) -> Image:
    """Only how opaque each cell is, so that it is as strong on white as on black."""
    image = np.zeros((*shades.shape, 4))
    image[..., 3] = np.where(anything, FAINTEST + (1 - FAINTEST) * shades, 0)
    return image


def _show(axes: Axes, image: Image, extent: tuple[float, float, float, float]) -> None:
    axes.imshow(image, extent=extent, aspect="auto", origin="lower", interpolation="none")


def _finish(upper: Axes, lower: Axes, order: _Order, shown: Sequence[VariantSummary]) -> None:
    starts = [float(start) for start in order.starts]
    if len(starts) <= MOST_MARKED_ROUNDS:
        for axes in (upper, lower):
            axes.vlines(starts[1:], 0, 1, transform=axes.get_xaxis_transform(), color=FAINT, lw=0.6)
    step = max(1, -(-len(starts) // 10))
    lower.set_xticks(starts[::step], [f"{round_ + 1}" for round_ in order.rounds[::step]])
    upper.tick_params(axis="x", labelbottom=False)
    upper.set_xlim(0, max(1, len(order.rows)))
    upper.set_ylabel("response time, s (log)")
    lower.set_xlabel("turns in the order they were due, by round")
    on = dict.fromkeys(factor for variant in shown for factor in switched_on(variant))
    initials = _initials(shown)
    ordered = [of for of in (*FACTORS, *on) if of in on]
    told = [f"{initials[f].strip()} {factor_name(f)}" for f in dict.fromkeys(ordered)]
    if told:
        lower.annotate(
            f"whose turns they are: {', '.join(told)}", (1, 1), (0, 4), ha="right",
            xycoords="axes fraction", textcoords="offset points", fontsize=SMALL, color=GREY,
        )  # fmt: skip
