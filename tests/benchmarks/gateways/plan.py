"""What is to be measured, and in which order: seeded and pure, it starts nothing.

All ways are asked within each repeat, in small blocks by turns, so that whatever drifts drifts for
all of them alike. Who has fallen behind at one load is spared the higher ones of that repeat.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tests.benchmarks.gateways.asked import DIRECT, Block, Kind
from tests.benchmarks.gateways.results import Cell

SEED = 1

BEHIND_SHARE = 0.1
"""Whoever loses more than this of each second is behind: it is sent more than it can do."""

UPSTREAM_S = 0.4
"""Longer than the upstream takes."""

LEAST_REQUESTS = 20
"""In a block: fewer tell nothing of falling behind."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """How much of everything."""

    loads: tuple[float, ...] = (5, 20, 50, 100, 200, 400)
    """Requests a second, rising."""
    rounds: int = 3
    """Blocks each way at one load."""
    block_s: float = 2.0
    """At the least; longer where the load is small."""
    in_flight: int = 128
    full_s: float = 3.0


USUAL = Lengths()
QUICK = Lengths(loads=(5, 20, 50), rounds=1, full_s=1.5)


def paced(
    ways: Sequence[str], rate: float, kind: Kind, repeat: int, lengths: Lengths
) -> list[Block]:
    """A load's blocks: in each round all ways, in an order of its own."""
    requests = max(LEAST_REQUESTS, round(rate * lengths.block_s))
    draw = random.Random(f"{SEED} {repeat} {kind} {rate:g}")
    return [
        Block(way=way, rate=rate, requests=requests)
        for _ in range(lengths.rounds)
        for way in draw.sample(list(ways), len(ways))
    ]


def crowded(ways: Sequence[str], kind: Kind, repeat: int, lengths: Lengths) -> list[Block]:
    """As many as each way can do, once a repeat."""
    draw = random.Random(f"{SEED} {repeat} {kind} full")
    return [
        Block(way=way, in_flight=lengths.in_flight, seconds=lengths.full_s)
        for way in draw.sample(list(ways), len(ways))
    ]


def still_asked(ways: Sequence[str], cells: Sequence[Cell]) -> list[str]:
    """Direct, and the ways that kept up with all loads so far; none where only direct is left."""
    behind = {cell.way for cell in cells if not keeps_up(cell)} - {DIRECT}
    left = [way for way in ways if way not in behind]
    return left if any(way != DIRECT for way in left) else []


def keeps_up(cell: Cell) -> bool:
    return not cell.failed and cell.behind_share <= BEHIND_SHARE


def warm_up(blocks: Sequence[Block]) -> int:
    """Requests at once each way before anything counts: as many as will be in flight when nobody
    falls behind, and a few more."""
    return max(max(5 + round(UPSTREAM_S * block.rate), block.in_flight) for block in blocks)


def longest_s(blocks: Sequence[Block], ways: int, patience_s: float) -> float:
    """After which a generator that plays them is given up."""
    load_s = sum(
        block.requests / block.rate if block.rate else 2 * block.seconds for block in blocks
    )
    return 30.0 + load_s + patience_s * (len(blocks) + 3 * ways)
