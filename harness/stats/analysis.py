"""All figures of a run from its columns: the one way from rows to run.json; it reads no file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import structs

from harness.record import (
    Attribution,
    ColdStart,
    Columns,
    EffectSummary,
    InFlight,
    RoundFigures,
    RunSummary,
    Shift,
    Tolerance,
    VariantSummary,
    WarmUp,
)
from harness.stats.attribution import attributions
from harness.stats.baseline import round_figures_of, shifts_of
from harness.stats.batches import rounds_of
from harness.stats.cold_starts import cold_starts_of
from harness.stats.critical_path import stage_matrix
from harness.stats.effects import FactorialEffects, Levels, factorial_effects
from harness.stats.in_flight import in_flight_of
from harness.stats.strategies import TOLD, Cell, Strategy, cells_of, is_on, variant_summary
from harness.stats.warm_up import transients


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a run is asked; all of it is declared before the run begins."""

    factors: Sequence[str] = ()
    """The mitigations varied: the variants are their 2^k combinations."""
    quantiles: Sequence[float] = TOLD
    primary: float = 0.5
    """The quantile whose main effects are the question; all else is judged with Holm's step."""
    tolerance: Tolerance = field(default_factory=Tolerance)
    effect_level: float = 0.95
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """The figures of run.json that come from rows; the fields are those of `RunSummary`."""

    variants: list[VariantSummary]
    effects: list[EffectSummary] = field(default_factory=list)
    simple_effects: list[EffectSummary] = field(default_factory=list)
    attribution: list[Attribution] = field(default_factory=list)
    shifts: list[Shift] = field(default_factory=list)
    round_figures: list[RoundFigures] = field(default_factory=list)
    in_flight: list[InFlight] = field(default_factory=list)
    cold_starts: list[ColdStart] = field(default_factory=list)
    transients: dict[str, int] = field(default_factory=dict)


def analyse(columns: Columns, variants: Sequence[Strategy], question: Question) -> Findings:
    """Everything there is to say; with fewer rounds or turns there is less.

    `variants` are those of the run, the baseline first; where the question has factors, they are
    all combinations of these, or it is a ValueError. A run of one round that varies no factor is a
    series in time: where it lasted long enough, its batches act as its rounds.
    """
    turns = columns.turns
    cells = cells_of(turns, variants, turns.round if question.factors else rounds_of(turns))
    factorial = _factorial(cells, question.factors)
    found = _effects(factorial, question) if factorial else FactorialEffects([], [])
    summaries, attribution = _by_stage(columns, cells, factorial, found.effects, question)
    return Findings(
        variants=summaries,
        effects=found.effects,
        simple_effects=found.simple,
        attribution=attribution,
        shifts=shifts_of(cells, seed=question.seed),
        round_figures=round_figures_of(cells),
        in_flight=in_flight_of(turns, cells),
        cold_starts=cold_starts_of(columns),
        transients=transients(turns, cells),
    )


def with_findings(summary: RunSummary, found: Findings) -> RunSummary:
    """The run with these figures in place of its own."""
    warm_up = summary.warm_up or WarmUp(discarded_turns=0)
    return structs.replace(
        summary,
        warm_up=structs.replace(warm_up, transients=found.transients),
        variants=found.variants,
        effects=found.effects,
        simple_effects=found.simple_effects,
        attribution=found.attribution,
        shifts=found.shifts,
        round_figures=found.round_figures,
        in_flight=found.in_flight,
        cold_starts=found.cold_starts,
    )


def _factorial(cells: Sequence[Cell], factors: Sequence[str]) -> dict[Levels, Cell]:
    """The cells by their levels, a bool per factor; empty without a factor, or while a strategy has
    no turn."""
    found = {tuple(is_on(cell.strategy, factor) for factor in factors): cell for cell in cells}
    if factors and not len(found) == len(cells) == 2 ** len(factors):
        raise ValueError(f"{len(cells)} strategies are not all combinations of {factors}")
    return found if factors and all(cell.rows.size for cell in cells) else {}


def _by_stage(
    columns: Columns,
    cells: Sequence[Cell],
    factorial: Mapping[Levels, Cell],
    effects: Sequence[EffectSummary],
    question: Question,
) -> tuple[list[VariantSummary], list[Attribution]]:
    """All that is told of stages. Where the time of every turn went is the largest thing that an
    analysis makes, so it is let go before the rest begins."""
    stages = stage_matrix(columns)
    summaries = [variant_summary(of, columns.turns, stages, question.quantiles) for of in cells]
    if not factorial:
        return summaries, []
    return summaries, attributions(factorial, question.factors, effects, stages, seed=question.seed)


def _effects(factorial: Mapping[Levels, Cell], question: Question) -> FactorialEffects:
    return factorial_effects(
        {levels: cell.sample for levels, cell in factorial.items()},
        question.factors,
        quantiles=question.quantiles,
        primary=question.primary,
        tolerance=question.tolerance,
        level=question.effect_level,
        seed=question.seed,
    )
