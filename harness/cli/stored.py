"""A stored run, read for a verb; the one of an older schema with all its figures taken anew."""

from collections.abc import Sequence
from pathlib import Path

from msgspec import structs

from harness import record
from harness.cli.exits import BadInput
from harness.cli.room import room_in, turns_left
from harness.flow.strategy import MITIGATIONS
from harness.record import SCHEMA, BadRun, Columns, RunSummary, VariantSummary, WarmUp
from harness.stats.analysis import Question, analyse, with_findings
from harness.stats.strategies import is_on


def open_run(path: Path) -> tuple[RunSummary, Columns]:
    """The run in a folder; results/latest stands for the newest. BadInput where there is none.

    The figures of an older schema may mean something else, or be missing. Its settings are kept.
    """
    try:
        folder = record.newest(path.parent) if path.name == "latest" else path
        summary, columns, schema = record.read(folder)
    except BadRun as error:
        left = turns_left(path)
        raise BadInput([str(error) if left is None else cut_off(path, left)]) from None
    return (summary if schema == SCHEMA else _taken_anew(summary, columns)), columns


def cut_off(folder: Path, turns: int) -> str:
    return (
        f"{folder}: its run lasts still, or was cut off before it was whole; {turns:,} turns are "
        f"kept in {room_in(folder)}, but no figures: run again"
    )


def run_path(name: str, out: str) -> Path:
    """The folder of that name, or the run of that name among those that are kept below `out`."""
    path, kept = Path(name), Path(out) / name
    return kept if name == "latest" or (not path.exists() and kept.exists()) else path


def factors_of(variants: Sequence[VariantSummary]) -> list[str]:
    """The mitigations that these variants are all combinations of; none if they are not."""
    levels = {factor: [is_on(variant, factor) for variant in variants] for factor in MITIGATIONS}
    varied = [factor for factor, on in levels.items() if len(set(on)) > 1]
    combinations = set(zip(*(levels[factor] for factor in varied), strict=True))
    complete = len(combinations) == len(variants) == 2 ** len(varied)
    return varied if varied and complete else []


def _taken_anew(summary: RunSummary, columns: Columns) -> RunSummary:
    question = Question(factors=factors_of(summary.variants), seed=summary.seed)
    # On the real clock, runs on the mocks have always begun with one unrecorded turn a strategy.
    warmed = summary.clock == "real" and summary.endpoints == "mock"
    warm_up = WarmUp(discarded_turns=len(summary.variants) if warmed else 0)
    found = analyse(columns, summary.variants, question)
    return with_findings(structs.replace(summary, warm_up=warm_up), found)
