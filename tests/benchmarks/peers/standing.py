"""What a row's samples say: medians and ranges, who leads by how much, which targets are met. It
prints nothing and rounds nothing.

Tools are compared by their medians, and by the ratio of two samples of one repeat, which ran one
after the other. Nobody leads who did not carry the load.
"""

from dataclasses import dataclass
from statistics import median

from tests.benchmarks.peers.results import Figure, Line, Row


@dataclass(frozen=True, slots=True)
class Spread:
    """A median between the least and the most."""

    median: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Contest:
    """Who leads in one figure, and the one of the two sides that does not."""

    figure: Figure
    leader: Line
    other: Line
    ratio: Spread | None
    """The larger over the smaller side, repeat by repeat; None where that says nothing."""
    overlap: bool


def values(line: Line, figure: Figure) -> list[float]:
    return [sample[figure.key] for sample in line.samples if figure.key in sample]


def spread(line: Line, figure: Figure) -> Spread | None:
    """None where the tool never told this figure."""
    found = values(line, figure)
    return Spread(median(found), min(found), max(found)) if found else None


def meets(line: Line, figure: Figure) -> bool | None:
    """Whether the median reaches the target; None where there is none of the one or the other."""
    of, target = spread(line, figure), figure.target
    if of is None or target is None:
        return None
    if figure.better == "near":
        return abs(of.median - target) <= figure.tolerance * target
    return of.median <= target if figure.better == "less" else of.median >= target


def carried(row: Row, line: Line) -> bool:
    """Whether it did what was asked, by every figure that is a gate."""
    return all(meets(line, figure) is not False for figure in row.figures if figure.gate)


def ours(row: Row) -> Line | None:
    """Our first line, which is the strictest way to count."""
    return next((line for line in row.lines if line.ours), None)


def contest(row: Row, figure: Figure) -> Contest | None:
    """Ours against the best of the peers; None where one side has nothing to show."""
    mine = ours(row)
    if not figure.better or not figure.contest or mine is None or not carried(row, mine):
        return None
    peers = [line for line in row.lines if not line.ours and carried(row, line)]
    peers = [line for line in peers if values(line, figure)]
    if not values(mine, figure) or not peers:
        return None
    best = min(peers, key=lambda line: _badness(line, figure))
    leader, other = sorted([mine, best], key=lambda line: _badness(line, figure))
    return Contest(
        figure, leader, other, _ratio(leader, other, figure), _overlap(mine, best, figure)
    )


def _badness(line: Line, figure: Figure) -> float:
    """Less is better."""
    of = spread(line, figure)
    assert of is not None
    if figure.better == "near":
        assert figure.target is not None
        return abs(of.median - figure.target)
    return of.median if figure.better == "less" else -of.median


def _ratio(leader: Line, other: Line, figure: Figure) -> Spread | None:
    pairs = [
        (one[figure.key], two[figure.key])
        for one, two in zip(leader.samples, other.samples, strict=True)
        if figure.key in one and figure.key in two
    ]
    if figure.better == "near" or not pairs or min(map(min, pairs)) <= 0:
        return None
    ratios = [two / one if figure.better == "less" else one / two for one, two in pairs]
    return Spread(median(ratios), min(ratios), max(ratios))


def _overlap(one: Line, two: Line, figure: Figure) -> bool:
    a, b = spread(one, figure), spread(two, figure)
    assert a is not None and b is not None
    return a.least <= b.most and b.least <= a.most
