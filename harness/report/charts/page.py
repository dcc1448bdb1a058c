"""The page that every chart is drawn on: palette, style, title, legend and footnote; it draws no
data.

All of a chart but its data is in four colours, `INK`, `GREY`, `FAINT` and `PAPER`: a reader of the
SVG may replace these by others where its own page is dark.
"""

import textwrap
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Transform, blended_transform_factory

from harness.record import RunSummary, VariantSummary
from harness.report.words import label, pays_apart, turn_count

# Okabe and Ito's palette, which readers with any colour vision can tell apart.
BLUE, GREEN, ORANGE, VERMILION, PURPLE = (
    "#0072B2", "#009E73", "#E69F00", "#D55E00", "#CC79A7",
)  # fmt: skip
SKY = "#56B4E9"
INK, GREY, FAINT, PAPER = "#222222", "#767676", "#D5D5D5", "#FFFFFF"
STYLE = {
    "font.size": 9.5,
    "font.sans-serif": ["DejaVu Sans", "Verdana"],
    "axes.axisbelow": True,
    "axes.edgecolor": GREY,
    "axes.facecolor": "none",
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.unicode_minus": True,
    "figure.facecolor": "none",
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
    "lines.scale_dashes": False,
    "svg.fonttype": "none",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
}
"""Text stays text in an SVG, to be found and read aloud. The first font comes with matplotlib; the
second is as wide."""
WIDTH_IN = 5.6
"""At this width the text can still be read where the whole is scaled to a phone's."""
MARGIN_IN = 0.08
SCALE_IN = 0.8
"""Room at the left for figures of five digits and what they are."""
FIGURES_IN = 1.78
"""Room at the right for an interval of three digits, and more where its figures are longer."""
SMALL = 8.5
KEY_ROW_IN = 0.19
CHARACTER_IN = 0.077
"""A little more than the usual, of text in the style's size."""
FIGURE_IN = 0.087
"""The same of figures in bold."""


class Key(NamedTuple):
    """The marks of a chart and what they mean."""

    marks: Sequence[Artist] = ()
    words: Sequence[str] = ()
    title: str = ""

    @property
    def columns(self) -> int:
        widest = 0.6 + CHARACTER_IN * max(map(len, self.words), default=1)
        return max(1, min(len(self.words), 3, int(WIDTH_IN / widest)))

    @property
    def height_in(self) -> float:
        rows = -(-len(self.words) // self.columns)
        return rows and KEY_ROW_IN * (rows + bool(self.title)) + 0.1


class Page(NamedTuple):
    """A figure with a body between its title above and its legend and footnote below."""

    figure: Figure
    foot_in: float

    def axes(
        self,
        left_in: float,
        right_in: float,
        above_in: float,
        height_in: float,
        sharex: Axes | None = None,
    ) -> Axes:
        """Axes that begin so far from either side of the page and above the body's foot."""
        width, height = self.figure.get_figwidth(), self.figure.get_figheight()
        box = (
            left_in / width,
            (self.foot_in + above_in) / height,
            (width - left_in - right_in) / width,
            height_in / height,
        )
        return self.figure.add_axes(box, sharex=sharex)


def page_for(body_in: float, title: str, summary: RunSummary, key: Key | None = None) -> Page:
    """An empty body with what is seen above it, and below it what it means and rests on."""
    key = key or Key()
    heading, note = textwrap.wrap(title, 60), _provenance(summary)
    head_in, note_in = 0.16 + 0.19 * len(heading), 0.12 + 0.145 * len(note)
    height_in = head_in + body_in + key.height_in + note_in
    figure = Figure(figsize=(WIDTH_IN, height_in))
    left = MARGIN_IN / WIDTH_IN
    figure.text(
        left, 1 - 0.08 / height_in, "\n".join(heading), va="top", fontsize=10.5, weight="bold"
    )
    figure.text(
        left, 0.06 / height_in, "\n".join(note), va="bottom", fontsize=SMALL,
        color=GREY if summary.valid else VERMILION,
    )  # fmt: skip
    if key.words:
        figure.legend(
            key.marks, key.words, title=key.title or None, ncols=key.columns, alignment="left",
            loc="upper left", bbox_to_anchor=(left, (note_in + key.height_in) / height_in),
            borderpad=0, borderaxespad=0, labelspacing=0.42, columnspacing=1.4,
        )  # fmt: skip
    return Page(figure, note_in + key.height_in)


def room_for(figures: Iterable[str]) -> float:
    """Inches that the longest of these needs at the right of the page, 0.12 of them before it."""
    longest = max(map(len, figures), default=0)
    return max(FIGURES_IN, 0.12 + FIGURE_IN * longest + MARGIN_IN)


def beside(axes: Axes) -> Transform:
    """For text beside the axes: inches from the page's left edge, and the data's own height."""
    page = axes.get_figure(root=True)
    assert page is not None
    return blended_transform_factory(page.dpi_scale_trans, axes.transData)


def over_lines() -> dict[str, object]:
    """The `bbox` of text that rules and grid lines would run through."""
    return {"facecolor": PAPER, "edgecolor": "none", "pad": 0.8}


def told_of(ms: float, variant: VariantSummary) -> str:
    return f"{ms:.0f}\N{NO-BREAK SPACE}ms under {label(variant)}"


def _provenance(summary: RunSummary) -> list[str]:
    reasons = "; ".join(summary.invalid_because)
    facts = [
        "valid run" if summary.valid else f"INVALID RUN: {reasons}",
        summary.scenario,
        f"{summary.clock} clock, {summary.endpoints} endpoints",
        f"seed {summary.seed}",
    ]
    if summary.variants:
        whom = "provider" if pays_apart(summary.variants) else "strategy"
        facts.append(f"{turn_count([v.turns for v in summary.variants])} a {whom}")
    facts.append(f"{summary.rounds_finished} of {summary.rounds} rounds")
    facts += [f"{summary.health.failed} failed"] if summary.health.failed else []
    return textwrap.wrap(" | ".join(facts), 84)
