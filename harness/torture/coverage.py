"""How often which fault struck at which stage under which strategy, and what was struck too seldom.

It counts what it is told; the table of it is text.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from harness.faults import FAULTS, MODEL_STAGES, MONEY_STAGES, STAGES, Fault
from harness.torture.reach import Cell

BLOCKS: tuple[tuple[str, ...], ...] = (
    (*MODEL_STAGES, "session", "refresh", "key"),
    MONEY_STAGES,
)
"""The columns of each part of the table: all side by side are wider than a terminal."""

_NAME_WIDTH, _WIDTH = 18, 8


@dataclass(slots=True)
class Coverage:
    """Strikes by cell and strategy."""

    struck: Counter[tuple[Fault, str, str]] = field(default_factory=Counter)

    def add(self, other: "Coverage") -> None:
        self.struck.update(other.struck)

    @property
    def total(self) -> int:
        return self.struck.total()

    def least(self, cell: Cell, strategies: Sequence[str]) -> int:
        """In whichever strategy it struck the fewest times."""
        return min(self.struck[cell.fault, cell.stage, strategy] for strategy in strategies)

    def seldom(
        self, cells: Iterable[Cell], strategies: Sequence[str], least: int
    ) -> Iterator[tuple[Cell, str, int]]:
        """Each cell that struck fewer times than `least` in some strategy: in which, how often."""
        for cell in cells:
            for strategy in strategies:
                hits = self.struck[cell.fault, cell.stage, strategy]
                if hits < least:
                    yield cell, strategy, hits


def table(coverage: Coverage, cells: Iterable[Cell], strategies: Sequence[str]) -> list[str]:
    """A row a fault and a column a stage, 80 columns wide at most; in each cell the least over the
    strategies, nothing where the fault does not come to that stage, "-" where it was not sought."""
    sought = set(cells)
    lines: list[str] = []
    for stages in BLOCKS:
        lines += ["", _row("", stages)]
        for fault in FAULTS:
            if set(STAGES[fault]).intersection(stages):
                at = [_hits(coverage, Cell(fault, of), sought, strategies) for of in stages]
                lines.append(_row(fault, at))
    return lines[1:]


def _hits(coverage: Coverage, cell: Cell, sought: set[Cell], strategies: Sequence[str]) -> str:
    if cell.stage not in STAGES[cell.fault]:
        return ""
    return f"{coverage.least(cell, strategies):,}" if cell in sought else "-"


def _row(name: str, cells: Sequence[str]) -> str:
    return (f"{name:<{_NAME_WIDTH}}" + "".join(f"{cell:>{_WIDTH}}" for cell in cells)).rstrip()
