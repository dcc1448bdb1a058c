"""The summary of a run: figures from rows written out by hand, and no failed turn looks fast."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product

import msgspec
import numpy as np
import pytest

from harness.record import EffectSummary, FlowRow, Outcome, Rows, SpanRow, VariantSummary
from harness.stats.summary import effect_summaries, variant_summaries

THREE = ("prewarm", "token_cache", "parallel_confirm")


@dataclass(frozen=True)
class Named:
    """A strategy as far as a summary knows one."""

    name: str
    prewarm: bool = False
    token_cache: bool = False
    parallel_confirm: bool = False
    pay: str = field(default="wechat-ai", kw_only=True)


BASE, WARM = Named("base"), Named("warm", prewarm=True)
ALL = [Named(str(n), *on) for n, on in enumerate(product((False, True), repeat=3))]


def flow(
    response_ms: float,
    *,
    variant: str = "base",
    round: int = 0,
    outcome: Outcome = "paid",
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
    return FlowRow(
        variant=variant,
        round=round,
        conversation=0,
        turn=0,
        due_s=0.0,
        start_s=0.0,
        end_s=response_ms / 1000,
        response_ms=response_ms,
        service_ms=response_ms,
        outcome=outcome,
        cold=False,
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


def flows(values_ms: Iterable[float], *, variant: str = "base", rounds: int = 5) -> list[FlowRow]:
    return [flow(ms, variant=variant, round=index % rounds) for index, ms in enumerate(values_ms)]


def summary(found: list[FlowRow], spans: Sequence[SpanRow] = ()) -> VariantSummary:
    (only,) = variant_summaries(Rows(found, list(spans)), [BASE])
    return only


def test_counts_are_sums_and_rates_are_means_over_turns() -> None:
    found = summary(
        [
            flow(900, fee_minor=30, calls=4, wasted_prewarms=1, stale_tokens=2, corrections=1),
            flow(2900, fee_minor=40, calls=5, wasted_prewarms=2, outcome="reversed"),
            flow(100, calls=1, outcome="error"),
            flow(100, calls=2, outcome="unknown"),
        ]
    )
    assert (found.turns, found.errors, found.reversals) == (4, 1, 1)
    assert (found.wasted_prewarms, found.stale_tokens, found.corrections) == (3, 2, 1)
    assert (found.calls_per_turn, found.fee_minor_mean) == (3.0, 17.5)


def test_a_fee_stands_beside_the_amount_that_it_is_a_share_of() -> None:
    found = summary([flow(900, amount_minor=5000, fee_minor=30), flow(900, amount_minor=0)])
    assert (found.fee_minor_mean, found.amount_minor_mean) == (15.0, 2500.0)


def test_what_models_and_users_cost_is_told_per_turn() -> None:
    found = summary(
        [
            flow(900, guarded=2, human_ms=4000.0, token_cost_micro=25_000),
            flow(100, guarded=1, token_cost_micro=1, outcome="error"),
            flow(100),
        ]
    )
    assert found.guarded == 3
    assert found.human_ms_mean == pytest.approx(4000 / 3)
    # A fen is ten thousand millionths of a yuan; a turn's tokens may cost less than one.
    assert found.token_cost_minor_mean == pytest.approx(2.5001 / 3)


def test_human_time_is_in_no_quantile_and_in_no_budget() -> None:
    found = summary([flow(900, human_ms=60_000.0)] * 6)
    assert (found.p50_ms, found.slo["1s"]) == (900, 1.0)


def test_only_an_answered_turn_is_within_a_budget() -> None:
    found = summary(
        [
            flow(1000),
            flow(1001),
            flow(4999, outcome="declined"),
            flow(10, outcome="error"),
            flow(10, outcome="unknown"),
        ]
    )
    assert found.slo == {"1s": 0.2, "3s": 0.4, "5s": 0.6}


def test_quantiles_below_their_sample_size_are_null() -> None:
    five, six = summary(flows([1.0] * 5)), summary(flows([1.0] * 6))
    assert (five.p50_ms, five.p50_ms_lo, five.p50_ms_hi) == (None, None, None)
    assert (six.p50_ms, six.p50_ms_lo, six.p50_ms_hi) == (1.0, 1.0, 1.0)
    assert (six.p95_ms, six.p99_ms) == (None, None)


def test_each_quantile_has_its_own_place_and_bounds() -> None:
    found = summary(flows([float(ms) for ms in range(1000, 0, -1)]))
    assert (found.p50_ms, found.p95_ms, found.p99_ms) == (500, 950, 990)
    assert (found.p50_ms_lo, found.p50_ms_hi) == (469, 532)
    for lo, ms, hi in (
        (found.p95_ms_lo, found.p95_ms, found.p95_ms_hi),
        (found.p99_ms_lo, found.p99_ms, found.p99_ms_hi),
    ):
        assert lo is not None and ms is not None and hi is not None
        assert lo < ms < hi


@pytest.mark.parametrize(
    ("failed", "known"),
    [(0, (True, True, True)), (3, (True, True, False)), (6, (True, False, False))],
)
def test_failed_turns_push_a_quantile_to_null(failed: int, known: tuple[bool, bool, bool]) -> None:
    failures = [flow(1.0, outcome="unknown" if index % 2 else "error") for index in range(failed)]
    found = summary(failures + flows([500.0] * (100 - failed)))
    assert (found.p95_ms_lo is not None, found.p95_ms is not None) == (known[0], known[1])
    assert (found.p95_ms_hi is not None) == known[2]
    assert found.p50_ms == 500


def test_strategies_keep_their_order_and_their_switches() -> None:
    rows = Rows(flows([2.0] * 6, variant="warm") + flows([1.0] * 6))
    found = variant_summaries(rows, [WARM, BASE])
    assert [(one.name, one.prewarm, one.p50_ms) for one in found] == [
        ("warm", True, 2.0),
        ("base", False, 1.0),
    ]
    assert [one.pay for one in found] == ["wechat-ai", "wechat-ai"]
    switches = [
        (one.prewarm, one.token_cache, one.parallel_confirm)
        for one in variant_summaries(Rows(), ALL)
    ]
    assert switches == list(product((False, True), repeat=3))


def test_a_strategy_without_a_turn_shows_zeros_and_nulls() -> None:
    found = summary([])
    assert (found.turns, found.calls_per_turn, found.fee_minor_mean) == (0, 0, 0)
    assert found.slo == {"1s": 0, "3s": 0, "5s": 0}
    assert (found.p50_ms, found.critical_ms) == (None, {})


def test_the_critical_path_is_that_of_the_variant() -> None:
    pay = SpanRow(
        variant="base",
        round=0,
        conversation=0,
        turn=0,
        span=0,
        stage="pay",
        provider="mock",
        start_s=0.2,
        first_byte_s=0.3,
        first_token_s=0.4,
        end_s=1.0,
        injected_ms=700.0,
        queue_ms=0.0,
        status=200,
        attempt=1,
        critical=True,
    )
    found = summary([flow(1000)], [pay])
    assert found.critical_ms == pytest.approx({"pay": 800, "own time": 200})


def test_a_summary_survives_json() -> None:
    found = summary(flows([1.0] * 50) + [flow(1.0, outcome="error")] * 50)
    assert msgspec.json.decode(msgspec.json.encode(found), type=VariantSummary) == found


def factorial_rows(rounds: int = 6) -> Rows:
    """Every strategy's turns: pre-warming saves 300 ms, 200 of them only without the cache."""
    rows = Rows()
    for strategy in ALL:
        saved = 300 * strategy.prewarm - 200 * (strategy.prewarm and strategy.token_cache)
        rows.flows += flows(
            np.linspace(1000, 2000, 60) - saved, variant=strategy.name, rounds=rounds
        )
    return rows


def by_name(effects: list[EffectSummary], q: float) -> dict[str, EffectSummary]:
    return {effect.factor: effect for effect in effects if effect.quantile == q}


@pytest.mark.parametrize("q", [0.5, 0.95])
def test_all_combinations_give_every_effect_with_bounds(q: float) -> None:
    found = by_name(effect_summaries(factorial_rows(), ALL, THREE, seed=1), q)
    estimates = {name: effect.estimate_ms for name, effect in found.items()}
    assert estimates == pytest.approx(
        {
            "prewarm": -200,
            "token_cache": 100,
            "parallel_confirm": 0,
            "prewarm:token_cache": 200,
            "prewarm:parallel_confirm": 0,
            "token_cache:parallel_confirm": 0,
        },
        abs=1e-9,
    )
    for effect in found.values():
        assert effect.lo_ms is not None and effect.hi_ms is not None


def test_the_order_of_strategies_and_factors_does_not_change_an_effect() -> None:
    one = by_name(effect_summaries(factorial_rows(), ALL, THREE, seed=1), 0.5)
    other = by_name(effect_summaries(factorial_rows(), ALL[::-1], THREE[::-1], seed=1), 0.5)
    assert other["prewarm"].estimate_ms == pytest.approx(one["prewarm"].estimate_ms)
    assert other["token_cache:prewarm"].estimate_ms == pytest.approx(200)


def test_one_factor_may_vary_alone() -> None:
    rows = Rows(flows([1000.0] * 30) + flows([700.0] * 30, variant="warm"))
    found = effect_summaries(rows, [BASE, WARM], ("prewarm",), seed=1)
    assert [(one.factor, one.quantile, one.estimate_ms) for one in found] == [
        ("prewarm", 0.5, -300),
        ("prewarm", 0.95, -300),
    ]


def test_a_strategy_that_fails_often_does_not_look_faster() -> None:
    failures = [flow(1.0, variant="warm", outcome="error", round=index % 5) for index in range(10)]
    rows = Rows(
        flows(np.linspace(900, 1100, 50))
        + flows(np.linspace(900, 1100, 50)[:40], variant="warm")
        + failures
    )
    found = effect_summaries(rows, [BASE, WARM], ("prewarm",), seed=1)
    assert [effect.quantile for effect in found] == [0.5]
    assert found[0].estimate_ms >= 0


def test_no_factor_or_a_strategy_without_a_turn_has_no_effects() -> None:
    assert effect_summaries(Rows(flows([1.0] * 9)), [BASE], (), seed=1) == []
    assert effect_summaries(factorial_rows(), ALL, (), seed=1) == []  # of payment providers, say
    assert effect_summaries(Rows(flows([1.0] * 9)), [BASE, WARM], ("prewarm",), seed=1) == []


@pytest.mark.parametrize(
    ("strategies", "factors"),
    [(ALL[:-1], THREE), ([BASE, BASE], ("prewarm",)), ([BASE], ("prewarm",)), (ALL, ("prewarm",))],
)
def test_strategies_that_are_not_all_combinations_are_refused(
    strategies: list[Named], factors: tuple[str, ...]
) -> None:
    with pytest.raises(ValueError, match="not all combinations"):
        effect_summaries(factorial_rows(), strategies, factors, seed=1)
