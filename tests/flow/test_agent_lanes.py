"""Two payment providers behind one agent: a lane each, and a wallet each."""

import pytest

from harness.flow.strategy import Strategy, all_strategies
from tests.worlds import (
    ALL_THREE,
    BASELINE,
    PREWARM,
    TOKEN_CACHE,
    WISH,
    Played,
    Troubles,
    Turn,
    Weather,
    answer_lost,
    by_lane,
    never_sent,
    play,
    refuses,
)

STRATEGIES = pytest.mark.parametrize("strategy", all_strategies(), ids=lambda one: one.name)
TWO = Weather(lanes=("wechat-ai", "other"))


def _lanes(played: Played, stage: str, turn: int | None = None) -> list[str]:
    """Which provider each call of that stage went to."""
    return [
        seen.path.split("/")[1]
        for seen in played.door.seen
        if seen.key.stage == stage and turn in (None, seen.key.turn)
    ]


@STRATEGIES
def test_a_payment_goes_to_the_provider_of_its_lane_and_to_no_other(strategy: Strategy) -> None:
    played = play(strategy, [by_lane(0), 9.0, by_lane(1), 9.0, by_lane(0)], weather=TWO)
    assert played.outcomes == ["paid"] * 3
    assert _lanes(played, "pay") == ["wechat-ai", "other", "wechat-ai"]
    assert played.books == [("alice-0", "paid"), ("alice-2", "paid")]
    assert [entry.order_no for entry in played.entries("other")] == ["alice-1"]
    assert [receipt.lane for receipt in played.receipts] == [0, 1, 0]


@pytest.mark.parametrize("lane", [1, 2, 9])
def test_where_the_app_has_fewer_lanes_the_last_one_is_taken(lane: int) -> None:
    assert _lanes(play(BASELINE, [by_lane(lane)], weather=TWO), "pay") == ["other"]
    assert _lanes(play(BASELINE, [by_lane(lane)]), "pay") == ["wechat-ai"]


def test_the_lane_used_last_is_the_one_that_is_warmed_and_at_first_the_last_lane() -> None:
    turns: list[Turn] = [by_lane(0), 9.0, by_lane(0), 9.0, by_lane(1), 9.0, by_lane(1)]
    played = play(PREWARM, turns, weather=TWO)
    sessions = [_lanes(played, "session", turn) for turn in range(4)]
    assert sessions == [["other", "wechat-ai"], ["wechat-ai"], ["wechat-ai", "other"], ["other"]]
    assert [flow.wasted_prewarms for flow in played.flows] == [1, 0, 1, 0]
    assert played.response_ms == [2200, 1800, 2200, 1800]


def test_each_lane_keeps_a_session_of_its_own() -> None:
    turns: list[Turn] = [by_lane(0), 9.0, by_lane(1), 9.0, by_lane(0), 9.0, by_lane(1)]
    played = play(TOKEN_CACHE, turns, weather=TWO)
    assert _lanes(played, "session") == ["wechat-ai", "other"]
    assert [flow.cold for flow in played.flows] == [True, True, False, False]
    assert played.response_ms == [2200, 2200, 1800, 1800]


def test_no_token_of_one_provider_is_ever_shown_to_the_other() -> None:
    turns: list[Turn] = [by_lane(0), 9.0, by_lane(1), 9.0, by_lane(0), 9.0, by_lane(1)]
    played = play(ALL_THREE, turns, weather=TWO)
    assert played.outcomes == ["paid"] * 4
    assert [flow.stale_tokens for flow in played.flows] == [0] * 4


@STRATEGIES
def test_a_stale_session_of_one_lane_leaves_the_other_alone(strategy: Strategy) -> None:
    turns: list[Turn] = [by_lane(0), 9.0, by_lane(1), 9.0, by_lane(0), 9.0, by_lane(1)]
    played = play(strategy, turns, weather=TWO, troubles={(2, "pay", 1): refuses("TOKEN_EXPIRED")})
    assert played.outcomes == ["paid"] * 4
    assert [flow.stale_tokens for flow in played.flows] == [0, 0, 1, 0]
    assert played.flows[3].cold == (not strategy.token_cache)


@pytest.mark.parametrize("lane", [0, 1])
def test_a_lost_payment_is_looked_for_where_it_was_sent(lane: int) -> None:
    troubles: Troubles = {(0, "pay", 1): answer_lost, (0, "query", 1): never_sent}
    played = play(BASELINE, [by_lane(lane), 9.0, WISH], weather=TWO, troubles=troubles)
    assert played.outcomes == ["reversed", "paid"]
    asked = {*_lanes(played, "query"), *_lanes(played, "reverse")}
    assert asked == {("wechat-ai", "other")[lane]}
