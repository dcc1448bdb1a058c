"""What the results say: what each gateway adds, repeat by repeat, and the spread of it. It prints
nothing and rounds nothing.

Added is a quantile through the gateway less the same quantile directly, of one repeat, where both
were asked by turns. The upstream takes the same each time, so that is the quantile of what was
added, but for what the machine does to both.
"""

from collections.abc import Callable, Iterable, Iterator
from statistics import median
from typing import Literal

from tests.benchmarks.gateways.asked import DIRECT, Kind
from tests.benchmarks.gateways.plan import keeps_up
from tests.benchmarks.gateways.results import Cell, Full, Results, Times
from tests.benchmarks.peers.standing import Spread

What = Literal["first", "total"]
Quantile = Literal["p50", "p95", "p99"]


def gateways(results: Results) -> list[str]:
    return [way for way in results.ways if way != DIRECT]


def loads(results: Results, way: str) -> list[float]:
    """Those at which it was asked at all, rising."""
    return sorted({cell.rate for cell in results.cells if cell.way == way})


def cells(results: Results, way: str, kind: Kind, rate: float) -> list[Cell]:
    return [cell for cell in results.cells if (cell.way, cell.kind, cell.rate) == (way, kind, rate)]


def seen(
    results: Results, way: str, kind: Kind, rate: float, what: What, q: Quantile
) -> Spread | None:
    """Milliseconds as they were; None where nothing was answered."""
    of = (_at(cell, what, q) for cell in cells(results, way, kind, rate))
    return spread(value for value in of if value is not None)


def added(
    results: Results, way: str, kind: Kind, rate: float, what: What, q: Quantile
) -> Spread | None:
    """Milliseconds beyond direct; None where they were never both answered in one repeat."""
    return spread(
        through - directly
        for cell, direct in _pairs(results, way, kind, rate)
        if (through := _at(cell, what, q)) is not None
        and (directly := _at(direct, what, q)) is not None
    )


def stream_more(results: Results, way: str, rate: float) -> Spread | None:
    """How much more a gateway adds before a stream's first token than before a whole answer."""
    by_repeat: dict[int, dict[Kind, float]] = {}
    kinds: tuple[tuple[Kind, What], ...] = (("json", "total"), ("stream", "first"))
    for kind, what in kinds:
        for cell, direct in _pairs(results, way, kind, rate):
            through, directly = _at(cell, what, "p50"), _at(direct, what, "p50")
            if through is not None and directly is not None:
                by_repeat.setdefault(cell.repeat, {})[kind] = through - directly
    both = (of for of in by_repeat.values() if len(of) == 2)
    return spread(of["stream"] - of["json"] for of in both)


def own(results: Results, way: str, kind: Kind, rate: float) -> Spread | None:
    """What the gateway itself says that it added."""
    told = (cell.own_ms for cell in cells(results, way, kind, rate))
    return spread(value for value in told if value is not None)


def kept_up(results: Results, way: str, kind: Kind, rate: float) -> tuple[int, int]:
    """In how many repeats it did, of how many in which it was asked."""
    asked = cells(results, way, kind, rate)
    return sum(keeps_up(cell) for cell in asked), len(asked)


def carries(results: Results, way: str, kind: Kind) -> float | None:
    """The highest load with which it kept up in every repeat; None where there is none."""
    every = [
        rate
        for rate in loads(results, way)
        if kept_up(results, way, kind, rate) == (results.repeats, results.repeats)
    ]
    return max(every, default=None)


def served(results: Results, way: str, kind: Kind) -> Spread | None:
    """Answers a second with all in flight."""
    return _full(results, way, kind, lambda one: one.served_per_s)


def crowd_ms(results: Results, way: str, kind: Kind) -> Spread | None:
    """The median answer with all in flight."""
    return _full(results, way, kind, lambda one: one.p50_ms)


def spread(values: Iterable[float]) -> Spread | None:
    found = list(values)
    return Spread(median(found), min(found), max(found)) if found else None


def _pairs(results: Results, way: str, kind: Kind, rate: float) -> Iterator[tuple[Cell, Cell]]:
    """Each repeat's cell with that of direct."""
    directs = {cell.repeat: cell for cell in cells(results, DIRECT, kind, rate)}
    for cell in cells(results, way, kind, rate):
        if cell.repeat in directs:
            yield cell, directs[cell.repeat]


def _at(cell: Cell, what: What, q: Quantile) -> float | None:
    times: Times | None = cell.first if what == "first" else cell.total
    if times is None:
        return None
    return {"p50": times.p50, "p95": times.p95, "p99": times.p99}[q]


def _full(
    results: Results, way: str, kind: Kind, of: Callable[[Full], float | None]
) -> Spread | None:
    told = (of(one) for one in results.full if (one.way, one.kind) == (way, kind))
    return spread(value for value in told if value is not None)
