"""From rows to the figures of a run's summary; it never lets a turn that failed look fast."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np

from harness.record import FAILED, EffectSummary, FlowRow, Rows, VariantSummary
from harness.stats.critical_path import stage_ms
from harness.stats.effects import Sample, factorial_effects
from harness.stats.quantiles import FloatArray, Interval, quantile_interval, share_within

BUDGETS_S = {"1s": 1.0, "3s": 3.0, "5s": 5.0}

QUANTILES = (0.5, 0.95)


class Strategy(Protocol):
    """What a summary needs to know of a strategy."""

    @property
    def name(self) -> str: ...
    @property
    def prewarm(self) -> bool: ...
    @property
    def token_cache(self) -> bool: ...
    @property
    def parallel_confirm(self) -> bool: ...
    @property
    def pay(self) -> str: ...


_LEVEL: Mapping[str, Callable[[Strategy], bool]] = {
    "prewarm": lambda strategy: strategy.prewarm,
    "token_cache": lambda strategy: strategy.token_cache,
    "parallel_confirm": lambda strategy: strategy.parallel_confirm,
}


def variant_summaries(rows: Rows, strategies: Sequence[Strategy]) -> list[VariantSummary]:
    """One summary for each strategy, in their order; a strategy without a turn shows zeros.

    A turn that ended in "error" or "unknown" never answered: its response time counts as infinite
    and within no budget. A quantile or bound that is thereby infinite is None.
    """
    flows, stages = _by_variant(rows.flows), stage_ms(rows.flows, rows.spans)
    return [
        _variant_summary(strategy, flows.get(strategy.name, []), stages.get(strategy.name, {}))
        for strategy in strategies
    ]


def effect_summaries(
    rows: Rows, strategies: Sequence[Strategy], factors: Sequence[str], seed: int
) -> list[EffectSummary]:
    """The effects of the factors at p50 and p95, failed turns counting as infinite.

    `strategies` are the 2^k combinations of the factors, each of "prewarm", "token_cache" or
    "parallel_confirm". There are no effects without a factor or while a strategy has no turn, and
    none at a quantile that is infinite for some strategy. Raises ValueError when the combinations
    are not complete.
    """
    if not factors:
        return []
    flows = _by_variant(rows.flows)
    cells = {
        tuple(_LEVEL[factor](strategy) for factor in factors): _sample(flows.get(strategy.name, []))
        for strategy in strategies
    }
    if not len(cells) == len(strategies) == 2 ** len(factors):
        raise ValueError(f"{len(strategies)} strategies are not all combinations of {factors}")
    if not all(cell.values_ms.size for cell in cells.values()):
        return []
    return [
        EffectSummary(
            factor=effect.factor,
            quantile=effect.quantile,
            estimate_ms=effect.estimate_ms,
            lo_ms=effect.lo_ms,
            hi_ms=effect.hi_ms,
        )
        for effect in factorial_effects(cells, factors, quantiles=QUANTILES, seed=seed)
    ]


def answered_ms(flows: Iterable[FlowRow]) -> FloatArray:
    """Response times, infinite for turns that never answered."""
    return np.array(
        [math.inf if flow.outcome in FAILED else flow.response_ms for flow in flows],
        dtype=np.float64,
    )


def _by_variant(flows: Iterable[FlowRow]) -> dict[str, list[FlowRow]]:
    grouped: dict[str, list[FlowRow]] = defaultdict(list)
    for flow in flows:
        grouped[flow.variant].append(flow)
    return grouped


def _sample(flows: Sequence[FlowRow]) -> Sample:
    return Sample(answered_ms(flows), np.array([flow.round for flow in flows], dtype=np.int64))


def _variant_summary(
    strategy: Strategy, flows: Sequence[FlowRow], critical_ms: dict[str, float]
) -> VariantSummary:
    values_ms = answered_ms(flows)
    p50, p95, p99 = (_finite(quantile_interval(values_ms, q)) for q in (0.5, 0.95, 0.99))
    turns = len(flows)
    return VariantSummary(
        name=strategy.name,
        prewarm=strategy.prewarm,
        token_cache=strategy.token_cache,
        parallel_confirm=strategy.parallel_confirm,
        pay=strategy.pay,
        turns=turns,
        p50_ms=p50.estimate,
        p50_ms_lo=p50.lo,
        p50_ms_hi=p50.hi,
        p95_ms=p95.estimate,
        p95_ms_lo=p95.lo,
        p95_ms_hi=p95.hi,
        p99_ms=p99.estimate,
        p99_ms_lo=p99.lo,
        p99_ms_hi=p99.hi,
        slo={name: share_within(values_ms, budget * 1000) for name, budget in BUDGETS_S.items()},
        calls_per_turn=sum(flow.calls for flow in flows) / max(1, turns),
        wasted_prewarms=sum(flow.wasted_prewarms for flow in flows),
        stale_tokens=sum(flow.stale_tokens for flow in flows),
        reversals=sum(flow.outcome == "reversed" for flow in flows),
        corrections=sum(flow.corrections for flow in flows),
        guarded=sum(flow.guarded for flow in flows),
        errors=sum(flow.outcome == "error" for flow in flows),
        fee_minor_mean=sum(flow.fee_minor for flow in flows) / max(1, turns),
        amount_minor_mean=sum(flow.amount_minor for flow in flows) / max(1, turns),
        token_cost_minor_mean=sum(flow.token_cost_micro for flow in flows) / 1e4 / max(1, turns),
        human_ms_mean=sum(flow.human_ms for flow in flows) / max(1, turns),
        critical_ms=critical_ms,
    )


def _finite(interval: Interval) -> Interval:
    """The interval with None for what is infinite."""
    return Interval(*map(_finite_or_none, (interval.estimate, interval.lo, interval.hi)))


def _finite_or_none(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
