"""A plausible run from seeded draws to print and draw; it never measures anything."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from msgspec import structs

from harness.record import (
    FlowRow,
    Health,
    Outcome,
    Rows,
    RunSummary,
    SpanRow,
    WarmUp,
    columns_of,
)
from harness.stats.analysis import Question, analyse, with_findings
from harness.stats.slo import judge_slos, read_slos

FACTORS = ("prewarm", "token_cache", "parallel_confirm")
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
    flags: Mapping[str, str] = {},
) -> tuple[RunSummary, Rows]:
    """The summary and rows of a run whose strategies are all on/off choices of `varied`; `flags`
    are what a function of the user's own calls some of them in place of the mitigation's name."""
    weather = [[_weather(seed, r, t, error_share) for t in range(turns)] for r in range(rounds)]
    choices = product((False, True), repeat=len(varied))
    ons = [{n for n, chosen in zip(varied, choice, strict=True) if chosen} for choice in choices]
    variants, rows = [_variant(on, flags) for on in ons], Rows()
    for variant, on in zip(variants, ons, strict=True):
        for r, round_weather in enumerate(weather):
            for t, met in enumerate(round_weather):
                _play(rows, variant.name, on, r, t, met)
    question = Question(factors=[flags.get(name, name) for name in varied], seed=seed)
    run = _run(rounds, seed, len(variants) * rounds * turns, rows)
    return with_findings(run, analyse(columns_of(rows), variants, question)), rows


def series_run(
    *strategies: Sequence[str],
    turns: int = 600,
    error_share: float = 0.0,
    slos: str = "",
    seed: int = 7,
) -> tuple[RunSummary, Rows]:
    """A run of one round whose strategies, each named by what it switches on, share one open rate:
    as Locust conducts it, on the real clock. 600 turns are long enough for batches."""
    ons = [set(names) for names in strategies]
    variants, rows = [_variant(on) for on in ons], Rows()
    for turn in range(turns):
        met = _weather(seed, 0, turn, error_share)
        for variant, on in zip(variants, ons, strict=True):
            _play(rows, variant.name, on, 0, turn, met)
    columns, names = columns_of(rows), [variant.name for variant in variants]
    run = structs.replace(
        _run(1, seed, len(variants) * turns, rows),
        clock="real",
        argv=["-f", "scenarios/locustfile.py"],
        parameters={"rate": 2.5, "turns": TURNS_A_CONVERSATION, "arrivals": "poisson"},
        slos=judge_slos(columns, names, read_slos(slos)) if slos else [],
    )
    return with_findings(run, analyse(columns, variants, Question(seed=seed))), rows


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


class Variant(NamedTuple):
    """A strategy, as far as an analysis knows one."""

    name: str
    prewarm: bool
    token_cache: bool
    parallel_confirm: bool
    pay: str
    factors: Mapping[str, bool | str]


def _variant(on: set[str], flags: Mapping[str, str] = {}) -> Variant:
    name = "+".join(flags.get(factor, factor) for factor in FACTORS if factor in on) or "baseline"
    prewarm, token_cache, parallel_confirm = (
        factor in on and factor not in flags for factor in FACTORS
    )
    own = {called: factor in on for factor, called in flags.items()}
    return Variant(name, prewarm, token_cache, parallel_confirm, "wechat-ai", own)


def _run(rounds: int, seed: int, turns: int, rows: Rows) -> RunSummary:
    return RunSummary(
        run_id="sample",
        tool_version="0.1.0",
        scenario="checkout",
        parameters={"turns": TURNS_A_CONVERSATION},
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
            finished=turns, failed=sum(row.outcome == "error" for row in rows.flows), leaks=0,
        ),
        warm_up=WarmUp(discarded_turns=0),
        variants=[],
        effects=[],
    )  # fmt: skip
