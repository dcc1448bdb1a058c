"""A row as it is to be measured, and its measuring: repeats of all tools by turns, A B C A B C, so
that whatever drifts drifts for all of them alike."""

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.peers.results import Figure, Line, Row
from tests.benchmarks.peers.sample import NoFigures, Sample

OURS = "tollbench"


@dataclass(frozen=True, slots=True)
class Measured:
    """One measurement: a sample for each way to count it, and what is wrong with it if anything."""

    samples: Mapping[str, Sample]
    trouble: str = ""


Measure = Callable[[Path], Measured]
"""Measures once, with an empty folder for its files. Raises NoFigures when it comes to nothing."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """A tool that can be asked this row's question."""

    tool: str
    measure: Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    number: int
    title: str
    setting: str
    figures: Sequence[Figure]
    entrants: Sequence[Entrant]
    absent: Mapping[str, str] = field(default_factory=dict)


def play(plan: Plan, repeats: int) -> Row:
    """Measure everybody `repeats` times."""
    found: list[Mapping[str, Sample]] = []
    troubles: list[str] = []
    for repeat in range(repeats):
        for entrant in plan.entrants:
            _tell(f"row {plan.number}, repeat {repeat + 1} of {repeats}: {entrant.tool}")
            measured = _measured(entrant)
            found.append(measured.samples)
            if measured.trouble:
                troubles.append(f"repeat {repeat + 1}, {entrant.tool}: {measured.trouble}")
    _tell("")
    return Row(
        number=plan.number,
        title=plan.title,
        setting=plan.setting,
        figures=list(plan.figures),
        lines=_lines([entrant.tool for entrant in plan.entrants], found),
        absent=dict(plan.absent),
        troubles=troubles,
    )


def _measured(entrant: Entrant) -> Measured:
    with _scratch() as folder:
        try:
            return entrant.measure(folder)
        except NoFigures as no:
            return Measured({}, str(no))


def _lines(tools: Sequence[str], found: Sequence[Mapping[str, Sample]]) -> list[Line]:
    """By tool in the order of the plan; `found` holds the measurements as they were taken."""
    lines = []
    for place, tool in enumerate(tools):
        own = found[place :: len(tools)]
        for how in dict.fromkeys(how for samples in own for how in samples) or [""]:
            lines.append(Line(tool, how, tool == OURS, [one.get(how, {}) for one in own]))
    return lines


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="peers-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _tell(what: str) -> None:
    """Where it stands, in one line of a terminal that is written over."""
    if sys.stderr.isatty():
        print(f"\r\x1b[2K{what}", end="", file=sys.stderr, flush=True)
    elif what:
        print(what, file=sys.stderr, flush=True)
