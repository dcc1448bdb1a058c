"""Turns and spans written out by hand, for whatever takes figures from them; it asserts nothing."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from harness.record import Columns, FlowRow, Outcome, Rows, SpanRow, columns_of
from harness.stats.critical_path import mean_stage_ms, stage_matrix

THREE = ("prewarm", "token_cache", "parallel_confirm")


@dataclass(frozen=True)
class Named:
    """A strategy as far as a summary knows one."""

    name: str
    prewarm: bool = False
    token_cache: bool = False
    parallel_confirm: bool = False
    pay: str = field(default="wechat-ai", kw_only=True)
    factors: Mapping[str, bool | str] = field(default_factory=dict, kw_only=True)


BASE, WARM = Named("base"), Named("warm", prewarm=True)
ALL = [Named(str(n), *on) for n, on in enumerate(product((False, True), repeat=3))]


def flow(
    response_ms: float,
    *,
    variant: str = "base",
    round: int = 0,
    conversation: int = 0,
    due_s: float = 0.0,
    outcome: Outcome = "paid",
    cold: bool = False,
    amount_minor: int = 1000,
    fee_minor: int = 0,
    calls: int = 0,
    wasted_prewarms: int = 0,
    stale_tokens: int = 0,
    corrections: int = 0,
    guarded: int = 0,
    human_ms: float = 0.0,
    token_cost_micro: int = 0,
) -> FlowRow:
    """Begun when it was due."""
    return FlowRow(
        variant=variant,
        round=round,
        conversation=conversation,
        turn=0,
        due_s=due_s,
        start_s=due_s,
        end_s=due_s + (response_ms + human_ms) / 1000,
        response_ms=response_ms,
        service_ms=response_ms,
        outcome=outcome,
        cold=cold,
        method="card",
        amount_minor=amount_minor,
        currency="EUR",
        fee_minor=fee_minor,
        calls=calls,
        wasted_prewarms=wasted_prewarms,
        stale_tokens=stale_tokens,
        corrections=corrections,
        guarded=guarded,
        human_ms=human_ms,
        token_cost_micro=token_cost_micro,
    )


def flows(
    values_ms: Iterable[float], *, variant: str = "base", rounds: int = 5, cold: bool = False
) -> list[FlowRow]:
    """A conversation each, dealt out to the rounds in turn."""
    return [
        flow(ms, variant=variant, round=n % rounds, conversation=n, due_s=n / 10, cold=cold)
        for n, ms in enumerate(values_ms)
    ]


def spans_of(row: FlowRow, **stages_ms: float) -> list[SpanRow]:
    """The awaited calls of a turn, one after another."""
    spans, now = [], row.start_s
    for n, (stage, ms) in enumerate(stages_ms.items()):
        spans.append(span(row, stage, now, now + ms / 1000, n))
        now += ms / 1000
    return spans


def span(row: FlowRow, stage: str, start_s: float, end_s: float, number: int = 0) -> SpanRow:
    """An awaited call of that turn."""
    return SpanRow(
        variant=row.variant,
        round=row.round,
        conversation=row.conversation,
        turn=row.turn,
        span=number,
        stage=stage,
        provider="mock",
        start_s=start_s,
        first_byte_s=end_s,
        first_token_s=end_s,
        end_s=end_s,
        injected_ms=math.nan,
        queue_ms=0.0,
        status=200,
        attempt=1,
        critical=True,
    )


def columns(found: Sequence[FlowRow], spans: Sequence[SpanRow] = ()) -> Columns:
    return columns_of(Rows(list(found), list(spans)))


def factorial_turns(rounds: int = 6, each: int = 84) -> list[FlowRow]:
    """Every strategy's turns: pre-warming saves 300 ms, 200 of them only without the cache."""
    found = []
    for strategy in ALL:
        saved = 300 * strategy.prewarm - 200 * (strategy.prewarm and strategy.token_cache)
        values = np.linspace(1000, 2000, each) - saved
        found += flows(values.tolist(), variant=strategy.name, rounds=rounds)
    return found


def stage_ms(columns: Columns) -> dict[str, dict[str, float]]:
    """`mean_stage_ms` of all turns of each variant."""
    variant, stages = columns.turns.variant, stage_matrix(columns)
    return {
        name: mean_stage_ms(stages, np.flatnonzero(variant.codes == code), code)
        for code, name in enumerate(variant.names)
    }
