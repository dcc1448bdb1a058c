"""How strategies, providers and stages look, the same on every chart; it knows no figure."""

from collections.abc import Sequence
from itertools import cycle
from typing import NamedTuple

from matplotlib.lines import Line2D

from harness.record import VariantSummary
from harness.report.charts.page import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    Key,
)
from harness.report.words import FACTORS, apart, from_baseline, label, switched_on, varied

PAYER_COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, INK, SKY, GREY)
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
    "dns": GREY,
    "tcp": SKY,
    "tls": VERMILION,
    "preconnect": ORANGE,
}

# Broad lines lie below thin ones and dashes are staggered, so that curves that coincide all stay
# in sight.
STRATEGY_LINES = {
    (False, False): (INK, 1.1),
    (False, True): (BLUE, 1.9),
    (True, False): (ORANGE, 2.7),
    (True, True): (GREEN, 3.6),
}


class Line(NamedTuple):
    colour: str
    width: float
    dashed: bool

    def drawn(self, x: Sequence[float] = (), y: Sequence[float] = ()) -> Line2D:
        """The line through these points, or for a legend."""
        line = Line2D(x, y, color=self.colour, linewidth=self.width)
        if self.dashed:
            line.set_linestyle((2.2 * self.width, (6.0, 2.4)))
        return line

    @property
    def depth(self) -> float:
        return 3 - 0.1 * self.width


CONTEXT = Line(GREY, 0.7, False)
"""Of strategies that are there for comparison."""


def lines_of(variants: Sequence[VariantSummary]) -> dict[str, Line]:
    """How each variant is drawn: by what is on in it, or by its place among the providers. Flags of
    the user's own are drawn as the mitigations are, the first three of them."""
    flags = [factor for factor in varied(variants) if factor not in FACTORS]
    if apart(variants) or len(varied(variants)) > len(FACTORS):
        colours = cycle(PAYER_COLOURS)
        return {v.name: Line(next(colours), 1.8, False) for v in variants}
    if flags:
        places = [*varied(variants), "", ""][:3]
        return {v.name: _line([of in switched_on(v) for of in places]) for v in variants}
    return {
        v.name: Line(*STRATEGY_LINES[v.prewarm, v.token_cache], v.parallel_confirm)
        for v in variants
    }


def _line(on: Sequence[bool]) -> Line:
    return Line(*STRATEGY_LINES[on[0], on[1]], on[2])


def highlighted(variants: Sequence[VariantSummary]) -> list[VariantSummary]:
    """Those that tell the story where all would be too many: the baseline, each mitigation alone
    and all of them; every provider."""
    ordered = from_baseline(variants)
    if apart(variants):
        return ordered
    most = len(varied(variants))
    return [v for v in ordered if len(switched_on(v)) <= 1 or len(switched_on(v)) >= most]


def key_of(
    shown: Sequence[VariantSummary], lines: dict[str, Line], others: bool, title: str = ""
) -> Key:
    """A legend of these variants, and of the grey lines of the others where there are some."""
    marks = [lines[v.name].drawn() for v in shown] + [CONTEXT.drawn()] * others
    return Key(marks, [label(v) for v in shown] + ["other combinations"] * others, title)
