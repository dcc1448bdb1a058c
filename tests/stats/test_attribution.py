"""Effects laid out by stage: the parts say where time was saved, and add up to the last bit."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.record import Attribution, FlowRow, SpanRow
from harness.stats.analysis import Question, analyse
from harness.stats.attribution import exact
from tests.stats.by_hand import ALL, BASE, THREE, WARM, Named, columns, flow, spans_of

ALONE = ("prewarm",)


def attributed(
    turns: Sequence[FlowRow],
    spans: Sequence[SpanRow],
    strategies: Sequence[Named],
    factors: tuple[str, ...],
) -> list[Attribution]:
    return analyse(columns(turns, spans), strategies, Question(factors=factors)).attribution


def run_of(rounds: int = 8, each: int = 12, seed: int = 1) -> tuple[list[FlowRow], list[SpanRow]]:
    """Every strategy in the same weather: pre-warming hides the session, the cache most sessions,
    a parallel confirmation 200 ms of the payment; some time is nobody's."""
    turns, spans = [], []
    rng = np.random.default_rng(seed)
    weather = rng.lognormal(0.0, 0.3, size=(rounds * each, 4)) * (900.0, 400.0, 600.0, 20.0)
    for strategy in ALL:
        for n, (intent, session, pay, own) in enumerate(weather.tolist()):
            opened = not strategy.prewarm and not (strategy.token_cache and n % 4)
            stages = {"intent": intent, "pay": pay - 200 * strategy.parallel_confirm}
            if opened:
                stages["session"] = session
            turn = flow(
                sum(stages.values()) + own,
                variant=strategy.name,
                round=n % rounds,
                conversation=n,
                cold=opened,
            )
            turns.append(turn)
            spans += spans_of(turn, **stages)
    return turns, spans


@pytest.fixture(scope="module")
def found() -> list[Attribution]:
    return attributed(*run_of(), ALL, THREE)


def parts(of: Attribution) -> dict[str, float]:
    return {part.stage: part.ms for part in of.parts}


def test_parts_add_up_to_the_effect_to_the_last_bit(found: list[Attribution]) -> None:
    turns, spans = run_of()
    effects = analyse(columns(turns, spans), ALL, Question(factors=THREE)).effects
    totals = {(of.factor, of.quantile): of.total_ms for of in found}
    for of in found:
        assert math.fsum(part.ms for part in of.parts) == of.total_ms
    for effect in effects:
        if ":" not in effect.factor:
            assert totals[effect.factor, effect.quantile] == effect.estimate_ms


def test_effects_and_interactions_are_told_at_the_mean_main_effects_at_quantiles_too(
    found: list[Attribution],
) -> None:
    at_mean = [of.factor for of in found if of.quantile is None]
    assert at_mean[:3] == list(THREE)
    assert at_mean[3:] == [
        "prewarm:token_cache",
        "prewarm:parallel_confirm",
        "token_cache:parallel_confirm",
        "prewarm:token_cache:parallel_confirm",
    ]
    assert [(of.factor, of.quantile) for of in found if of.quantile is not None] == [
        (factor, q) for q in (0.5, 0.95) for factor in THREE
    ]


def test_at_the_mean_each_stage_has_what_was_done_to_it(found: list[Attribution]) -> None:
    mean = {of.factor: of for of in found if of.quantile is None}
    assert parts(mean["parallel_confirm"]) == pytest.approx(
        {"intent": 0, "session": 0, "pay": -200, "own time": 0}, abs=1e-6
    )
    prewarm = parts(mean["prewarm"])
    assert {stage for stage, ms in prewarm.items() if abs(ms) > 1e-6} == {"session"}
    both = parts(mean["prewarm:token_cache"])
    # With the cache on there are fewer sessions left to hide: what it hides stays hidden.
    assert both["session"] > 0
    assert prewarm["session"] < -both["session"] / 2


def test_intervals_stand_at_the_mean_alone_and_hold_their_part(found: list[Attribution]) -> None:
    for of in found:
        for part in of.parts:
            if of.quantile is None:
                assert part.lo_ms is not None and part.hi_ms is not None
                assert part.lo_ms <= part.ms <= part.hi_ms
            else:
                assert (part.lo_ms, part.hi_ms) == (None, None)


def test_an_effect_at_a_quantile_lies_mostly_where_it_was_made(found: list[Attribution]) -> None:
    for of in found:
        if of.factor == "parallel_confirm" and of.quantile == 0.5:
            assert parts(of)["pay"] == pytest.approx(-200, abs=60)
            assert abs(parts(of)["intent"]) < 60


def test_below_5_rounds_parts_have_no_interval() -> None:
    found = attributed(*run_of(rounds=4, each=24), ALL, THREE)
    assert {part.lo_ms for of in found for part in of.parts} == {None}


def two_arms(
    base: dict[str, float], warm: dict[str, float], turns: int = 100
) -> tuple[list[FlowRow], list[SpanRow]]:
    rows, spans = [], []
    for name, stages in (("base", base), ("warm", warm)):
        for n in range(turns):
            row = flow(sum(stages.values()), variant=name, round=n % 5, conversation=n)
            rows.append(row)
            spans += spans_of(row, **stages)
    return rows, spans


def test_a_stage_that_one_strategy_alone_has_is_a_part() -> None:
    rows, spans = two_arms({"intent": 500, "session": 200}, {"intent": 500, "refresh": 50})
    for of in attributed(rows, spans, [BASE, WARM], ALONE):
        assert parts(of) == pytest.approx({"intent": 0, "session": -200, "refresh": 50}, abs=1e-9)
        assert of.total_ms == pytest.approx(-150)


def test_a_stage_that_takes_no_time_is_no_part() -> None:
    rows, spans = two_arms({"encrypt": 0, "pay": 500}, {"encrypt": 0, "pay": 400})
    for of in attributed(rows, spans, [BASE, WARM], ALONE):
        assert parts(of) == pytest.approx({"pay": -100})


def test_turns_that_failed_are_in_no_mean_and_near_no_quantile() -> None:
    rows, spans = two_arms({"pay": 500}, {"pay": 400})
    for n in range(8):
        for name in ("base", "warm"):
            row = flow(90_000, variant=name, round=n % 5, conversation=900 + n, outcome="error")
            rows.append(row)
            spans += spans_of(row, query=90_000)
    found = attributed(rows, spans, [BASE, WARM], ALONE)
    assert [of.quantile for of in found] == [None, 0.5]  # p95 is infinite
    for of in found:
        assert parts(of) == pytest.approx({"pay": -100})


def test_where_nothing_was_answered_there_is_no_mean() -> None:
    rows, spans = two_arms({"pay": 500}, {"pay": 400})
    lost = [
        flow(1.0, variant="warm", outcome="unknown", round=n % 5, conversation=n)
        for n in range(100)
    ]
    some = [row for row in rows if row.variant == "base"] + lost
    assert attributed(some, spans, [BASE, WARM], ALONE) == []


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=8), st.floats(-1e-9, 1e-9))
def test_the_least_part_takes_what_rounding_left(values: list[float], left: float) -> None:
    total = math.fsum(values) + left
    found = exact(values, total)
    assert math.fsum(found) == pytest.approx(total, abs=1e-12)
    changed = [one for one, other in zip(values, found, strict=True) if one != other]
    assert len(changed) <= 1
    assert found == pytest.approx(values, abs=1e-8)
