"""A plausible run from seeded draws to print and draw; it never measures anything."""

from collections.abc import Sequence
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.record import (
    EffectSummary,
    FlowRow,
    Health,
    Outcome,
    Rows,
    RunSummary,
    SpanRow,
    VariantSummary,
)

FACTORS = ("prewarm", "token_cache", "parallel_confirm")
QUANTILES = (0.5, 0.95, 0.99)
TURNS_A_CONVERSATION = 5
GAP_S = 0.004


class Weather(NamedTuple):
    """What one turn meets under every strategy, in seconds; the same whatever is switched on."""

    intent: float
    session: float
    key: float
    pay: float
    confirm: float
    wasted: bool
    stale: bool
    outcome: Outcome


class Span(NamedTuple):
    """A stage within a turn, in seconds since its due time."""

    stage: str
    start: float
    end: float
    critical: bool


def sample_run(
    varied: Sequence[str] = FACTORS,
    *,
    rounds: int = 20,
    turns: int = 50,
    error_share: float = 0.0,
    seed: int = 7,
) -> tuple[RunSummary, Rows]:
    """The summary and rows of a run whose strategies are all on/off choices of `varied`."""
    weather = [[_weather(seed, r, t, error_share) for t in range(turns)] for r in range(rounds)]
    rows, variants, responses = Rows(), [], {}
    for choice in product((False, True), repeat=len(varied)):
        on = {name for name, chosen in zip(varied, choice, strict=True) if chosen}
        name = "+".join(factor for factor in FACTORS if factor in on) or "baseline"
        own = Rows()
        for r, round_weather in enumerate(weather):
            for t, met in enumerate(round_weather):
                _play(own, name, on, r, t, met)
        rows.extend(own)
        responses[choice] = np.reshape([f.response_ms for f in own.flows], (rounds, turns))
        variants.append(_summarise(name, on, own))
    return _run(rounds, seed, variants, _effects(varied, responses)), rows


def _weather(seed: int, round_: int, turn: int, error_share: float) -> Weather:
    rng = np.random.default_rng((seed, round_, turn))
    intent, session, key, pay, confirm = np.array([1.17, 0.33, 0.15, 0.58, 1.56]) * rng.lognormal(
        0.0, [0.25, 0.18, 0.2, 0.22, 0.28]
    )
    luck = rng.random(4)
    outcome: Outcome = "declined" if luck[0] < 0.03 else "paid"
    if luck[3] < error_share:
        outcome = "error"
    needs_key, slow_login = turn % 25 == 0, luck[1] > 0.92
    wasted, stale = bool(luck[1] < 0.02), bool(luck[2] < 0.015)
    session *= 3.5 if slow_login else 1.0
    return Weather(intent, session, key * needs_key, pay, confirm, wasted, stale, outcome)


def _timeline(on: set[str], turn: int, met: Weather) -> list[Span]:
    """The stages of a turn: a warm session hides behind the intent, a parallel confirm over pay."""
    cached = "token_cache" in on and turn % TURNS_A_CONVERSATION > 0 and not met.stale
    spans = [Span("intent", 0.0, met.intent, True)]
    now = met.intent + GAP_S
    if not cached:
        start = GAP_S if "prewarm" in on else now
        ready = start + met.session
        spans.append(Span("session", start, ready, ready > now))
        now = max(now, ready + GAP_S)
    if met.key:
        spans.append(Span("key", now, now + met.key, True))
        now += met.key + GAP_S
    paid = now + met.pay
    if met.outcome == "error":
        return [*spans, Span("pay", now, paid, True)]
    start = now if "parallel_confirm" in on else paid + GAP_S
    told = start + met.confirm
    beside = "parallel_confirm" in on and told > paid
    return [*spans, Span("pay", now, paid, not beside), Span("confirm", start, told, told > paid)]


def _play(rows: Rows, name: str, on: set[str], round_: int, turn: int, met: Weather) -> None:
    due = 0.4 * turn
    spans = _timeline(on, turn, met)
    end = max(span.end for span in spans) + GAP_S
    conversation = turn // TURNS_A_CONVERSATION
    place = turn % TURNS_A_CONVERSATION
    for i, s in enumerate(spans):
        first_byte = s.start + (0.3 if s.stage in ("intent", "confirm") else 1.0) * (
            s.end - s.start
        )
        rows.spans.append(
            SpanRow(
                name, round_, conversation, place, i, s.stage, "mock", due + s.start,
                due + first_byte, due + first_byte, due + s.end, 1000 * (s.end - s.start), 0.0,
                200, 1, s.critical,
            )
        )  # fmt: skip
    amount = 1200 + 37 * turn
    rows.flows.append(
        FlowRow(
            name, round_, conversation, place, due, due, due + end, 1000 * end, 1000 * end,
            met.outcome, place == 0, "wallet", amount, "CNY", round(amount * 0.006), len(spans),
            int(met.wasted and "prewarm" in on), int(met.stale and "token_cache" in on),
            int(met.outcome == "declined" and "parallel_confirm" in on),
            int(met.stale), 0.0, 2_500,
        )
    )  # fmt: skip


def _summarise(name: str, on: set[str], rows: Rows) -> VariantSummary:
    flows = rows.flows
    answered = np.sort([np.inf if f.outcome == "error" else f.response_ms for f in flows])
    figures = {
        f"p{q * 100:g}_ms{suffix}": figure
        for q in QUANTILES
        for suffix, figure in zip(("", "_lo", "_hi"), _order_interval(answered, q), strict=True)
    }
    critical: dict[str, float] = {}
    for s in rows.spans:
        if s.critical:
            critical[s.stage] = critical.get(s.stage, 0.0) + 1000 * (s.end_s - s.start_s) / len(
                flows
            )
    mean = sum(f.response_ms for f in flows) / len(flows)
    return VariantSummary(
        name=name,
        prewarm="prewarm" in on,
        token_cache="token_cache" in on,
        parallel_confirm="parallel_confirm" in on,
        pay="wechat-ai",
        turns=len(flows),
        slo={f"{s}s": float(np.sum(answered <= 1000 * s)) / len(flows) for s in (1, 3, 5)},
        calls_per_turn=sum(f.calls for f in flows) / len(flows),
        wasted_prewarms=sum(f.wasted_prewarms for f in flows),
        stale_tokens=sum(f.stale_tokens for f in flows),
        reversals=0,
        corrections=sum(f.corrections for f in flows),
        guarded=sum(f.guarded for f in flows),
        errors=sum(f.outcome == "error" for f in flows),
        fee_minor_mean=sum(f.fee_minor for f in flows) / len(flows),
        amount_minor_mean=sum(f.amount_minor for f in flows) / len(flows),
        token_cost_minor_mean=sum(f.token_cost_micro for f in flows) / 1e4 / len(flows),
        human_ms_mean=sum(f.human_ms for f in flows) / len(flows),
        critical_ms={**critical, "own": max(0.0, mean - sum(critical.values()))},
        **figures,
    )


def _order_interval(
    values: NDArray[np.float64], quantile: float
) -> tuple[float | None, float | None, float | None]:
    """The quantile between order statistics about two standard deviations of rank apart."""
    n = len(values)
    if quantile**n > 0.025:
        return None, None, None
    reach = 1.96 * float(np.sqrt(n * quantile * (1 - quantile)))
    ranks = (n * quantile, n * quantile - reach, n * quantile + reach + 1)
    places = [min(max(round(rank), 1), n) - 1 for rank in ranks]
    middle, low, high = (float(values[i]) if np.isfinite(values[i]) else None for i in places)
    return middle, low, high


def _effects(
    varied: Sequence[str], responses: dict[tuple[bool, ...], NDArray[np.float64]]
) -> list[EffectSummary]:
    """Contrasts of per-round quantiles, with two standard errors over rounds either side."""
    factors = [*combinations(varied, 1), *combinations(varied, 2)]
    return [
        _contrast([varied.index(name) for name in names], ":".join(names), quantile, responses)
        for names in factors
        for quantile in QUANTILES[:2]
    ]


def _contrast(
    axes: list[int],
    factor: str,
    quantile: float,
    responses: dict[tuple[bool, ...], NDArray[np.float64]],
) -> EffectSummary:
    weight = 2 ** len(axes) / len(responses)
    rounds = sum(
        weight
        * np.prod([1 if choice[axis] else -1 for axis in axes])
        * np.quantile(ms, quantile, 1)
        for choice, ms in responses.items()
    )
    per_round = np.asarray(rounds)
    estimate, n = float(per_round.mean()), len(per_round)
    reach = 2.09 * float(per_round.std(ddof=1)) / n**0.5 if n > 2 else None
    return EffectSummary(
        factor=factor,
        quantile=quantile,
        estimate_ms=estimate,
        lo_ms=None if reach is None else estimate - reach,
        hi_ms=None if reach is None else estimate + reach,
    )


def _run(
    rounds: int, seed: int, variants: list[VariantSummary], effects: list[EffectSummary]
) -> RunSummary:
    turns = sum(v.turns for v in variants)
    errors = sum(v.errors for v in variants)
    return RunSummary(
        run_id="sample",
        tool_version="0.1.0",
        scenario="checkout",
        parameters={"turns": turns // (rounds * len(variants))},
        clock="virtual",
        endpoints="mock",
        seed=seed,
        rounds=rounds,
        rounds_finished=rounds,
        started_at="2026-01-01T00:00:00Z",
        wall_s=9.5,
        argv=["compare"],
        machine={"cpus": "2"},
        profiles={"mock": "0"},
        rows_sha256="0",
        valid=True,
        invalid_because=[],
        health=Health(
            error_p50_ms=0.0, error_p99_ms=0.0, lag_p99_ms=0.0, due=turns, started=turns,
            finished=turns, failed=errors, leaks=0,
        ),
        variants=variants,
        effects=effects,
    )  # fmt: skip
