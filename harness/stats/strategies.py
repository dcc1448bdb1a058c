"""What each strategy did, from its turns; it compares none with another, and never lets a turn that
failed look fast."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from harness.record import BoolArray, IntArray, QuantileSummary, Stratum, Turns, VariantSummary
from harness.stats.critical_path import Stages, mean_stage_ms
from harness.stats.quantiles import RoundInterval, Sample, round_quantile_intervals, share_within

BUDGETS_S = {"1s": 1.0, "3s": 3.0, "5s": 5.0}

TOLD = (0.5, 0.95, 0.99)
"""The quantiles that every summary has, asked for or not."""

OF_A_PART = (0.5, 0.95)
"""Those told of some of a strategy's turns."""


class Strategy(Protocol):
    """What an analysis needs to know of a variant."""

    @property
    def name(self) -> str: ...
    @property
    def prewarm(self) -> bool: ...
    @property
    def token_cache(self) -> bool: ...
    @property
    def parallel_confirm(self) -> bool: ...
    @property
    def factors(self) -> Mapping[str, bool | str]: ...
    @property
    def pay(self) -> str: ...


_IS_ON: Mapping[str, Callable[[Strategy], bool]] = {
    "prewarm": lambda strategy: strategy.prewarm,
    "token_cache": lambda strategy: strategy.token_cache,
    "parallel_confirm": lambda strategy: strategy.parallel_confirm,
}


def is_on(strategy: Strategy, factor: str) -> bool:
    """Whether it pre-warms, caches tokens, or confirms in parallel; or whether a keyword of a
    function of the user's own is on in it."""
    if factor in strategy.factors:
        return strategy.factors[factor] is True
    return _IS_ON[factor](strategy)


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """The turns of one strategy."""

    strategy: Strategy
    code: int
    """Its place among the names of the variants; -1 where it has no turn."""
    rows: IntArray
    sample: Sample
    """Their response times, infinite for those that failed, and their rounds."""


def cells_of(
    turns: Turns, strategies: Sequence[Strategy], rounds: IntArray | None = None
) -> list[Cell]:
    """One for each strategy, in their order; a strategy may have no turn.

    `rounds` says of each turn what acts as its round, where that is not the one it fell in.
    """
    rounds = turns.round if rounds is None else rounds
    codes = {name: code for code, name in enumerate(turns.variant.names)}
    answered_ms = turns.answered_ms
    cells = []
    for strategy in strategies:
        code = codes.get(strategy.name, -1)
        rows = np.flatnonzero(turns.variant.codes == code)
        cells.append(Cell(strategy, code, rows, Sample(answered_ms[rows], rounds[rows])))
    return cells


def variant_summary(
    cell: Cell, turns: Turns, stages: Stages, quantiles: Sequence[float]
) -> VariantSummary:
    """The figures of one strategy; all are zero or null where it has no turn.

    A turn that ended in "error", in "unknown" or not at all never answered: its response time
    counts as infinite and within no budget. A quantile or bound that is thereby infinite is None.
    """
    strategy, rows, sample = cell.strategy, cell.rows, cell.sample
    n = max(1, rows.size)
    told = quantile_summaries(sample, sorted({*TOLD, *quantiles}))
    p50, p95, p99 = (point for point in told if point.quantile in TOLD)
    return VariantSummary(
        name=strategy.name,
        prewarm=strategy.prewarm,
        token_cache=strategy.token_cache,
        parallel_confirm=strategy.parallel_confirm,
        factors=dict(strategy.factors),
        pay=strategy.pay,
        turns=rows.size,
        p50_ms=p50.ms,
        p50_ms_lo=p50.lo_ms,
        p50_ms_hi=p50.hi_ms,
        p95_ms=p95.ms,
        p95_ms_lo=p95.lo_ms,
        p95_ms_hi=p95.hi_ms,
        p99_ms=p99.ms,
        p99_ms_lo=p99.lo_ms,
        p99_ms_hi=p99.hi_ms,
        slo={
            name: share_within(sample.values_ms, budget * 1000)
            for name, budget in BUDGETS_S.items()
        },
        calls_per_turn=int(turns.calls[rows].sum()) / n,
        wasted_prewarms=int(turns.wasted_prewarms[rows].sum()),
        stale_tokens=int(turns.stale_tokens[rows].sum()),
        reversals=int(np.count_nonzero(turns.outcome.holds("reversed")[rows])),
        corrections=int(turns.corrections[rows].sum()),
        guarded=int(turns.guarded[rows].sum()),
        errors=int(np.count_nonzero(turns.outcome.holds("error")[rows])),
        fee_minor_mean=int(turns.fee_minor[rows].sum()) / n,
        amount_minor_mean=int(turns.amount_minor[rows].sum()) / n,
        token_cost_minor_mean=int(turns.token_cost_micro[rows].sum()) / 1e4 / n,
        human_ms_mean=float(turns.human_ms[rows].sum()) / n,
        critical_ms=mean_stage_ms(stages, rows, cell.code) if rows.size else {},
        quantiles=told,
        percentiles=_curve(sample),
        strata=_strata(turns, rows, sample),
    )


def quantile_summaries(sample: Sample, quantiles: Sequence[float]) -> list[QuantileSummary]:
    """Each quantile with its interval, null where n is too small or it is infinite."""
    return [
        _quantile_summary(q, interval)
        for q, interval in zip(quantiles, round_quantile_intervals(sample, quantiles), strict=True)
    ]


def spread_quantiles(a_decade: Sequence[float]) -> list[float]:
    """p1 to p99.9, ever closer together: where these shares of turns in ten are slower, and the
    same in a hundred and in a thousand."""
    slower = [0.99, 0.95, *(of / 10**tens for tens in (1, 2, 3) for of in a_decade), 0.001]
    return sorted({round(1 - share, 6) for share in slower if share < 1})


_CURVE = spread_quantiles((10, 9, 8, 7, 6, 5, 4, 3.5, 3, 2.5, 2, 1.5, 1.2))


def _curve(sample: Sample) -> list[QuantileSummary]:
    """The percentiles that n is not too small for, and of which something is finite."""
    points = quantile_summaries(sample, _CURVE)
    return [point for point in points if point.lo_ms is not None]


def _strata(turns: Turns, rows: IntArray, sample: Sample) -> list[Stratum]:
    """Opening a session is the subject here, not noise: those turns are told apart."""
    cold = turns.cold[rows]
    return [_stratum("cold", sample, cold), _stratum("steady", sample, ~cold)]


def _stratum(name: Literal["cold", "steady"], sample: Sample, of: BoolArray) -> Stratum:
    part = Sample(sample.values_ms[of], sample.rounds[of])
    return Stratum(
        name=name, turns=part.values_ms.size, quantiles=quantile_summaries(part, OF_A_PART)
    )


def _quantile_summary(q: float, interval: RoundInterval) -> QuantileSummary:
    return QuantileSummary(
        quantile=q,
        ms=finite(interval.estimate),
        lo_ms=finite(interval.lo),
        hi_ms=finite(interval.hi),
        effective_turns=interval.effective_turns,
    )


def finite(value: float | None) -> float | None:
    """None for what is infinite or unknown."""
    return value if value is not None and math.isfinite(value) else None
