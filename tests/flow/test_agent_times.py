"""What each mitigation buys: response times as sums that can be written down, exact to the call."""

import pytest

from harness.flow.strategy import Strategy, all_strategies
from tests.worlds import (
    ALL_THREE,
    BASELINE,
    BY_CARD,
    PARALLEL,
    PREWARM,
    TOKEN_CACHE,
    WISH,
    Weather,
    play,
)

# Intent 0.5, session 0.4, pay 0.6, confirm 0.7 s; the third turn is like the second.
FIRST_AND_SECOND_MS = [
    (BASELINE, 2200, 2200),
    (PREWARM, 1800, 1800),
    (TOKEN_CACHE, 2200, 1800),
    (PARALLEL, 1500, 1500),
    (Strategy(prewarm=True, token_cache=True), 1800, 1800),
    (Strategy(prewarm=True, parallel_confirm=True), 1200, 1200),
    (Strategy(token_cache=True, parallel_confirm=True), 1500, 1200),
    (ALL_THREE, 1200, 1200),
]

WEATHERS = {
    "the session is quicker than the intent": Weather(),
    "the session outlasts the intent": Weather(session=0.9),
    "the confirmation outlasts the payment": Weather(confirm=2.0),
    "both do": Weather(intent=0.3, session=0.8, pay=0.2, confirm=1.7),
    "the session takes no time": Weather(session=0.0),
}


@pytest.mark.parametrize(("strategy", "first_ms", "later_ms"), FIRST_AND_SECOND_MS)
def test_three_turns_take_exactly_what_their_calls_take(
    strategy: Strategy, first_ms: float, later_ms: float
) -> None:
    played = play(strategy, [WISH, 20.0, WISH, 20.0, WISH])
    assert played.response_ms == [first_ms, later_ms, later_ms]
    assert played.outcomes == ["paid"] * 3


@pytest.mark.parametrize("strategy", all_strategies(), ids=lambda strategy: strategy.name)
@pytest.mark.parametrize("weather", WEATHERS.values(), ids=WEATHERS.keys())
def test_response_times_follow_the_formula_in_any_weather(
    strategy: Strategy, weather: Weather
) -> None:
    played = play(strategy, [WISH, 20.0, WISH], weather=weather)
    assert played.response_ms == [
        _formula_ms(strategy, weather, cached=False),
        _formula_ms(strategy, weather, cached=strategy.token_cache),
    ]


def _formula_ms(strategy: Strategy, weather: Weather, *, cached: bool) -> float:
    session = 0.0 if cached else weather.session
    serial, forked = weather.intent + session, max(weather.intent, session)
    paid = (forked if strategy.prewarm else serial) + weather.pay
    drafted = weather.intent + weather.confirm
    answered = max(paid, drafted) if strategy.parallel_confirm else paid + weather.confirm
    return round(answered * 1e3, 3)


CALLS = [
    (BASELINE, ["intent", "session", "pay", "confirm"], ["intent", "session", "pay", "confirm"]),
    (PREWARM, ["session", "intent", "pay", "confirm"], ["session", "intent", "pay", "confirm"]),
    (TOKEN_CACHE, ["intent", "session", "pay", "confirm"], ["intent", "pay", "confirm"]),
    (PARALLEL, ["intent", "session", "confirm", "pay"], ["intent", "session", "confirm", "pay"]),
    (ALL_THREE, ["session", "intent", "pay", "confirm"], ["intent", "pay", "confirm"]),
]


@pytest.mark.parametrize(("strategy", "first", "second"), CALLS)
def test_each_turn_makes_exactly_these_calls(
    strategy: Strategy, first: list[str], second: list[str]
) -> None:
    played = play(strategy, [WISH, 20.0, WISH])
    # Sorted, for calls of the same instant have no order of meaning.
    assert [sorted(played.door.stages(turn)) for turn in (0, 1)] == [sorted(first), sorted(second)]


@pytest.mark.parametrize("strategy", all_strategies(), ids=lambda strategy: strategy.name)
def test_a_turn_is_cold_when_it_needed_a_new_session(strategy: Strategy) -> None:
    played = play(strategy, [WISH, 20.0, WISH])
    assert [flow.cold for flow in played.flows] == [True, not strategy.token_cache]


@pytest.mark.parametrize(
    ("strategy", "first_ms", "second_ms"),
    [(BASELINE, 2200, 2200), (PREWARM, 1800, 2200), (TOKEN_CACHE, 2200, 2200)],
)
def test_a_switch_of_method_gains_from_no_session_held_for_the_old_one(
    strategy: Strategy, first_ms: float, second_ms: float
) -> None:
    played = play(strategy, [WISH, 20.0, BY_CARD])
    assert played.response_ms == [first_ms, second_ms]
    assert [flow.method for flow in played.flows] == ["balance", "card"]
    assert [flow.wasted_prewarms for flow in played.flows] == [0, int(strategy.prewarm)]


def test_the_user_does_not_wait_for_a_session_warmed_for_nothing() -> None:
    slow_session = Weather(session=5.0)
    played = play(PREWARM, [BY_CARD], weather=slow_session)
    assert played.response_ms == [500 + 5000 + 600 + 700]
    assert played.door.stages().count("session") == 2


def test_a_cached_token_makes_a_prewarm_needless() -> None:
    played = play(Strategy(prewarm=True, token_cache=True), [WISH, 20.0, WISH, 20.0, WISH])
    assert played.door.stages().count("session") == 1
    assert [flow.wasted_prewarms for flow in played.flows] == [0, 0, 0]


def test_after_a_switch_the_new_method_is_the_one_prewarmed() -> None:
    played = play(PREWARM, [WISH, 20.0, BY_CARD, 20.0, BY_CARD])
    assert [flow.wasted_prewarms for flow in played.flows] == [0, 1, 0]
    assert played.response_ms == [1800, 2200, 1800]


def test_latency_counts_from_the_due_time_and_thinking_is_no_part_of_it() -> None:
    played = play(BASELINE, [WISH, 20.0, WISH])
    first, second = played.flows
    assert first.end is not None
    assert second.due - first.end == pytest.approx(20.0, abs=1e-8)
    assert second.start - second.due == pytest.approx(0.0, abs=1e-8)
