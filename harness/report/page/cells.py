"""A table as data, each figure beside its place in run.json; nothing here computes or draws one."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from harness.record import QuantileSummary
from harness.report.words import N_TOO_SMALL, NEVER, Unit, interval, point_text, rounded

MINUS = "\N{MINUS SIGN}"
UNKNOWN = "unknown"
_FIGURE = re.compile(rf"[{MINUS}]?\d|<|about \d|{UNKNOWN}$|{NEVER}$|{N_TOO_SMALL}$|none was made$")


@dataclass(frozen=True, slots=True)
class Cell:
    """Some text, and where in run.json its numbers lie, in the order in which it tells them.

    A place is a JSON pointer (RFC 6901), in the form that has no blanks: `/variants/0/slo/1s`.
    """

    text: str
    run: tuple[str, ...] = ()
    times: float = 1.0
    """What the numbers of run.json are multiplied by to be those told."""
    verdict: str = ""
    """Set where the text is a verdict, which is shown as one."""
    derived: bool = False
    """Computed from numbers of run.json, and not one of them."""


@dataclass(frozen=True, slots=True)
class Table:
    """The first cell of a row names it; the header has as many cells as each row."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""

    @property
    def figures(self) -> tuple[bool, ...]:
        """Whether each column holds figures, which are read from their right end."""
        return tuple(
            any(cell.text for cell in column)
            and all(_FIGURE.match(cell.text) or not cell.text for cell in column)
            for column in zip(*self.rows, strict=True)
        ) or (False,) * len(self.header)


def table(
    caption: str, header: Sequence[str], rows: Iterable[Sequence[Cell]], note: str = ""
) -> Table:
    return Table(caption, tuple(header), tuple(map(tuple, rows)), note)


def place(*steps: str | int) -> str:
    """`("files", "flows.parquet")` as `/files/flows.parquet`."""
    told = (str(step).replace("~", "~0").replace("/", "~1") for step in steps)
    return "".join(f"/{quote(step)}" for step in told)


def within(at: str, *names: str) -> tuple[str, ...]:
    """The places of these fields of the struct at `at`."""
    return tuple(at + place(name) for name in names)


def count(number: int, at: str) -> Cell:
    return Cell(f"{number:,}", (at,))


def ms(figure: float | None, at: str, decimals: int | None = None) -> Cell:
    """One figure, to the millisecond or as told."""
    if figure is None:
        return Cell(UNKNOWN, (at,))
    text = rounded([figure])[0] if decimals is None else f"{figure:z.{decimals}f}"
    return Cell(with_minus(text), (at,))


def change(
    estimate: float, lo: float | None, hi: float | None, run: tuple[str, ...], unit: Unit = "ms"
) -> Cell:
    """`-388 [-397, -379]` of an estimate and its bounds."""
    return Cell(with_minus(interval(estimate, lo, hi, unit)), run)


def point(of: QuantileSummary, turns: int, at: str) -> Cell:
    """`3812 [3768, 3861]`, or why there is no such figure."""
    return Cell(point_text(of, turns), within(at, "ms", "lo_ms", "hi_ms"))


def share(part: float | None, at: str) -> Cell:
    """A percentage that says 100 % only of every turn, and 0 % only of none."""
    if part is None:
        return Cell(UNKNOWN, (at,), 100)
    if part in (0.0, 1.0):
        return Cell(f"{part:.0%}", (at,), 100)
    return Cell(f"{min(max(part, 0.001), 0.999):.1%}", (at,), 100)


def money(minor: float, at: str, decimals: int = 2) -> Cell:
    """Minor units as CNY."""
    return Cell(f"{minor / 100:,.{decimals}f}", (at,), 0.01)


def probability(p: float | None, at: str) -> Cell:
    """Three decimals; below the least that so many tell, only that it is below."""
    if p is None:
        return Cell("", ())
    return Cell("<\N{NO-BREAK SPACE}0.001" if p < 0.001 else f"{p:.3f}", (at,))


def name_of(text: str) -> Cell:
    return Cell(text)


def with_minus(text: str) -> str:
    """The same, with real minus signs before its numbers."""
    return re.sub(r"(?<![\w.])-(?=\d)", MINUS, text)
