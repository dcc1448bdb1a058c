"""What a run of the benchmark found, as results/gateways.json keeps it; nothing here measures."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

import msgspec

from tests.benchmarks.gateways.asked import Kind, Played, Took
from tests.benchmarks.peers.sample import NoFigures, quantiles

SCHEMA = 1


class Times(msgspec.Struct, frozen=True):
    """Milliseconds."""

    p50: float
    p95: float
    p99: float


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One way, at one load, in one repeat: all its blocks together."""

    repeat: int
    way: str
    kind: Kind
    rate: float
    sent: int
    failed: int
    why: str
    """Of the first that failed."""
    most_in_flight: int
    behind_share: float
    """What it lost of each second of its load; about 0 while it keeps up."""
    late_ms: float
    """How late the generator itself was, the 99th percentile of the worst block."""
    first: Times | None
    total: Times | None
    """None where nothing was answered."""
    own_ms: float | None
    """What the gateway says that it added, at the median."""


class Full(msgspec.Struct, frozen=True, kw_only=True):
    """One way with so many in flight, in one repeat."""

    repeat: int
    way: str
    kind: Kind
    in_flight: int
    served_per_s: float
    p50_ms: float | None
    failed: int
    why: str


class Results(msgspec.Struct, frozen=True, kw_only=True):
    schema: int = SCHEMA
    started_at: str
    wall_s: float
    repeats: int
    quick: bool
    first_ms: float
    total_ms: float
    """What the upstream means to take to its first token and to its last."""
    machine: dict[str, str]
    versions: dict[str, str]
    ways: list[str]
    """Those that were measured, direct first."""
    absent: dict[str, str]
    """Who was not, and why."""
    cells: list[Cell]
    full: list[Full]
    troubles: list[str]


def cell_of(repeat: int, kind: Kind, rate: float, blocks: Sequence[Played]) -> Cell:
    """From the blocks of one way."""
    took = [one for block in blocks for one in block.took]
    own = [one.own_ms for one in took if one.own_ms is not None]
    return Cell(
        repeat=repeat,
        way=blocks[0].way,
        kind=kind,
        rate=rate,
        sent=sum(block.sent for block in blocks),
        failed=sum(block.failed for block in blocks),
        why=next((block.why for block in blocks if block.why), ""),
        most_in_flight=max(block.most_in_flight for block in blocks),
        behind_share=round(median(behind_share(block) for block in blocks), 3),
        late_ms=round(max(block.late_ms for block in blocks), 3),
        first=_times([one.first_ms for one in took]),
        total=_times([one.total_ms for one in took]),
        own_ms=round(median(own), 3) if own else None,
    )


def full_of(repeat: int, kind: Kind, in_flight: int, block: Played) -> Full:
    times = _times([one.total_ms for one in block.took])
    return Full(
        repeat=repeat,
        way=block.way,
        kind=kind,
        in_flight=in_flight,
        served_per_s=round(len(block.took) / block.seconds, 1),
        p50_ms=times.p50 if times else None,
        failed=block.failed,
        why=block.why,
    )


def behind_share(block: Played) -> float:
    """How much later the last quarter is answered than the first, of the time between them: whoever
    can do only half of what is sent loses half of every second. 1 where nothing is answered."""
    quarter = len(block.took) // 4
    if not quarter:
        return 1.0 if block.failed else 0.0
    first, last = _middle(block.took[:quarter]), _middle(block.took[-quarter:])
    return (last - first) / (block.seconds * 1e3 * 0.75)


def save(results: Results, path: Path) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    fresh.replace(path)


def load(path: Path) -> Results:
    return msgspec.json.decode(path.read_bytes(), type=Results)


def _middle(took: Sequence[Took]) -> float:
    return median(one.total_ms for one in took)


def _times(values: Sequence[float]) -> Times | None:
    try:
        return Times(*(round(value, 3) for value in quantiles(values, 0.5, 0.95, 0.99)))
    except NoFigures:
        return None
