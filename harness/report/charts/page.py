"""The page that every chart is drawn on: palette, style, title and footnote; it draws no data."""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.record import RunSummary, VariantSummary
from harness.report.words import label, pays_apart, turn_count

# Okabe and Ito's palette, which readers with any colour vision can tell apart.
BLUE, GREEN, ORANGE, VERMILION, PURPLE = (
    "#0072B2", "#009E73", "#E69F00", "#D55E00", "#CC79A7",
)  # fmt: skip
SKY = "#56B4E9"
INK, GREY, FAINT = "#222222", "#767676", "#D5D5D5"
PAYER_COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, INK, SKY, GREY)
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
WIDTH_IN = 8.4


class Page(NamedTuple):
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


def page_for(body_in: float, title: str, summary: RunSummary) -> Page:
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
    return Page(figure, body_in, foot_in)


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
    return textwrap.wrap("  |  ".join(facts), 142)
