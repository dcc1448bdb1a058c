"""Changes as intervals against zero, drawn in characters on one scale; it never judges one."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from harness.record import Tolerance, Verdict
from harness.report.words import (
    ANY_CHANGE,
    Change,
    Unit,
    judged_in,
    told,
    written,
)

VERDICT_STYLES: dict[Verdict, str] = {"improved": "green", "regressed": "red"}
OTHER_STYLE = "dim"
LEAST_PLOT = 9


@dataclass(frozen=True, slots=True)
class Row:
    """A change on both scales, beside a label of any lines; None where it is not known."""

    label: tuple[str, ...]
    ms: Change | None
    percent: Change | None
    verdict: Verdict
    word: str
    """The verdict as it is printed."""


@dataclass(frozen=True, slots=True)
class Forest:
    """A line of characters for each change, all of one width, and the scale below them."""

    lines: list[str]
    scale: str


@dataclass(frozen=True, slots=True)
class Glyphs:
    """What it is drawn with, a character each."""

    left: str
    right: str
    bar: str
    middle: str
    zero: str
    crossed: str
    edge: str


PRETTY = Glyphs(left="├", right="┤", bar="─", middle="●", zero="│", crossed="┼", edge=":")
ASCII = Glyphs(left="|", right="|", bar="-", middle="o", zero="|", crossed="+", edge=":")


def print_forest(
    rows: Sequence[Row | str], console: Console, tolerance: Tolerance = ANY_CHANGE
) -> None:
    """The rows, at least one, and headings between them over the whole width: a label, the plot,
    figures and the verdict. What was judged is drawn; the figures on the other scale stand below.
    """
    unit = judged_in(tolerance)
    drawn = [row for row in rows if isinstance(row, Row)]
    beside = {id(row): _figures(row, unit) for row in drawn}
    labels = max(len(line) for row in drawn for line in row.label)
    figures = max(len(line) for lines in beside.values() for line in lines)
    plot = forest(
        [_on(row, unit) for row in drawn],
        max(LEAST_PLOT, console.width - labels - figures - max(len(r.word) for r in drawn) - 4),
        unit=unit,
        tolerance=tolerance.amount,
        glyphs=ASCII if console.options.ascii_only else PRETTY,
    )
    lines = iter(plot.lines)
    for row in rows:
        if isinstance(row, str):
            _print(Text(row), console)
            continue
        line, style = next(lines), VERDICT_STYLES.get(row.verdict, OTHER_STYLE)
        first, second, *more = [*row.label, ""] if len(row.label) < 2 else row.label
        above, below = (f"{text:>{figures}}" for text in beside[id(row)])
        whole = (f"{first:{labels}} ", (line, style), f" {above}  ", (row.word, style))
        _print(Text.assemble(*whole), console)
        blank = " " * len(line)
        if (second + below).strip():
            _print(Text.assemble(f"{second:{labels}} {blank} ", (below, OTHER_STYLE)), console)
        for rest in more:
            _print(Text(rest), console)
    name = "ms" if unit == "ms" else "percent"
    _print(Text(f"{name:>{labels}} {plot.scale}", style="dim"), console)


def forest(
    changes: Sequence[Change | None],
    width: int,
    *,
    unit: Unit,
    tolerance: float = 0.0,
    glyphs: Glyphs = PRETTY,
) -> Forest:
    """The changes as `├──●──┤` against a line at zero and, where they are apart from it, the edges
    of the tolerance at either side.

    All of them, zero and both edges lie within the width, which is at least 3. An interval that is
    too short for its ends is its estimate alone, and a change that is not known is left blank.
    """
    known = [x for c in changes if c for x in (c.estimate, c.lo, c.hi) if x is not None]
    axis = _Axis(min([-tolerance, *known]), max([tolerance, *known]), width)
    lines = [_line(change, axis, tolerance, glyphs) for change in changes]
    return Forest(lines, _scale(axis, unit))


@dataclass(frozen=True, slots=True)
class _Axis:
    low: float
    high: float
    width: int

    def column(self, x: float) -> int:
        span = self.high - self.low
        if not span:  # Nothing but zeros.
            return self.width // 2
        return round((x - self.low) / span * (self.width - 1))


def _line(change: Change | None, axis: _Axis, tolerance: float, glyphs: Glyphs) -> str:
    cells, zero = [" "] * axis.width, axis.column(0.0)
    for edge in (-tolerance, tolerance):
        cells[axis.column(edge)] = glyphs.edge
    cells[zero] = glyphs.zero
    if change and change.lo is not None and change.hi is not None:
        first, last = axis.column(change.lo), axis.column(change.hi)
        for at in range(first, last + 1):
            cells[at] = glyphs.crossed if at == zero else glyphs.bar
        cells[first], cells[last] = glyphs.left, glyphs.right
    if change:
        cells[axis.column(change.estimate)] = glyphs.middle
    return "".join(cells)


def _scale(axis: _Axis, unit: Unit) -> str:
    """Both ends and zero; zero has the first right to its place."""
    ends = written([axis.low, axis.high], unit)
    zero = axis.column(0.0)
    cells = [" "] * axis.width
    cells[zero] = "0"
    if axis.low == axis.high:
        return "".join(cells)
    for text, start in ((ends[0], 0), (ends[1], axis.width - len(ends[1]))):
        taken = range(max(0, start - 1), min(axis.width, start + len(text) + 1))
        if start >= 0 and zero not in taken:
            cells[start : start + len(text)] = text
    return "".join(cells)


def _figures(row: Row, unit: Unit) -> tuple[str, str]:
    """On the scale that was judged, and on the other."""
    ms, percent = told(row.ms, "ms"), told(row.percent, "%")
    return (ms, percent) if unit == "ms" else (percent, ms)


def _on(row: Row, unit: Unit) -> Change | None:
    return row.ms if unit == "ms" else row.percent


def _print(line: Text, console: Console) -> None:
    line.rstrip()
    console.print(line, soft_wrap=True)
