"""What a run of the benchmark found, as results/peers.json keeps it; nothing here measures."""

from pathlib import Path
from typing import Literal

import msgspec

from tests.benchmarks.peers.sample import Sample

SCHEMA = 1

Better = Literal["less", "more", "near", ""]
"""Which of two figures is the better one; "" where it is only told."""


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A column: one figure that each measurement gives under this key."""

    key: str
    label: str
    better: Better = ""
    target: float | None = None
    """What the median is to reach: at most, at least, or, where near, the truth."""
    tolerance: float = 0.0
    """How far from the truth is near enough, as a share of it."""
    digits: int = 2
    yes: bool = False
    """1 for yes and 0 for no: how often it was yes is told."""
    contest: bool = True
    """Whether a better one is worth a sentence."""
    gate: bool = False
    """Who misses its target has not done the job, and leads in nothing."""


class Line(msgspec.Struct, frozen=True):
    """One tool, counted in one way, with a sample a repeat; an empty one where it gave none."""

    tool: str
    how: str
    ours: bool
    samples: list[Sample]

    @property
    def name(self) -> str:
        return f"{self.tool} ({self.how})" if self.how else self.tool


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One question put to all tools that can be asked."""

    number: int
    title: str
    setting: str
    figures: list[Figure]
    lines: list[Line]
    absent: dict[str, str]
    """Who was not measured at all, and why."""
    troubles: list[str]
    """A sentence for each measurement that came to nothing or is not to be believed."""
    again_at: str = ""
    """When it was measured by itself, later than the rest."""


class Results(msgspec.Struct, frozen=True, kw_only=True):
    schema: int = SCHEMA
    started_at: str
    wall_s: float
    repeats: int
    quick: bool
    machine: dict[str, str]
    versions: dict[str, str]
    rows: list[Row]


def with_again(results: Results, again: Results) -> Results:
    """The results with the rows that were measured again in their old places; those say so."""
    anew = {
        row.number: msgspec.structs.replace(row, again_at=again.started_at) for row in again.rows
    }
    rows = [anew.pop(row.number, row) for row in results.rows]
    rows = sorted([*rows, *anew.values()], key=lambda row: row.number)
    return msgspec.structs.replace(results, rows=rows)


def save(results: Results, path: Path) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    fresh.replace(path)


def load(path: Path) -> Results:
    return msgspec.json.decode(path.read_bytes(), type=Results)
